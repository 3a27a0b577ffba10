"""The same kubectl commands on a real control plane and on a local cluster, side by side.

Both run their pods with the local cluster's runner, on a node of the same name. Outputs must be the
same once names that can only differ are alike; what else may differ stands in `WORDS`, each with
its reason, and in ADR 21.
"""

from __future__ import annotations

import asyncio
import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from support.cluster import LocalClusterProcess
from support.control_plane.kubelet import Kubelet
from support.control_plane.plane import ControlPlane
from support.kubectl import Kubectl, Ran

JsonObject = dict[str, Any]
NAMESPACE = "sides"
NODE: JsonObject = {"node_name": "sides", "cpu": "4", "memory": "8Gi"}
WORDS = tuple(
    (re.compile(pattern, re.DOTALL), words)
    for pattern, words in (
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<uid>"),
        (r"[0-9a-f]{64}", "<container>"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
        (r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000", "<time>"),
        (r'"?resourceVersion"?: ?"\d+"', "<version>"),
        (r"https?://127\.0\.0\.1:\d+", "<server>"),
        (r"\b(\d+[smhdy]){1,2}\b", "<age>"),
        (r"\bPort: \d+", "Port: <port>"),
        # newer tables say how long ago a container was started again, and name the policy
        (r" \(<age> ago\)", ""),
        (r"[^\n]*PREEMPTIONPOLICY[^\n]*", lambda found: found[0].replace("PREEMPTIONPOLICY", "")),
        # a field that 1.20 does not have
        (r'\s+"?hostIPs"?: ?\[?\s*(- |\{\s*)"?ip"?: "?127.0.0.1"?(\s*\}\s*\],)?', ""),
        # differences are shown as Go sees them
        (r"(may not change fields other than).*", r"\1 ..."),
        (r"(patch: Invalid value).*", r"\1 ..."),
        (r"WARNING: version difference between client[^\n]*\n", ""),
    )
)


class Sides:
    """`with Sides(plane, folder) as sides:` has a node on each side."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self._plane = plane
        self._runner = asyncio.Runner()
        self._process = LocalClusterProcess(folder / "local", create_namespaces=False, **NODE)
        self._kubelet = Kubelet(plane, folder / "kubelet", **NODE)
        for name in ("real", "here"):
            (folder / name).mkdir()
        self._real = Kubectl(plane.kubeconfig(namespace=NAMESPACE), folder / "real")
        self._local = Kubectl(folder / "local" / "kubectl.kubeconfig", folder / "here")

    def __enter__(self) -> Self:
        self._kubelet.start()
        self._plane.create_namespace(NAMESPACE)
        self._runner.run(self._process.start())
        self._runner.run(self._local.ok("create", "namespace", NAMESPACE))
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._process.stop())
        self._runner.close()
        self._plane.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}")
        self._kubelet.stop()
        self._plane.request("DELETE", f"/api/v1/nodes/{NODE['node_name']}")

    def both(
        self, *arguments: str, given: object = None, more: Mapping[str, str] | None = None
    ) -> tuple[Ran, Ran]:
        """Run a command on both sides at the same time; the outputs are not compared."""
        asked = ("--namespace", NAMESPACE, *arguments)

        async def run() -> tuple[Ran, Ran]:
            async with asyncio.TaskGroup() as group:
                real = group.create_task(self._real.run(*asked, given=given, more=more))
                local = group.create_task(self._local.run(*asked, given=given, more=more))
            return real.result(), local.result()

        return self._runner.run(run())

    def same(
        self, *arguments: str, given: object = None, more: Mapping[str, str] | None = None
    ) -> Ran:
        """Run a command on both sides; exit codes and outputs must be the same."""
        real, local = self.both(*arguments, given=given, more=more)
        told = differences(real, local)
        assert not told, "\n".join([f"kubectl {' '.join(arguments)}", *told])
        return local

    def each(self, commands: Sequence[str]) -> None:
        """Run commands, each a line of words, on both sides; all must be the same."""
        told: list[str] = []
        for command in commands:
            real, local = self.both(*command.split())
            lines = differences(real, local)
            told += [f"kubectl {command}", *(f"    {each}" for each in lines)] if lines else []
        assert not told, "\n".join(told)

    def lines_of(self, count: int, *arguments: str) -> tuple[list[str], list[str]]:
        """Give the first lines of a command that goes on, of both sides, made alike."""
        asked = ("--namespace", NAMESPACE, *arguments)

        async def run() -> tuple[list[str], list[str]]:
            async with asyncio.TaskGroup() as group:
                real = group.create_task(self._real.lines_of(count, *asked))
                local = group.create_task(self._local.lines_of(count, *asked))
            return real.result(), local.result()

        real, local = self._runner.run(run())
        return alike("\n".join(real)), alike("\n".join(local))


def alike(text: str) -> list[str]:
    """The lines of an output, with names that can only differ alike and no columns."""
    for pattern, words in WORDS:
        text = pattern.sub(words, text)
    return [re.sub(r" +", " ", line).strip() for line in text.splitlines()]


def differences(real: Ran, local: Ran) -> list[str]:
    """The lines in which two runs differ: - of the real side, + of the local one."""
    lines = [] if real.code == local.code else [f"exit codes {real.code} and {local.code}"]
    for left, right in ((real.out, local.out), (real.err, local.err)):
        told = difflib.unified_diff(alike(left), alike(right), lineterm="", n=0)
        lines += [each for each in told if not each.startswith(("---", "+++", "@@"))]
    return lines
