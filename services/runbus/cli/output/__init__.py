"""What is printed: tables, people's text, JSON and YAML, from values that are already there.

Pure but for `printing`, which writes to stdout and stderr. Times of "now" come in as arguments.
Must not know: the bus, files, arguments.
"""
