"""state-watcher: from Kubernetes' watch to a run's states, and from states to deadlines.

Consumes: list and watch of pods of its shards, the labels of their nodes, the events of its
shards, the bucket `live`.
Emits: the states held, pending_*, image_pull_backoff and running; completed, attempt_failed,
aborted; the commands AbortRun, CleanUpObjects and KeepEvidence.

Owns: every run of its shards from its first object to its last, their clocks and timers.

Invariants: never writes to Kubernetes. Judges by objects, never by the kind of a watch event. A
deadline is judged on a view confirmed after it. Nothing is stored but events: objects plus the
bucket `live` are all that a new owner needs.
"""
