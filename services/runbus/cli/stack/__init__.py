"""A whole runbus on one machine: a private nats-server, the local cluster, the five services.

Owns: the processes it starts, their folder (config, store, logs), and their end. Each process
leads a group of its own; a guardian ends the groups when whoever started them is killed.

Invariants: everything listens on loopback, on ports the system picks; the bus asks for a token;
nothing is left running or lying around after `stop`, however the starter died.
Must not know: the insides of what it starts; processes are met by their arguments, environment,
files and health addresses.
"""
