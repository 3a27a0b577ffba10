"""What holds for every test: how long and how randomly Hypothesis looks for counterexamples.

Slowness is not a counterexample: the machine may be busy with the other half of the suite. In
continuous integration the same examples are tried every time, so that a red build is red again.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")
