"""The fields of the kinds that are served, as data: names, types, which must be there.

Consumes: ``types.json``, written by ``python -m runbus.localcluster.schema.export`` from the
models of the Kubernetes client library. Emits: unknown fields of an object, OpenAPI documents,
objects decoded from protobuf.
Invariants: pure but for reading that one file; nothing here judges values, that is for ``rules``.
Must not know: HTTP, the store.
"""
