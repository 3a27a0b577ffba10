"""Views that move, for terminals: tables and timelines with the time left to each deadline.

Owns: what a view looks like at a moment (`view`, pure) and how often it is drawn. Without a
terminal these are not used: `output` prints a line per event instead.
"""
