"""What `runbus doctor` looks at: bus, streams, services, cluster, rights, runs.

Consumes: JetStream's API, the events of runs, the Kubernetes API. Emits: findings, each with what
is wrong and the way out. Changes nothing. Every section has a time limit of its own, so that one
that hangs holds up no other. Must not know: how findings are printed.
"""
