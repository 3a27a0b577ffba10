"""Wrong arguments, told in the words of the command line."""

from __future__ import annotations

import pytest

from runbus.cli.exits import Exit
from runbus.cli.main import main


def test_arguments_that_a_command_does_not_take_are_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["get", "one-run", "another", "third"]) == Exit.USAGE

    told = capsys.readouterr().err
    assert "error: more arguments than it takes: another third\n" in told
    assert "`runbus get --help`" in told
