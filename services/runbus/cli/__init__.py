"""The command line: everything a person, a script or a newcomer does with runbus.

Consumes: arguments, run documents in files, the bus through `runbus.sdk`, and, for live logs only,
the Kubernetes API. Emits: data on stdout, talk on stderr, and one exit code per fate (`exits`).

Owns: the text people read, the file that `runbus up` leaves for the other commands
(`connection`), and, in `stack`, the processes of a whole runbus on one machine.

Invariants: `runbus --help` imports nothing that is not needed for it; commands import what they
need when they run. Without a terminal no output moves or is coloured. Ctrl-C never ends a run.
Must not know: the insides of any service. Services are started by name, as processes.
"""
