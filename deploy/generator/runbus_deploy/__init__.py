"""What is deployed and can be derived: the bus's accounts, and the chart's own data.

Reads contracts, settings and rights of the code; emits the generated files below `deploy/`. Owns no
rule: a subject, a setting or a right is changed where the code has it.
"""
