"""What an outsider needs to talk to runbus: messages, subjects, streams, and the rules of a run.

Owns: the envelope, the run document, commands, events, the folded status, the transition table,
`after_attempt`, the duration and quantity grammars, subjects, streams and buckets as data, the
codec, and the export of all this as JSON Schemas and an AsyncAPI document.

Invariants: imports msgspec and the standard library, nothing else. Everything is pure: no clock,
no randomness, no I/O (`export` writes files, and nothing imports it). Fields are only ever added,
with defaults; a new meaning is a new `.v2` type.
"""
