"""Free texts are cut, and show that they were."""

from __future__ import annotations

import pytest

from runbus.contracts.texts import cut


@pytest.mark.parametrize(
    ("text", "expected"), [("", ""), ("1234", "1234"), ("12345", "12345"), ("123456", "1234…")]
)
def test_a_text_that_is_too_long_ends_in_an_ellipsis(text: str, expected: str) -> None:
    assert cut(text, 5) == expected
