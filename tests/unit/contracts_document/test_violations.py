"""A finding stays small, can always be encoded, and shows no secret."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbus.contracts.violations import (
    NOT_SHOWN,
    Violation,
    ViolationCode,
    is_credential_name,
    pointer,
    shortened,
    with_hidden_value,
)

POINTERS = [
    ("/", "name", "/name"),
    ("", "name", "/name"),
    ("/labels", "app.kubernetes.io/name", "/labels/app.kubernetes.io~1name"),
    ("/labels", "a~b", "/labels/a~0b"),
    ("/env", 0, "/env/0"),
    ("/env", "\ud800", "/env/?"),
]


@pytest.mark.parametrize(("path", "token", "expected"), POINTERS)
def test_a_place_is_a_json_pointer(path: str, token: object, expected: str) -> None:
    assert pointer(path, token) == expected


GIVEN = [
    (None, None),
    (True, True),
    (3, 3),
    (1.5, 1.5),
    (float("nan"), "nan"),
    (float("inf"), "inf"),
    (10**400, "a very large whole number"),
    ("text", "text"),
    ("x" * 300, "x" * 199 + "…"),
    ("\ud800", "?"),
    ({}, "an empty mapping"),
    ({"PASSWORD": "hunter2"}, "a mapping (PASSWORD)"),
    ([], "an empty list"),
    (["hunter2", 2], "a list of 2"),
    (b"hunter2", "a Python bytes"),
]


@pytest.mark.parametrize(("given", "shown"), GIVEN)
def test_what_was_given_is_shown_short_and_containers_only_described(
    given: object, shown: object
) -> None:
    assert shortened(given) == shown


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=10,
)


@given(_ANY)
def test_any_finding_can_be_encoded_and_is_small(given: object) -> None:
    finding = Violation(path="/x", code=ViolationCode.WRONG_TYPE, given=shortened(given))
    body = msgspec.json.encode(finding)
    assert msgspec.json.decode(body, type=Violation).code == "wrong_type"
    assert len(msgspec.json.decode(body).get("given") or "" if isinstance(given, str) else "") < 201


@pytest.mark.parametrize(
    "name", ["HF_TOKEN", "db_password", "AWS_SECRET_ACCESS_KEY", "apiKey", "MY_KEY", "PGPASS_PIN"]
)
def test_a_variable_that_sounds_like_a_credential_is_known(name: str) -> None:
    assert is_credential_name(name)


@pytest.mark.parametrize("name", ["EPOCHS", "KEYBOARD", "COMPASS", "PATH", 3, None])
def test_other_variables_are_not_taken_for_credentials(name: object) -> None:
    assert not is_credential_name(name)


def test_a_value_can_be_hidden() -> None:
    finding = Violation(path="/env/0/value", code=ViolationCode.WRONG_TYPE, given=123)
    assert with_hidden_value(finding).given == NOT_SHOWN
