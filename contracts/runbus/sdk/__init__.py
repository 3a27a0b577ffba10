"""The Python client: how a program talks to runbus over NATS.

Owns: the connection with the settings a control plane needs, reads (leader, buckets), the
acknowledged publish with compare-and-set, and the follower of a stream that survives restarts of
server and connection. The services' `runtime` builds on the same plumbing (ADR-0002).

Invariants: needs msgspec and nats-py only; knows no service. Errors of nats-py never leave this
package: they become the errors of `runbus.sdk.errors`.
"""
