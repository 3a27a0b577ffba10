"""Run documents as Python objects: functions in the way of MLRun, and what is applied to them.

Consumes: calls of a program. Emits: run documents as plain values (`Function.to_dict`), or
`RefusedSettingError` with every violation, at the line that makes the mistake.

Owns: MLRun's method names over the run document, and how Python's values become the document's.

Invariants: a change is checked by the contracts' own rules before it is kept, so a function never
holds a setting that is wrong by itself; what a run is given is a copy, so a function may be changed
and run again (ADR-0019). Only `dotenv_files` reads a file. It must not know the bus.
"""
