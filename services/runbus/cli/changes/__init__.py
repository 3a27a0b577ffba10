"""Changes to run documents from the command line: `--set`, flags for settings, and differences.

Consumes: texts of arguments and documents as raw values. Emits: changed copies of documents, and
errors that name the argument and the way out. Pure: nothing is read, sent or printed here, and no
document given is changed. Must not know: the bus, files, which settings are right (the validator
says it, for everything at once).
"""
