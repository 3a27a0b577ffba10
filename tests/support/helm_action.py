"""One action of Helm on a real API server, run by the Python of the chart's environment.

    .venv-chart/bin/python tests/support/helm_action.py install KUBECONFIG NAMESPACE CHART NAME

Values come as JSON on stdin. It prints the release as JSON; an error is its text, and exit code 1.
Knows nothing of runbus, whose packages are not in that environment.
"""

from __future__ import annotations

import json
import sys

import helm_python  # type: ignore[import-not-found, unused-ignore]  # in the chart's environment


def main(action: str, kubeconfig: str, namespace: str, chart: str, name: str) -> int:
    """Carry it out."""
    values = json.load(sys.stdin)
    try:
        with helm_python.Config(kubeconfig_path=kubeconfig, namespace=namespace) as config:
            match action:
                case "install":
                    release = config.install(chart, name, values, namespace=namespace)
                case "upgrade":
                    release = config.upgrade(chart, name, values, namespace=namespace)
                case _:
                    release = config.uninstall(name)
    except helm_python.HelmError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    json.dump(release, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
