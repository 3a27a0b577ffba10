"""These tests run in an environment of their own, where Helm is: `make chart`."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = ["test_*.py"] if find_spec("helm_python") is None else []
