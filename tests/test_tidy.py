"""The style guide as a test: what a reader may rely on in every file of the repository.

What ruff and mypy can say they say (line length, complexity, annotations); here stands the rest.
A rule that fails names each place as `file:line`, so that the way out is one click away.
"""

from __future__ import annotations

import ast
import os
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE_ROOTS = (ROOT / "contracts" / "runbus", ROOT / "services" / "runbus")

FILE_LINES_MAX = 400
BODY_LINES_MAX = 50
CHARTER_CHARACTERS_MIN = 100
TEST_NAME_WORDS_MIN = 3

VAGUE_NAMES = frozenset({"utils", "util", "common", "helpers", "helper", "manager", "misc"})

# Who may catch everything without raising it at once, and why.
BROAD_CATCHES = {
    "services/runbus/runtime/inbox.py": 2,  # the message loop: one message never stops the others
    "services/runbus/runtime/workqueue.py": 1,  # the loop over runs: likewise
    "services/runbus/runtime/livefeed.py": 1,  # the loop over events: likewise
    "services/runbus/scheduler/handler.py": 1,  # the loop over a round's runs: likewise
    "services/runbus/spec_validator/api.py": 1,  # the loop over requests: likewise
    "services/runbus/aborter/deleting.py": 1,  # the loop over runs that are aborted: likewise
    "services/runbus/aborter/keeping.py": 2,  # the loop over their evidence, each step of it
    "contracts/runbus/sdk/follow.py": 1,  # raised again, outside its task group
}

# What a decision must not reach: I/O, clocks, randomness, tasks, logs.
IMPURE_MODULES = frozenset(
    {"aiohttp", "asyncio", "concurrent", "kubernetes_asyncio", "logging", "multiprocessing"}
    | {"nats", "os", "random", "secrets", "select", "shutil", "signal", "socket", "ssl"}
    | {"structlog", "subprocess", "sys", "tempfile", "threading", "time", "uuid", "uvloop"}
)
IMPURE_SUBMODULES = frozenset({"http.client", "http.server", "urllib.request"})
IMPURE_CALLS = frozenset({"open", "print", "input", "exec", "eval", "__import__"})
CLOCK_READINGS = frozenset({"now", "utcnow", "today"})

# Written so that this file does not match itself.
FOREIGN_TO_THE_REPOSITORY = re.compile(
    r"py[p]i\.org|pythonhost[e]d\.org|registry\.np[m]js|npm[j]s\.com|deb\.debi[a]n"
    r"|proxy\.gol[a]ng|crates\.[i]o|(?<![\w.$}<>-])/(?:ro[o]t|wo[r]k|ho[m]e/\w+|Us[e]rs/\w+)/"
)
NOT_OURS = frozenset({".git", ".venv", "dist", "node_modules", "__pycache__", ".hypothesis"})


def _relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _python_files(*folders: Path) -> list[Path]:
    found = (path for folder in folders for path in folder.rglob("*.py"))
    return sorted(path for path in found if NOT_OURS.isdisjoint(path.parts))


def _sources() -> list[Path]:
    return _python_files(*SOURCE_ROOTS)


def _all_python() -> list[Path]:
    return _python_files(*SOURCE_ROOTS, ROOT / "tests", ROOT / "examples")


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _packages() -> list[Path]:
    """Return every folder with Python in it below the two namespace roots."""
    folders = {path.parent for path in _sources()} - set(SOURCE_ROOTS)
    return sorted(folders)


def _is_pure(path: Path) -> bool:
    inside = path.relative_to(ROOT).parts[2:]
    if inside[0] == "contracts":
        return inside[1:2] not in (("export.py",), ("export",))
    return (
        inside[-1] in ("decide.py", "model.py")
        or inside[0] in ("settings", "reading")
        or inside[:2] == ("pod_launcher", "manifest")
        or inside[:2] == ("runtime", "token_bucket.py")
        or inside[:2] in (("localcluster", "rules"), ("localcluster", "store"))
    )


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_a_file_stays_within_its_limit_of_lines() -> None:
    counted = {
        _relative(path): len(path.read_text(encoding="utf-8").splitlines())
        for path in _all_python()
    }
    assert {path: lines for path, lines in counted.items() if lines > FILE_LINES_MAX} == {}


def test_a_function_body_stays_within_its_limit_of_lines() -> None:
    too_long = [
        f"{_relative(path)}:{node.lineno} {node.name} has {_body_lines(node)} lines"
        for path in _all_python()
        for node in _functions(_tree(path))
        if _body_lines(node) > BODY_LINES_MAX
    ]
    assert too_long == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [_relative(path) for path in _all_python() if not ast.get_docstring(_tree(path))]
    assert silent == []


def test_every_package_has_a_charter() -> None:
    without = []
    for package in _packages():
        init = package / "__init__.py"
        charter = ast.get_docstring(_tree(init)) if init.exists() else None
        if len(charter or "") < CHARTER_CHARACTERS_MIN:
            without.append(_relative(package))
    assert without == []


def test_every_package_is_typed() -> None:
    untyped = [_relative(path) for path in _packages() if not (path / "py.typed").exists()]
    assert untyped == []


@pytest.mark.parametrize("root", SOURCE_ROOTS, ids=_relative)
def test_the_two_roots_of_the_namespace_are_no_packages(root: Path) -> None:
    modules = sorted(path.name for path in root.iterdir() if path.is_file())
    assert modules == [], "a file here would hide the packages of the other source root"


