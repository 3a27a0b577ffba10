"""aborter: ends runs, deletes what they have in the cluster, and keeps the evidence.

Consumes: the commands AbortRun, CleanUpObjects, KeepEvidence. Emits: aborting, abort_withdrawn,
evidence.

Owns: the fences of every delete. Stateless: what it has accepted is in the run's events, and the
state-watcher reminds it of what is left.

Invariants: the only service that deletes; it creates nothing. `aborting` is stored before anything
is deleted, and every delete names a uid and has been judged again on the newest event. Competing
consumers: any number of replicas.
"""
