"""The contracts for other languages: JSON Schemas and an AsyncAPI document, from the Structs.

Consumes: the Structs, subjects, streams and transitions of `runbus.contracts`. Emits: files, by
`python -m runbus.contracts.export`: `schemas/v1/*.schema.json` and `asyncapi.yaml`, committed and
checked to be fresh.

Owns: the names under which bodies are published, and the files' layout and wording.

Invariants: the same sources give the same bytes. Every text in a file comes from a docstring or a
description in the contracts, or stands here once. `files` says which files there are, and only
`__main__` reads or writes them. Nothing imports this package. Must not know: anything outside
`runbus.contracts`; it needs msgspec and the standard library only, so that an installed runbus can
write the files too.
"""
