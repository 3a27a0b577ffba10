"""The demo: five runs submitted at once, each with its own fate, shown live, and a summary.

Consumes: the documents, the script and the data in `examples/`, and a stack of its own. Emits:
a view of the runs while they live, what became of each, and 0 if all is as it should be.

Owns: which fate each document must meet (`fates`, pure). Invariants: ends by itself within two
minutes, whatever happens. Must not know: the insides of the services; it uses the client only.
"""
