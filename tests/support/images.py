"""A Dockerfile followed without an engine: its steps in a folder, its command as its user.

What an engine does for a chroot is done by paths: every absolute path of the file is looked for
below a folder. Only the instructions that this project uses are known; any other fails.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import string
import subprocess
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from msgspec import Struct, field

STEP_TIMEOUT_S = 300
# What a build may take from where it runs: the way to packages.
PASSED_ON = ("PIP_CONFIG_FILE", "PIP_INDEX_URL", "PIP_CERT", "SSL_CERT_FILE", "http_proxy")


class Instruction(Struct, frozen=True):
    """One instruction: its word and what follows, on one line."""

    word: str
    text: str


class Image(Struct):
    """What the last stage says about itself."""

    environment: dict[str, str] = field(default_factory=dict)
    user: str = ""
    workdir: str = "/"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    ports: list[str] = field(default_factory=list)


def instructions(text: str) -> list[Instruction]:
    """Return the instructions of a Dockerfile."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    split = (line.strip().partition(" ") for line in joined.splitlines() if line.strip())
    return [Instruction(word.upper(), rest.strip()) for word, _, rest in split]


def ignored(context: Path) -> list[tuple[bool, str]]:
    """Return the rules of a .dockerignore: whether a path is left out, and which."""
    lines = (context / ".dockerignore").read_text().splitlines()
    rules = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return [(not rule.startswith("!"), rule.removeprefix("!")) for rule in rules]


def is_sent(path: str, rules: Sequence[tuple[bool, str]]) -> bool:
    """Say whether a file of the context reaches the build: the last rule that fits holds."""
    sent = True
    for leaves_out, pattern in rules:
        anywhere = pattern.removeprefix("**/")
        parents = ["/".join(path.split("/")[:count]) for count in range(1, path.count("/") + 2)]
        names = path.split("/") if anywhere != pattern else parents
        if any(fnmatch(each, anywhere) for each in names):
            sent = not leaves_out
    return sent


class Builder:
    """Follows a Dockerfile below a folder, which must be readable for everybody."""

    def __init__(self, context: Path, folder: Path, python: str) -> None:
        self._context = context
        self._folder = folder
        self._rules = ignored(context)
        self._python = Path(python)
        self._arguments: dict[str, str] = {}
        self.image = Image()
        tools = folder / "tools"
        tools.mkdir()
        (tools / "python").write_text(f'#!/bin/sh\nexec {shlex.quote(python)} "$@"\n')
        (tools / "python").chmod(0o755)

    def at(self, path: str) -> Path:
        """Return where an absolute path of the image lies."""
        return self._folder / path.lstrip("/")

    def follow(self, steps: Sequence[Instruction]) -> Image:
        """Carry out every instruction; returns what the last stage says."""
        for step in steps:
            getattr(self, f"_{step.word.lower()}")(step.text)
        return self.image

    def run(self, arguments: Sequence[str], **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the image as its user does: entry point, arguments, its environment and no other."""
        return subprocess.run(
            self.command_line(arguments),
            env=self.environment() | environment,
            cwd=self.at(self.image.workdir),
            capture_output=True,
            text=True,
            timeout=STEP_TIMEOUT_S,
            check=False,
            **self.identity(),
        )

    def command_line(self, arguments: Sequence[str]) -> list[str]:
        """Return the entry point with these arguments, found on the image's path."""
        given = [*self.image.entrypoint, *(arguments or self.image.command)]
        found = shutil.which(given[0], path=self.environment()["PATH"])
        assert found is not None, f"the image has no {given[0]}"
        return [found, *given[1:]]

    def environment(self) -> dict[str, str]:
        """Return the image's environment, with paths where they lie."""
        own = {name: self._here(value) for name, value in self.image.environment.items()}
        path = own.get("PATH", "$PATH").replace("$PATH", f"{self._folder}/tools:{os.defpath}")
        return {**own, "PATH": path, "HOME": "/nonexistent"}

    def identity(self) -> dict[str, Any]:
        """Return user and group for a subprocess.

        None where this process may not change them, or others may not reach this machine's Python.
        """
        user, _, group = self.image.user.partition(":")
        can_reach = all(
            each.stat().st_mode & 0o001 for each in (self._python, *self._python.parents)
        )
        is_possible = os.geteuid() == 0 and can_reach
        return {"user": int(user), "group": int(group)} if is_possible else {}

    def _here(self, text: str) -> str:
        return re.sub(r"(?<![\w/.$])/(opt|src)\b", rf"{self._folder}/\1", text)

    def _arg(self, text: str) -> None:
        name, _, value = text.partition("=")
        self._arguments[name] = value

    def _from(self, text: str) -> None:
        base = string.Template(text).substitute(self._arguments)
        assert base.startswith("python:")
        self.image = Image()

    def _copy(self, text: str) -> None:
        *sources, target = text.split()
        if sources[0] == "--from=build":
            self._keep_only(sources[1], target)
            return
        for source in sources:
            self._copy_from_context(source, target)

    def _keep_only(self, source: str, target: str) -> None:
        """Copy from the stage before: nothing else of it is left afterwards."""
        assert source == target, "an environment cannot be moved"
        kept = self.at(source)
        assert kept.is_dir()
        shutil.rmtree(self.at("/src"))
        for other in kept.parent.iterdir():
            if other != kept:
                shutil.rmtree(other)

    def _copy_from_context(self, source: str, target: str) -> None:
        root = self._context / source
        paths = [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_file())
        base = root.parent if root.is_file() else root
        sent = [p for p in paths if is_sent(p.relative_to(self._context).as_posix(), self._rules)]
        assert sent, f"the .dockerignore leaves {source} out"
        for path in sent:
            copy = self.at(self.image.workdir) / target / path.relative_to(base)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)

    def _run(self, text: str) -> None:
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        done = subprocess.run(
            ["/bin/sh", "-ec", self._here(text)],
            env={"PATH": f"{self._folder}/tools:{os.defpath}", "HOME": "/root", **passed},
            cwd=self.at(self.image.workdir),
            capture_output=True,
            text=True,
            timeout=STEP_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"

    def _workdir(self, text: str) -> None:
        self.image.workdir = text
        self.at(text).mkdir(parents=True, exist_ok=True)

    def _env(self, text: str) -> None:
        self.image.environment |= _pairs(text)

    def _user(self, text: str) -> None:
        self.image.user = text

    def _expose(self, text: str) -> None:
        self.image.ports.append(text)

    def _entrypoint(self, text: str) -> None:
        self.image.entrypoint = json.loads(text)

    def _cmd(self, text: str) -> None:
        self.image.command = json.loads(text)

    def _label(self, text: str) -> None:
        assert _pairs(text)

    def _stopsignal(self, text: str) -> None:
        assert text == "SIGTERM"

    def _healthcheck(self, text: str) -> None:
        assert " CMD [" in text


def _pairs(text: str) -> Mapping[str, str]:
    return dict(each.split("=", 1) for each in shlex.split(text))
