"""YAML as people mean it: plain words, keys, tags, aliases, and findings with their lines."""

from __future__ import annotations

import pytest

from runbus.settings.reading import Read, Refused, read_documents


def _value(text: str) -> object:
    (found,) = read_documents(text)
    assert isinstance(found, Read), found
    return found.value


def _refusal(text: str) -> list[tuple[str, str, str]]:
    (found,) = read_documents(text)
    assert isinstance(found, Refused), found
    return [(each.path, each.code, each.hint or "") for each in found.violations]


# What a plain word is. The second half are the traps of YAML 1.1, which stay text.
PLAIN: list[tuple[str, object]] = [
    ("", None),
    ("~", None),
    ("null", None),
    ("true", True),
    ("False", False),
    ("0", 0),
    ("-7", -7),
    ("+7", 7),
    ("0x1F", 31),
    ("1.5", 1.5),
    (".5", 0.5),
    ("5.", 5.0),
    ("1e3", 1000.0),
    ("1e-4", 0.0001),
    ("-1.5E+2", -150.0),
    ("yes", "yes"),
    ("no", "no"),
    ("on", "on"),
    ("off", "off"),
    ("y", "y"),
    ("0777", "0777"),
    ("007.5", "007.5"),
    ("0o17", "0o17"),
    ("0b101", "0b101"),
    ("1_000", "1_000"),
    ("1:30", "1:30"),
    ("2026-11-01", "2026-11-01"),
    ("2026-11-01T10:00:00Z", "2026-11-01T10:00:00Z"),
    ("1.2.3", "1.2.3"),
    ("1h30m", "1h30m"),
    ("500m", "500m"),
    (".", "."),
    ("=", "="),
    ("NaN", "NaN"),
    ("Infinity", "Infinity"),
    ("'1'", "1"),
    ('"true"', "true"),
    ("!!str 1", "1"),
    ("! 1", "1"),
]


@pytest.mark.parametrize(("text", "value"), PLAIN)
def test_a_plain_word_is_what_it_looks_like(text: str, value: object) -> None:
    assert repr(_value(f"a: {text}\nb: x")) == repr({"a": value, "b": "x"})


@pytest.mark.parametrize("text", [".inf", "-.INF", ".nan", "1e999", "99999999999999999999"])
def test_a_number_that_json_does_not_have_is_refused_where_it_stands(text: str) -> None:
    ((path, code, hint),) = _refusal(f"a: 1\nb:\n  c: {text}")
    assert (path, code) == ("/b/c", "invalid_value")
    assert hint.startswith("line 3: ")


def test_every_key_that_stands_twice_is_named_with_both_lines() -> None:
    assert _refusal("a: 1\nb: {c: 1, c: 2}\n\na: 2") == [
        ("/b/c", "duplicate_key", "line 2: the key stands in line 2 already: keep one of the two"),
        ("/a", "duplicate_key", "line 4: the key stands in line 1 already: keep one of the two"),
    ]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("1: x", "/1"),
        ("1.5: x", "/1.5"),
        ("true: x", "/true"),
        ("null: x", "/null"),
        ("? [a]\n: x", "/?"),
        ("? {a: 1}\n: x", "/?"),
    ],
)
def test_a_key_that_is_no_text_is_refused_with_its_line(text: str, path: str) -> None:
    assert _refusal(f"# first\n{text}") == [
        (path, "wrong_type", "line 2: a key is a text: put it in quotes")
    ]


def test_the_words_of_booleans_in_yaml_1_1_are_good_keys() -> None:
    assert _value("on: 1\noff: 2\nyes: 3\nno: 4") == {"on": 1, "off": 2, "yes": 3, "no": 4}


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.system [x]",
        "!!python/name:os.system x",
        "!!binary aGk=",
        "!!timestamp 2026-11-01",
        "!!set {a}",
        "!env HOME",
    ],
)
def test_tags_are_refused_and_make_nothing(value: str) -> None:
    (found, *_) = _refusal(f"a: 1\nb: {value}")
    assert found[:2] == ("/b", "invalid_syntax")
    assert found[2] == "line 2: tags are not read: take it away"


def test_aliases_and_merge_keys_work_as_everywhere() -> None:
    text = "base: &b {x: 1, y: [1]}\nc:\n  <<: *b\n  x: 2\nd:\n  <<: [*b, {z: 3}]\ne: *b"
    assert _value(text) == {
        "base": {"x": 1, "y": [1]},
        "c": {"x": 2, "y": [1]},
        "d": {"x": 1, "y": [1], "z": 3},
        "e": {"x": 1, "y": [1]},
    }


def test_a_merge_key_takes_mappings_only() -> None:
    assert _refusal("a:\n  <<: [1]") == [
        ("/a", "wrong_type", "line 2: << takes mappings: give an alias of one, or a list")
    ]


def test_aliases_that_multiply_are_refused_before_they_do() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for name, inner in zip("bcdefghij", "abcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{inner}'] * 10)}]")
    ((path, code, hint),) = _refusal("\n".join(lines))
    assert (path, code) == ("/", "too_large")
    assert "aliases" in hint


def test_an_alias_of_nothing_or_inside_itself_is_refused() -> None:
    assert _refusal("a: *b\nc: &c [*c]") == [
        ("/a", "invalid_syntax", "line 1: the alias names nothing that comes before"),
        ("/c/0", "invalid_syntax", "line 2: the alias stands inside what it names"),
    ]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a: b: c", "line 1, column 5: mapping values are not allowed"),
        ("a:\n\tb: 1", "YAML is indented with spaces, not with tabs"),
        ("a: 'x", "line 1, column 6: found unexpected end of stream"),
        ("a: \x01", "line 1, column 4: control characters are not allowed"),
        ("a: 1\nb: \ud800", "line 2: half of a surrogate pair"),
        ("a: `x`", "cannot start any token"),
    ],
)
def test_a_mistake_in_the_writing_is_told_with_line_and_column(text: str, hint: str) -> None:
    ((path, code, found),) = _refusal(text)
    assert (path, code) == ("/", "invalid_syntax")
    assert hint in found


def test_the_list_of_what_is_wrong_ends_somewhere() -> None:
    assert len(_refusal("\n".join(f"{number}: x" for number in range(1000)))) == 100


def test_lines_count_from_the_start_of_the_file() -> None:
    found = read_documents("a: 1\n---\nb: 1\nb: 2\n")
    assert isinstance(found[1], Refused)
    assert (found[1].violations[0].hint or "").startswith("line 4: the key stands in line 3")
