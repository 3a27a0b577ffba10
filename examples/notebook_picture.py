"""Carries out notebook.ipynb as Jupyter would, and makes a picture of it with a headless browser.

Start `runbus up` in another terminal; then

    python examples/notebook_picture.py docs/notebook.png

With a name that ends in .html, the page itself is written, and no browser is needed.

The cells run while an event loop is running, as in a notebook. What Jupyter itself would add
(a kernel, a server) takes no part in what functions and runs show, and is not needed.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import html
import io
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).resolve().parent / "notebook.ipynb"
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
BROWSER_TIMEOUT_S = 60
WIDTH, HEIGHT = 760, 970
STYLE = """
body { font: 14px system-ui, sans-serif; margin: 16px; width: 720px; background: #fff }
pre.code { background: #f6f8fa; border: 1px solid #d1d9e0; border-radius: 4px; padding: 8px;
           margin: 10px 0 6px; font: 12px ui-monospace, monospace; white-space: pre-wrap }
pre.said { margin: 4px 8px; font: 12px ui-monospace, monospace; white-space: pre-wrap }
"""


def main() -> int:
    """Carry the notebook out and write the picture; 1 where there is no browser."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "notebook.png")
    is_page = target.suffix == ".html"
    if not is_page and find_browser() is None:
        print(f"no browser is here: install one of {', '.join(BROWSERS)}", file=sys.stderr)
        return 1
    page = asyncio.run(notebook_html())
    if is_page:
        target.write_text(page, encoding="utf-8")
    else:
        picture(page, target)
    print(f"{target}: {target.stat().st_size} bytes")
    return 0


async def notebook_html() -> str:
    """Return the notebook as an HTML page, its cells carried out on this loop."""
    names: dict[str, Any] = {}
    parts = []
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            parts += [f'<pre class="code">{html.escape(source)}</pre>', carried_out(source, names)]
    return (
        f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style>'
        f"<title>runbus in a notebook</title>{''.join(parts)}"
    )


def carried_out(source: str, names: dict[str, Any]) -> str:
    """Carry a cell out and return what it shows: what it printed, and its last expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    shown: object = None
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(tree, "<cell>", "exec"), names)
        if isinstance(last, ast.Expr):
            shown = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
    text = f'<pre class="said">{html.escape(said.getvalue())}</pre>' if said.getvalue() else ""
    if shown is None:
        return text
    as_html = getattr(shown, "_repr_html_", None)
    return text + (as_html() if as_html else f'<pre class="said">{html.escape(repr(shown))}</pre>')


def find_browser() -> str | None:
    """Return the path of a browser of the Chromium family, if there is one."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def picture(page: str, target: Path) -> None:
    """Let the browser draw a page into a PNG file."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "page.html"
        source.write_text(page, encoding="utf-8")
        browse(f"--screenshot={target.absolute()}", f"--window-size={WIDTH},{HEIGHT}", str(source))


def browse(*arguments: str) -> str:
    """Run the browser once, without a window, and return what it prints."""
    browser = find_browser()
    assert browser is not None
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *arguments],
        capture_output=True,
        text=True,
        timeout=BROWSER_TIMEOUT_S,
        check=True,
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
