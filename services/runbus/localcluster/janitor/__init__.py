"""What kube-controller-manager does, as far as the local cluster needs it. A plain API client.

Consumes: watches on nodes and namespaces. Emits: node taints by the Ready condition, Ready
Unknown for nodes whose heartbeats stopped, the end of namespaces being deleted with what is in
them. Not here yet: objects whose owner is gone (ownerReferences), eviction by NoExecute taints.
Invariants: every decision is made again from objects, never from a watch event's kind.
Must not know: the API server's memory, scheduler, runner.
"""
