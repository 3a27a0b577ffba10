"""The rules of the Kubernetes API, as pure functions.

Consumes: objects as decoded JSON, the time and fresh uids as arguments. Emits: new objects, or an
``ApiError`` that holds the Status a real API server would answer. Owns: kinds, names, quantities,
selectors, patches, defaults, validation, deletion, quota.
Invariants: no I/O, clock, randomness or logging; an argument is never changed in place.
Must not know: HTTP, the store, processes.
"""
