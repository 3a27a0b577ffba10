"""scheduler: says when a run may start, and why it may not yet.

Consumes: the events of every run, the bucket `live`. Emits: queued, admitted.

Owns: the order of admission (priority class, then age), the limits on concurrent runs, and the
backoff before another attempt. One replica is active, by lease; others stand by.

Invariants: knows no Kubernetes. A waiting run always says why. Limits are counted in memory from
the events; compare-and-set guards each run, not a limit.
"""
