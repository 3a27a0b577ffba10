"""The help of single commands, in two columns of plain text. Imported when somebody asks for it."""

from __future__ import annotations

import io
import textwrap

from cyclopts.help import HelpEntry, HelpPanel, PlainFormatter
from rich.console import Console, ConsoleOptions

LEFT_WIDTH_MAX = 28
GAP = 2
INDENT = 2
WIDTH_MAX = 100
# As cyclopts writes what is no default worth a word.
_NO_DEFAULTS = (None, "", '""', "()", "False")


class TwoColumns(PlainFormatter):
    """Prints names on the left and what they do, wrapped, on the right."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Print one panel: arguments, options or commands."""
        if not panel.entries:
            return
        width = min(console.width, WIDTH_MAX)
        rows = [(_names(entry), _text(entry)) for entry in panel.entries]
        left = min(LEFT_WIDTH_MAX, max(len(names) for names, _ in rows))
        title = "Options" if panel.title == "Parameters" else panel.title
        lines = [f"{title}:"]
        for names, text in rows:
            lines += _row(names, text, left, width)
        _print(console, lines)

    def render_description(
        self, console: Console, options: ConsoleOptions, description: object
    ) -> None:
        """Print what a command does, its paragraphs wrapped anew."""
        width = min(console.width, WIDTH_MAX)
        for paragraph in _plain(description).split("\n\n"):
            lines = textwrap.wrap(paragraph, width, break_on_hyphens=False)
            if lines:
                _print(console, lines)


def _print(console: Console, lines: list[str]) -> None:
    text = "\n".join([*lines, ""])
    console.print(text, highlight=False, markup=False, emoji=False, soft_wrap=True)


def _plain(shown: object) -> str:
    """Return the text of whatever cyclopts hands to a formatter."""
    page = io.StringIO()
    Console(
        file=page, width=10_000, no_color=True, highlight=False, markup=False, emoji=False
    ).print(shown)
    return "\n".join(line.rstrip() for line in page.getvalue().splitlines()).strip()


def _row(names: str, text: str, left: int, width: int) -> list[str]:
    start = " " * (INDENT + left + GAP)
    wrapped = textwrap.wrap(text, max(20, width - len(start)), break_on_hyphens=False) or [""]
    head = f"{'':<{INDENT}}{names:<{left}}{'':<{GAP}}"
    if len(names) > left:
        return [head.rstrip(), *(start + line for line in wrapped)]
    return [head + wrapped[0], *(start + line for line in wrapped[1:])]


def _names(entry: HelpEntry) -> str:
    if entry.positional_label:
        return str(entry.positional_label)
    names = ", ".join((*entry.positive_shorts, *entry.positive_names))
    return f"{names} {entry.metavar}" if entry.metavar else names


def _text(entry: HelpEntry) -> str:
    parts = [_plain(entry.description) if entry.description else ""]
    if entry.choices:
        parts.append(f"One of: {', '.join(entry.choices)}.")
    if entry.required:
        parts.append("Required.")
    if entry.default not in _NO_DEFAULTS:
        parts.append(f"Default: {entry.default}.")
    return " ".join(part for part in parts if part)
