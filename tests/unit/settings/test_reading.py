"""Documents from bytes and text: strict JSON, streams, sizes, and the place of every mistake."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbus.contracts.document import DOCUMENT_BYTES_MAX
from runbus.contracts.violations import ViolationCode
from runbus.settings.reading import DOCUMENTS_MAX, Read, Refused, read_documents, read_json


def _refusal(found: Read | Refused) -> list[tuple[str, str, str]]:
    """Return path, code and hint of everything in a refusal."""
    assert isinstance(found, Refused)
    return [(each.path, each.code, each.hint or "") for each in found.violations]


def _one(text: str | bytes) -> Read | Refused:
    (found,) = read_documents(text)
    return found


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": [1, 2.5, null, true, "x"]}', {"a": [1, 2.5, None, True, "x"]}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        (b"3", 3),
        (b"null", None),
        (b'{"a": 18446744073709551615}', {"a": 2**64 - 1}),
    ],
)
def test_a_json_body_is_read_as_it_stands(body: bytes, value: object) -> None:
    assert read_json(body) == Read(value)


REFUSED_BODIES = [
    (b"", "/", "empty", "the document is empty"),
    (b" \n", "/", "empty", "the document is empty"),
    (b'{"a": 1', "/", "invalid_syntax", "line 1, column 8: expecting ',' delimiter"),
    (b'{"a": 1}\nx', "/", "invalid_syntax", "line 2, column 1: something follows the end"),
    (b"{a: 1}", "/", "invalid_syntax", "line 1, column 2"),
    (b'{"a":\xff}', "/", "invalid_syntax", "line 1, column 6: byte 0xff is no UTF-8"),
    (b"\xff\xfe{\x00", "/", "invalid_syntax", "UTF-16 is no UTF-8"),
    (b'{"a": NaN}', "/", "invalid_value", "line 1: NaN is no JSON"),
    (b'{\n"a": -Infinity}', "/", "invalid_value", "line 2: -Infinity is no JSON"),
    (b'{"a": 1e999}', "/", "invalid_value", "line 1: the number is too large"),
    (b'{"a": 99999999999999999999}', "/", "invalid_value", "beyond 64 bits"),
    (b'{"a": ' + b"9" * 5000 + b"}", "/", "invalid_value", "beyond 64 bits"),
    (b'{"a": "\\ud800"}', "/", "invalid_syntax", "half of a surrogate pair"),
    (b"[" * 65 + b"]" * 65, "/", "too_large", "64 levels deep"),
    (b"[" * 100_000, "/", "too_large", "64 levels deep"),
    (b'{"a": "' + b"x" * DOCUMENT_BYTES_MAX + b'"}', "/", "too_large", "512 KiB"),
]


@pytest.mark.parametrize(("body", "path", "code", "hint"), REFUSED_BODIES)
def test_a_body_that_is_no_strict_json_is_refused_with_the_place(
    body: bytes, path: str, code: str, hint: str
) -> None:
    ((found_path, found_code, found_hint),) = _refusal(read_json(body))
    assert (found_path, found_code) == (path, code)
    assert hint in found_hint


def test_as_many_levels_as_allowed_are_read() -> None:
    assert isinstance(read_json(b"[" * 64 + b"]" * 64), Read)
    assert isinstance(_one("[" * 64 + "]" * 64), Read)


def test_every_key_that_stands_twice_is_named_with_both_lines() -> None:
    body = b'{"a": 1, "b": {"x": [0, {"k": 1,\n"k": 2}]},\n"a": {"c": 1, "c": 2, "c": 3}}'
    assert _refusal(read_json(body)) == [
        (
            "/b/x/1/k",
            "duplicate_key",
            "line 2: the key stands in line 1 already: keep one of the two",
        ),
        ("/a", "duplicate_key", "line 3: the key stands in line 1 already: keep one of the two"),
        ("/a/c", "duplicate_key", "line 3: the key stands in line 3 already: keep one of the two"),
        ("/a/c", "duplicate_key", "line 3: the key stands in line 3 already: keep one of the two"),
    ]


def test_a_key_that_stands_twice_is_shown_with_its_escapes_read() -> None:
    assert _refusal(read_json(b'{"a/b": 1, "\\u0061/b": 2}'))[0][:2] == ("/a~1b", "duplicate_key")


def test_a_stream_gives_a_verdict_per_document_with_its_line() -> None:
    found = read_documents("# first\na: 1\n---\nb: [1\n---\n\nc: 3\n--- {d: 4}\n")
    assert [each.line for each in found] == [2, 3, 5, 8]
    assert [each.value for each in found if isinstance(each, Read)] == [
        {"a": 1},
        {"c": 3},
        {"d": 4},
    ]
    assert _refusal(found[1])[0][1] == "invalid_syntax"


def test_json_documents_may_follow_one_another() -> None:
    assert read_documents('{"a": 1}\n\n{"b": 2} [3]') == [
        Read({"a": 1}, 1),
        Read({"b": 2}, 3),
        Read([3], 3),
    ]


def test_a_broken_json_line_spares_those_before_it() -> None:
    found = read_documents('{"a": 1}\n{"b": ')
    assert found[0] == Read({"a": 1}, 1)
    assert "line 2" in _refusal(found[1])[0][2]


def test_text_in_braces_that_is_no_json_is_read_as_yaml() -> None:
    assert _one("{a: 1, b: [x, y]}") == Read({"a": 1, "b": ["x", "y"]})


def test_json_with_a_slip_is_answered_as_json() -> None:
    hint = _refusal(_one('{"a": 1,}'))[0][2]
    # The words are those of Python's own reader, which changed them in 3.13.
    assert "property name" in hint or "trailing comma" in hint


def test_directives_and_comments_before_the_first_document_are_part_of_it() -> None:
    assert read_documents("%YAML 1.2\n# a comment\n---\na: 1\n...\n") == [Read({"a": 1}, 3)]


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "~", "\ufeff"])
def test_an_empty_document_is_one_refusal(text: str) -> None:
    assert [each[:2] for each in _refusal(_one(text))] == [("/", "empty")]


def test_a_windows_file_is_read_like_any_other() -> None:
    assert _one(b"\xef\xbb\xbfa: 1\r\nb: x\r\n") == Read({"a": 1, "b": "x"})


def test_a_document_that_is_too_large_leaves_the_others_alone() -> None:
    found = read_documents(f"a: {'x' * DOCUMENT_BYTES_MAX}\n---\nb: 1\n")
    assert _refusal(found[0])[0][1] == "too_large"
    assert found[1] == Read({"b": 1}, 2)


def test_a_file_has_a_largest_number_of_documents() -> None:
    (found,) = read_documents("---\na: 1\n" * (DOCUMENTS_MAX + 1))
    assert _refusal(found)[0][1] == "too_large"


@given(
    st.one_of(st.binary(max_size=200), st.text(alphabet='{}[]:,"-#&*!|>%\n a1\t\\', max_size=60))
)
def test_nothing_that_is_read_makes_the_readers_fail(content: bytes | str) -> None:
    for found in read_documents(content):
        if isinstance(found, Refused):
            assert found.violations
            assert all(each.code in set(ViolationCode) for each in found.violations)
    body = content if isinstance(content, bytes) else content.encode()
    assert isinstance(read_json(body), Read | Refused)


@given(st.text(max_size=100))
def test_any_text_with_any_characters_is_read_or_refused(text: str) -> None:
    assert read_documents(text)
