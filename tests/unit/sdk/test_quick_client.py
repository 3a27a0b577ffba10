"""Headers are cut as the library cuts them, only quicker."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nats.aio.client import Client

from runbus.sdk.quick_client import QuickClient

LINES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20).map(str.encode)
    | st.binary(max_size=20).filter(lambda line: b"\r" not in line and b"\n" not in line),
    max_size=5,
)


@given(LINES)
@example([b"ce-id: a", b"Name:no space", b"tab:\tvalue\t"])
@example([b"no colon", b": no name", b"a name: with a space", "näme: x".encode(), b"n: a:b"])
@example([b"value: \xff\xfe", b" name : x", b"same: 1", b"same: 2"])
def test_headers_are_those_of_the_library(lines: list[bytes]) -> None:
    raw = b"\r\n".join(lines) + b"\r\n\r\n"

    assert QuickClient._parse_header_lines(raw) == Client._parse_header_lines(raw)


def test_the_library_still_has_what_is_replaced() -> None:
    assert "_parse_header_lines" in vars(Client)


@pytest.mark.parametrize("raw", [b"", b"\r\n", b"\r\n\r\n"])
def test_without_headers_there_are_none(raw: bytes) -> None:
    assert QuickClient._parse_header_lines(raw) == {}
