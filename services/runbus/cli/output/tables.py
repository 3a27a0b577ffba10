"""Plain tables in columns, as every tool of the field prints them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

GAP = "   "
ELLIPSIS = "…"

Paint = Callable[[int, int, str], str]


def table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    with_headers: bool = True,
    width: int | None = None,
    paint: Paint | None = None,
) -> str:
    """Return a table; empty text for no rows and no headers.

    Args:
        headers: of the columns.
        rows: of cells; line breaks in them become spaces.
        with_headers: whether the first line names the columns.
        width: cut the last column so that lines fit; None cuts nothing.
        paint: colours a cell after it was padded: (row, column, text).

    """
    cells = [[_one_line(cell) for cell in row] for row in rows]
    shown = [list(headers), *cells] if with_headers else cells
    if not shown:
        return ""
    widths = [max(len(row[column]) for row in shown) for column in range(len(headers))]
    if width is not None:
        widths[-1] = max(8, width - sum(widths[:-1]) - len(GAP) * (len(headers) - 1))
    lines: list[str] = []
    first_row = 1 if with_headers else 0
    for number, row in enumerate(shown):
        is_header = number < first_row
        line = [
            _cell(text, widths[column], number - first_row, column, None if is_header else paint)
            for column, text in enumerate(row)
        ]
        lines.append(GAP.join(line).rstrip())
    return "\n".join(lines) + "\n"


def _cell(text: str, width: int, row: int, column: int, paint: Paint | None) -> str:
    cut = text if len(text) <= width else text[: max(1, width - 1)] + ELLIPSIS
    padded = f"{cut:<{width}}"
    return paint(row, column, padded) if paint is not None else padded


def _one_line(text: str) -> str:
    return " ".join(text.split())
