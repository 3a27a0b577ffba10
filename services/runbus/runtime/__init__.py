"""The shared plumbing of the five services: what would stay if the services were others.

Owns: the run log (events with compare-and-set), pulling from work queues, the message loop with
its three fates, dead letters, leases, the Kubernetes connection, clock, health, logs, settings
and the life of a service process.

Invariants: knows no service. Time comes from `clock` alone. Errors of nats-py and of aiohttp
never pass these adapters.
"""
