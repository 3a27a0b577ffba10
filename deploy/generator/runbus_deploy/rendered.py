"""`python -m runbus_deploy.rendered`: the chart's rights as plain manifests, or check them.

For whoever wants to read or apply them without Helm, and for tests on an API server. Needs Helm as
a library (requirements/chart.txt) and nothing of runbus.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import helm_python
import yaml

DEPLOY = Path(__file__).resolve().parents[2]
CHART = DEPLOY / "helm/runbus"
RELEASE = NAMESPACE = "runbus"
SECRET = "runbus-nats"  # noqa: S105 - a Secret's name
RIGHTS = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
OWN_BUS = {"nats": {"auth": {"existingSecret": SECRET}}}
VARIANTS: dict[str, dict[str, Any]] = {
    "rbac-namespaced.yaml": {**OWN_BUS, "namespaces": ["nlp", "cv"]},
    "rbac-cluster-wide.yaml": {**OWN_BUS, "clusterWide": True},
}
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it was built
_ABOUT = "# Generated from the chart: `make rendered` writes it anew, `make chart` compares.\n"


def rendered(values: dict[str, Any], *, revision: int = 1) -> list[dict[str, Any]]:
    """Return every object of the chart under some values.

    Raises:
        helm_python.HelmError: values that the schema refuses, or a template fails for.

    """
    with helm_python.Chart.load(CHART) as chart:
        chart.validate_schema(values)
        files = chart.render(values, name=RELEASE, namespace=NAMESPACE, revision=revision)
    return [each for path in sorted(files) for each in _documents(path, files[path])]


def manifests(values: dict[str, Any]) -> str:
    """Return the chart's accounts and rights as one text."""
    found = [each for each in rendered(values) if each["kind"] in RIGHTS]
    found.sort(key=lambda each: (RIGHTS.index(each["kind"]), _place(each)))
    return _ABOUT + yaml.safe_dump_all(found, sort_keys=False)


def main(arguments: Sequence[str]) -> int:
    """Write, or with `--check` compare; return 1 where a file is not fresh.

    With `--whole FOLDER` the whole chart goes there instead, with its own bus.
    """
    if "--whole" in arguments:
        whole = yaml.safe_dump_all(rendered({"nats": {"enabled": True}}), sort_keys=False)
        Path(arguments[-1], "runbus.yaml").write_text(whole, encoding="utf-8")
        return 0
    folder = DEPLOY / "rendered"
    expected = {folder / name: manifests(values) for name, values in VARIANTS.items()}
    if "--check" in arguments:
        stale = [path for path, text in expected.items() if _read(path) != text]
        told = (f"stale: deploy/rendered/{path.name}: make rendered\n" for path in stale)
        sys.stderr.write("".join(told))
        return 1 if stale else 0
    folder.mkdir(exist_ok=True)
    for path, text in expected.items():
        path.write_text(text, encoding="utf-8", newline="\n")
    return 0


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _documents(path: str, text: str) -> Iterator[dict[str, Any]]:
    if path.endswith(".yaml"):
        yield from (each for each in yaml.load_all(text, Loader=_Loader) if each)


def _place(found: dict[str, Any]) -> tuple[str, str]:
    return found["metadata"].get("namespace", ""), found["metadata"]["name"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
