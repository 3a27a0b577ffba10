"""spec-validator: a run document in, an accepted or rejected run out, with every violation.

Consumes: submit commands, and requests on `runbus.v1.api.<verb>.<project>`. Emits: accepted,
rejected; replies with the verdict.

Owns: run ids and idempotency, the merge with the defaults, and all checks of a document.

Invariants: a refusal is one event that lists every violation, and nothing else happens. The same
idempotency key with the same document is one run, however often it is asked for. Competing
consumers: any number of replicas.
"""