def test_no_module_has_a_name_that_says_nothing() -> None:
    vague = [
        _relative(path)
        for path in _all_python()
        if not VAGUE_NAMES.isdisjoint({path.parent.name, *path.stem.lower().split("_")})
    ]
    assert vague == []


def _undocumented(body: list[ast.stmt], owner: str = "") -> Iterator[tuple[int, str]]:
    """Yield line and name of the public definitions without a docstring, classes from within."""
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name.startswith("_") or _is_stand_in(node):
            continue
        if not ast.get_docstring(node):
            yield node.lineno, owner + node.name
        if isinstance(node, ast.ClassDef):
            yield from _undocumented(node.body, f"{node.name}.")


def _is_stand_in(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Say whether a definition's text stands elsewhere: overloads, overrides, setters."""
    names = {ast.unparse(decorator).split(".")[-1] for decorator in node.decorator_list}
    return not names.isdisjoint({"overload", "override", "setter"})


def test_everything_public_has_a_docstring() -> None:
    undocumented = [
        f"{_relative(path)}:{line} {name}"
        for path in _sources()
        for line, name in _undocumented(_tree(path).body)
    ]
    assert undocumented == []


def _is_broad(node: ast.AST) -> bool:
    """Say whether a node swallows every error: a broad handler that does not raise, or suppress."""
    broad = {"Exception", "BaseException"}
    if isinstance(node, ast.ExceptHandler):
        caught = {"BaseException"} if node.type is None else _names_in(node.type)
        raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
        return not caught.isdisjoint(broad) and not raises
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
        return any(not _names_in(argument).isdisjoint(broad) for argument in node.args)
    return False


def _names_in(node: ast.AST) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def test_only_the_message_loops_catch_everything() -> None:
    counted = Counter(
        _relative(path) for path in _sources() for node in ast.walk(_tree(path)) if _is_broad(node)
    )
    assert {path: n for path, n in counted.items() if n > BROAD_CATCHES.get(path, 0)} == {}


def test_only_the_command_line_prints() -> None:
    printing = [
        f"{_relative(path)}:{node.lineno}"
        for path in _sources()
        if "cli" not in path.parts
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print"
    ]
    assert printing == []


def _impurities(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if _is_impure(alias.name):
                    yield node.lineno, f"imports {alias.name}"
        elif isinstance(node, ast.ImportFrom):
            if any(_is_impure(f"{node.module}.{alias.name}") for alias in node.names):
                yield node.lineno, f"imports from {node.module}"
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            owner, _, method = called.rpartition(".")
            if called in IMPURE_CALLS or (
                method in CLOCK_READINGS and owner.rpartition(".")[2] in ("datetime", "date")
            ):
                yield node.lineno, f"calls {called}"
        elif isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncWith | ast.AsyncFor):
            yield node.lineno, "awaits"


def _is_impure(module: str) -> bool:
    below = any(module == name or module.startswith(f"{name}.") for name in IMPURE_SUBMODULES)
    return module.partition(".")[0] in IMPURE_MODULES or below


def test_decisions_reach_no_clock_no_chance_and_no_world() -> None:
    pure = [path for path in _sources() if _is_pure(path)]
    found = [
        f"{_relative(path)}:{line} {what}"
        for path in pure
        for line, what in _impurities(_tree(path))
    ]
    assert pure != []
    assert found == []


def _text_files() -> Iterator[Path]:
    for folder, subfolders, names in os.walk(ROOT):
        subfolders[:] = sorted(name for name in subfolders if _is_ours(name))
        yield from (Path(folder) / name for name in sorted(names) if _is_ours(name))


def _is_ours(name: str) -> bool:
    return not (name in NOT_OURS or name.startswith(".venv") or name.endswith("_cache"))


def test_no_file_names_a_package_registry_or_a_place_on_one_machine() -> None:
    found = []
    for path in _text_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # an image or an archive
        for match in FOREIGN_TO_THE_REPOSITORY.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(f"{_relative(path)}:{line} {match[0]}")
    assert found == []


def test_the_changelog_speaks_of_the_version_in_the_making() -> None:
    changelog = ROOT / "CHANGELOG.md"
    assert changelog.exists(), "a user-visible change has a line in CHANGELOG.md"
    assert "## " in changelog.read_text(encoding="utf-8")


def _decision_records() -> dict[str, list[str]]:
    """Return the files of `docs/adr` by number."""
    numbered: dict[str, list[str]] = {}
    for path in sorted((ROOT / "docs" / "adr").glob("*.md")):
        numbered.setdefault(path.name[:4], []).append(path.name)
    return numbered


def test_every_decision_record_has_a_number_of_its_own() -> None:
    records = _decision_records()
    misnamed = [number for number in records if not re.fullmatch(r"\d{4}", number)]
    assert misnamed == []
    assert {number: names for number, names in records.items() if len(names) > 1} == {}


def test_every_decision_record_that_is_named_exists() -> None:
    records = _decision_records()
    missing = [
        f"{_relative(path)}: ADR-{number}"
        for path in _text_files()
        if path.suffix in (".py", ".md", ".toml") or path.name == "Makefile"
        for number in re.findall(r"\bADR-(\d{4})\b", path.read_text(encoding="utf-8"))
        if number not in records
    ]
    assert missing == []


def test_the_name_of_every_test_is_a_sentence() -> None:
    short = [
        f"{_relative(path)}:{node.lineno} {node.name}"
        for path in _python_files(ROOT / "tests")
        for node in _functions(_tree(path))
        if node.name.startswith("test_")
        and len(node.name.removeprefix("test_").split("_")) < TEST_NAME_WORDS_MIN
    ]
    assert short == []
