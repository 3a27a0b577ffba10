"""The pod scheduler: gives unbound pods a node. A plain API client.

Consumes: watches on pods and nodes. Emits: bindings, the PodScheduled condition with
kube-scheduler's words, Kubernetes events Scheduled and FailedScheduling.
Owns: the decision (``placement.py``, pure) and its own account of what is bound or about to be.
Invariants: a pod with scheduling gates is left alone; higher priority first, then age; a node is
never promised more than it has; no preemption. Must not know: the API server's memory, runner.
"""
