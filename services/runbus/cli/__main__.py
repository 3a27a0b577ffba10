"""`python -m runbus.cli`: the same as `runbus`."""

import sys

from runbus.cli.main import main

sys.exit(main())
