"""Reading the cluster: from Kubernetes objects, as they are now, to the state of a run.

Consumes: pods, lists, watch events and Kubernetes events as JSON bytes (`objects`), or documents
parsed from a file (`why`). Emits: values only; a `Reading` of a pod (`pods`), one of several pods
(`runs`), text for people (`explain`) and the answer of `runbus why` (`why`).

Owns: which fields of Kubernetes' objects are looked at, and the rules by which a pod is held, not
scheduled, waiting for its image, running or ended, and whose fault an end was. State-watcher,
aborter and the command line read pods through here and nowhere else.

Invariants: pure and level-based. The same pod, and the same sticky state from before, give the same
reading, whatever happened in between and in whichever order a list was written. No structurally
valid pod makes a reading fail. Must not know: clocks, thresholds, the bus, a Kubernetes client.
"""
