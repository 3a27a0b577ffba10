"""Settings: from what a user wrote, and the operator's defaults, to the effective run document.

Consumes: the text or bytes of documents and of a defaults file (`reading`), or values that came in
some other way. Emits: values only; an effective document with its warnings and the level that each
setting came from, or a refusal that lists every violation (`resolve`), and the limits that
a document puts on its run (`limits`).

Owns: how YAML and JSON are read, the shape of the defaults file and the defaults that are shipped,
the order of the levels and how each setting is merged, and the checks that need more than one
setting. The shape of a single setting is the contracts' (`contracts.structure`).

Invariants: pure; no input makes anything here fail, and no input is changed. The same document
and the same defaults always give the same effective document. Must not know: the bus, Kubernetes
objects (the launcher's `manifest`), files, the command line.
"""
