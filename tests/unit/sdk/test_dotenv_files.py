"""Dotenv files, read strictly: what is no setting is an error that names its line."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest

from runbus.sdk import DotenvError, new_function
from runbus.sdk.functions.dotenv_files import parse_env_text, read_env_file

GOOD = """# a comment
A=1
export B = two words
C="three # no comment
lines"   # a comment
D='${A} stays'
E=${A}/x
F=

G="tab\\tend"
A=last
"""


def test_a_file_is_read_in_its_order_and_nothing_is_interpolated(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(GOOD)
    assert list(read_env_file(path).items()) == [
        ("B", "two words"),
        ("C", "three # no comment\nlines"),
        ("D", "${A} stays"),
        ("E", "${A}/x"),
        ("F", ""),
        ("G", "tab\tend"),
        ("A", "last"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("A=1\nB\n", 2, "B has no `=`"),
        ("\n\n# x\nexport B\n", 4, "B has no `=`"),
        ('A=1\n\nB="open\nC=2\n', 3, "the quote that B begins with has no end"),
        ("A='open", 1, "the quote that A begins with has no end"),
        ("A=1\nB = 'x' y\n", 2, "something follows it"),
        ("two words=1\n", 1, "no name of a variable"),
        ("=1\n", 1, "no name of a variable"),
    ],
)
def test_a_line_that_is_no_setting_is_told_with_its_place(text: str, line: int, told: str) -> None:
    with pytest.raises(DotenvError, match=told) as found:
        parse_env_text(text, "my.env")
    assert str(found.value).startswith(f"my.env, line {line}:")


@pytest.mark.parametrize(
    "text",
    [
        'TOKEN="s3cr3t\n',
        f"KEY=-----BEGIN PRIVATE KEY-----\n{'s3cr3t' * 10}\n",  # its lines stand in no quotes
        "KEY=-----BEGIN PRIVATE KEY-----\ns3cr3t+/ab=\n",
    ],
)
def test_a_value_is_never_repeated_in_an_error(text: str) -> None:
    with pytest.raises(DotenvError) as found:
        parse_env_text(text, "my.env")
    assert "s3cr3t" not in str(found.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(DotenvError, match="No such file"):
        read_env_file(tmp_path / "none")
    (tmp_path / "binary").write_bytes(b"A=1\n\xff\xfe")
    with pytest.raises(DotenvError, match="line 2: no UTF-8"):
        read_env_file(tmp_path / "binary")
    (tmp_path / "large").write_bytes(b"#" * 600_000)
    with pytest.raises(DotenvError, match="is it the right file"):
        read_env_file(tmp_path / "large")


def test_a_function_takes_a_file_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\nB=x y\n")
    fn = new_function("a", "b", image="x:1").set_envs(file_path=path)
    assert fn.to_dict()["env"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "x y"}]
    path.write_text("C=1\nD\n")
    with pytest.raises(DotenvError):
        fn.set_envs(file_path=str(path))
    assert not fn.is_env_exists("C")


def test_without_python_dotenv_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("dotenv"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DotenvError, match=r"pip install 'runbus\[dotenv\]'"):
        parse_env_text("A=1", "my.env")
