"""The commands, one module each: arguments in, the sdk or the pure packages asked, output out.

A module's public function is the command; its docstring is the help people read. `catalogue`
names them all. No command imports another one.
"""
