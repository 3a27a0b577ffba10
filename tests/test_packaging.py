"""What users install: the wheel, the source distribution, the editable checkout, light imports."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE_ROOTS = (ROOT / "contracts", ROOT / "services")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SUBPROCESS_TIMEOUT_S = 100

# Runs in a fresh interpreter: only the standard library, runbus and what is named may be imported.
BLOCKER = """
import importlib, sys

allowed = set(sys.argv[1].split(",")) | {"runbus"} | set(sys.stdlib_module_names)

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in allowed:
            raise ModuleNotFoundError(f"{name} is blocked by a test", name=name)
        return None

sys.meta_path.insert(0, Blocker())
for name in sys.argv[2].split(","):
    importlib.import_module(name)
"""
IMPORTER = """
import importlib, sys, threading
for name in sys.argv[1].split(","):
    importlib.import_module(name)
print(threading.active_count(), "thread")
"""
LOADED = """
import importlib, sys
for name in sys.argv[1].split(","):
    importlib.import_module(name)
print(",".join(sorted(sys.modules)))
"""


def run(*arguments: str, cwd: Path = ROOT) -> str:
    """Return what a Python of this environment prints; its errors fail the test."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=clean,
        capture_output=True,
        text=True,
        timeout=SUBPROCESS_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def modules_below(*packages: str) -> list[str]:
    """Return the dotted names of every module of some packages, from the files."""
    found = []
    for root in SOURCE_ROOTS:
        for path in sorted((root / "runbus").rglob("*.py")):
            name = ".".join(path.relative_to(root).with_suffix("").parts)
            name = name.removesuffix(".__init__")
            if name.startswith(tuple(f"{package}." for package in packages)) or name in packages:
                found.append(name)
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the source distribution, and the wheel from it, as a release does."""
    folder = tmp_path_factory.mktemp("dist")
    run("-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT))
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    """Return the wheel, opened."""
    (path,) = built.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def source_names(built: Path) -> set[str]:
    """Return the names in the source distribution, without its top folder."""
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        return {member.name.partition("/")[2] for member in archive.getmembers()}


def _is_written_by_tools(name: str) -> bool:
    return name == "__pycache__" or name.endswith("_cache")


def _metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


def test_the_wheel_puts_nothing_but_runbus_into_site_packages(wheel: zipfile.ZipFile) -> None:
    top = {name.partition("/")[0] for name in wheel.namelist()}
    assert top == {"runbus", f"runbus-{PROJECT['version']}.dist-info"}


def test_the_wheel_holds_every_file_of_both_source_roots(wheel: zipfile.ZipFile) -> None:
    expected = {
        path.relative_to(root).as_posix()
        for root in SOURCE_ROOTS
        for path in (root / "runbus").rglob("*")
        if path.is_file() and not any(_is_written_by_tools(part) for part in path.parts)
    }
    packed = {name for name in wheel.namelist() if name.startswith("runbus/")}
    assert packed == expected


def test_the_wheel_keeps_the_namespace_open_for_other_distributions(
    wheel: zipfile.ZipFile,
) -> None:
    assert "runbus/__init__.py" not in wheel.namelist()


def test_the_wheel_says_what_it_is_what_it_needs_and_under_which_licence(
    wheel: zipfile.ZipFile,
) -> None:
    metadata = _metadata(wheel)
    always = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(line.partition(">")[0] for line in always) == ["msgspec", "nats-py"]
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert set(metadata.get_all("Provides-Extra", [])) == {
        "cli", "dotenv", "services", "otel", "local", "dev",
    }  # fmt: skip


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


@pytest.mark.parametrize(
    "name",
    [
        "contracts/asyncapi.yaml",
        "contracts/README.md",
        "contracts/schemas/v1/run-document.v1.schema.json",
        "contracts/golden/v1/run.accepted.v1.json",
        "tests/test_packaging.py",
        "requirements/dev.txt",
        "LICENSE",
        "Makefile",
        "pyproject.toml",
    ],
)
def test_the_source_distribution_holds_what_it_takes_to_work_on_it(
    source_names: set[str], name: str
) -> None:
    assert name in source_names


def test_the_source_distribution_holds_nothing_that_tools_have_written(
    source_names: set[str],
) -> None:
    written = [
        name
        for name in source_names
        if name.startswith((".venv", "dist", ".git/")) or "_cache" in name or name.endswith(".pyc")
    ]
    assert written == []


def test_the_editable_install_sees_both_source_roots() -> None:
    printed = run("-c", "import runbus; print(*runbus.__path__, sep='\\n')", cwd=ROOT.parent)
    assert {Path(line) for line in printed.splitlines()} >= {
        root / "runbus" for root in SOURCE_ROOTS
    }


def test_the_installed_version_is_the_projects() -> None:
    assert distribution("runbus").version == PROJECT["version"]


def test_contracts_need_msgspec_and_nothing_else() -> None:
    run("-c", BLOCKER, "msgspec", ",".join(modules_below("runbus.contracts")))


def test_the_client_needs_msgspec_and_nats_and_nothing_else() -> None:
    run("-c", BLOCKER, "msgspec,nats", ",".join(modules_below("runbus.contracts", "runbus.sdk")))


def test_no_module_prints_or_starts_anything_when_it_is_imported() -> None:
    names = [name for name in modules_below("runbus") if not name.endswith("__main__")]
    assert run("-c", IMPORTER, ",".join(names)) == "1 thread\n"


def test_the_command_line_loads_the_kubernetes_client_only_when_a_command_needs_it() -> None:
    names = [name for name in modules_below("runbus.cli") if not name.endswith("__main__")]
    loaded = run("-c", LOADED, ",".join(names)).strip().split(",")
    assert "runbus.cli.main" in loaded
    assert "kubernetes_asyncio" not in loaded


def test_the_help_of_the_command_line_loads_nothing_heavy() -> None:
    loaded = set(run("-c", LOADED, "runbus.cli.main").strip().split(","))
    heavy = {
        "kubernetes_asyncio",
        "aiohttp",
        "nats",
        "rich",
        "yaml",
        "cyclopts",
        "runbus.sdk.client",
    }
    assert loaded & heavy == set()
