"""Objects in memory with one global resourceVersion, and the history that watches read.

Consumes: complete objects (checked by ``rules``). Emits: stored versions, lists, watch events.
Owns: resourceVersions, the order of events, snapshots for paging. Whoever makes the store may be
told of every change before it is visible (``api/journal.py`` keeps them over restarts).
Invariants: a stored version is never changed, only replaced; a resourceVersion is given out once
and only upwards; the history is bounded, and who asks for forgotten events is told so (410).
Must not know: HTTP, the meaning of fields outside metadata, the clock.
"""
