"""What kube-controller-manager does, as far as the local cluster needs it. A plain API client.

Consumes: watches on nodes, namespaces, pods, and on the metadata of what owns or is owned. Emits:
node taints by the Ready condition, Ready Unknown for nodes whose heartbeats stopped, the end of
namespaces being deleted with what is in them, of objects whose owners are gone or going, and of
pods that may not stay on their node.
Invariants: every decision is made again from objects, never from a watch event's kind.
Must not know: the API server's memory, scheduler, runner.
"""
