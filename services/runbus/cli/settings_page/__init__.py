"""The page on settings for users, made of the contracts: types, defaults, examples, kinds.

Consumes: the run document's Structs, the checks' own words, and what `settings` makes of a document
of each kind. Emits: docs/settings.md, by `python -m runbus.cli.settings_page`; committed and
checked to be fresh (`make generated`).

Owns: the examples and the page's layout. What a setting is, may be, defaults to and belongs to is
asked of the contracts and of the settings, never written here.

Invariants: the same sources give the same bytes; only `__main__` reads or writes a file. It stands
with the command line because contracts may not know defaults, and settings may not read examples.
"""
