"""pod-launcher: creates in Kubernetes what an admitted run asks for.

Consumes: admitted. Emits: launched, launch_failed.

Owns: the manifests (`manifest/`, pure, one module a kind) and the act of creation.

Invariants: only ever creates. Reads the run again just before it creates, and creates under a
deadline, so that nothing appears long after an abort. Names are deterministic: "already exists"
is success. Competing consumers: any number of replicas.
"""
