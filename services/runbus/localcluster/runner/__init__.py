"""The kubelet stand-in: runs the containers of the pods bound to one node. A plain API client.

Consumes: a watch on the pods of its node; secrets and config maps by name; images that match a
pattern do not exist. Emits: the Node object and its heartbeats, pod statuses, Kubernetes events,
container logs over HTTP (as a kubelet serves them, found through the Node's status).
Owns: local process groups and DIR/{pods,claims,logs,groups}.
Invariants: one worker a pod; a status is written only when it changed; a pod object is deleted
(grace 0, uid precondition) only after its processes are gone; process groups are recorded before
anything can go wrong, and killed only after their start time was compared.
Must not know: the API server's memory, the scheduler. Volumes, environment and working directory
of a process: see the charter of the package above.
"""
