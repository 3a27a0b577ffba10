"""All commands as one cyclopts application: for parsing, and for the shells' completion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App

from runbus.cli.commands.catalogue import COMMANDS

if TYPE_CHECKING:
    from cyclopts.help.protocols import HelpFormatter


def application(formatter: HelpFormatter | None = None) -> App:
    """Return the application; a command is imported when it is asked for.

    Args:
        formatter: how help is printed.

    """
    app = App(name="runbus", help_format="plaintext", help_formatter=formatter, version="")
    for entry in COMMANDS:
        app.command(
            entry.path,
            name=entry.name,
            alias=entry.aliases,
            help=None,
            show=not entry.is_hidden,
        )
    return app
