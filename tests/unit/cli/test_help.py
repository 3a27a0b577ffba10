"""Help is quick, complete, and imports nothing that only commands need."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from runbus.cli.commands.catalogue import COMMANDS, help_text
from runbus.cli.main import main

# Heavy, or of no use for help. The contracts' document alone takes as long as all of help may.
NOT_FOR_HELP = {
    "nats",
    "kubernetes_asyncio",
    "aiohttp",
    "yaml",
    "msgspec",
    "rich",
    "cyclopts",
    "asyncio",
    "runbus.sdk",
    "runbus.settings",
    "runbus.contracts.document",
}
# A fifth of a second on a free machine; three runs, the best counts, because others share it.
HELP_LIMIT_S = 0.3


def imported_by(*arguments: str) -> set[str]:
    """Return the modules that a command has imported at its end."""
    script = (
        "import sys; from runbus.cli.main import main; main(sys.argv[1:]);"
        " sys.stderr.write('\\n'.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [("--help",), ("-h",), (), ("help",), ("--version",)])
def test_help_imports_nothing_that_only_commands_need(arguments: tuple[str, ...]) -> None:
    assert imported_by(*arguments) & NOT_FOR_HELP == set()


@pytest.mark.parametrize("name", ["list", "logs", "up"])
def test_the_help_of_a_command_reaches_neither_bus_nor_cluster(name: str) -> None:
    heavy = {"nats", "kubernetes_asyncio", "aiohttp", "runbus.settings", "runbus.sdk.client"}
    assert imported_by(name, "--help") & heavy == set()


def test_help_takes_less_than_a_third_of_a_second() -> None:
    taken: list[float] = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "runbus.cli", "--help"], check=True, stdout=subprocess.DEVNULL
        )
        taken.append(time.perf_counter() - started)
    assert min(taken) < HELP_LIMIT_S


def test_help_names_every_command_that_is_not_hidden_and_every_exit_code() -> None:
    text = help_text()
    for entry in COMMANDS:
        assert (f"  {entry.name}" in text) is not entry.is_hidden
    for code in ("0 done", "1 the", "2 wrong", "3 the", "4 no", "5 the", "6 bus", "124", "130"):
        assert code in text


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_every_command_has_a_help_of_its_own(
    entry: object, capsys: pytest.CaptureFixture[str]
) -> None:
    name = entry.name  # type: ignore[attr-defined]
    assert main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: runbus {name}")
    assert " object at 0x" not in shown


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["lst"], "did you mean `runbus list`?"),
        (["list", "--stat", "x"], "`runbus list --help` explains it"),
        (["get"], "`runbus get --help` explains it"),
        (["watch", "x", "--project", "nlp"], "watch takes either runs, or --all"),
        (["watch", "x", "--all"], "watch takes either runs, or --all"),
        (["list", "--state", "runing"], "did you mean running?"),
        (["list", "--project", "A B"], "cannot be a project"),
        (["services", "run", "nothing"], "spec-validator"),
        (["render", "-f", "x", "--run-id", "short"], "12 of a-z and 0-9"),
        (["wait", "x", "--timeout", "soon"], "such as 30s"),
        (["lint", "-f", "nowhere.yaml"], "nowhere.yaml: No such file or directory"),
        (["why", "-f", "."], ". is a folder"),
        (["up", "--defaults", "nowhere.yaml"], "nowhere.yaml: no such file"),
    ],
)
def test_wrong_usage_is_exit_2_with_the_way_out(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert told in shown.err
    assert "Traceback" not in shown.err


def test_debug_shows_where_an_error_comes_from() -> None:
    with pytest.raises(FileNotFoundError):
        main(["--debug", "lint", "-f", "nowhere.yaml"])
