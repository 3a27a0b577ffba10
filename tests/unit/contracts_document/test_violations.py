"""A finding stays small, can always be encoded, and shows no secret."""

from __future__ import annotations

from typing import Any

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
    within_size,
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


def a_finding(number: int = 0, **parts: Any) -> Violation:
    return Violation(**({"path": f"/env/{number}", "code": "invalid_value"} | parts))


def test_findings_that_fit_are_all_told() -> None:
    found = [a_finding(number, given=number, hint="mend it") for number in range(50)]

    assert within_size(found, 100_000) == tuple(found)


def test_of_findings_that_do_not_fit_the_last_says_how_many_are_left() -> None:
    found = [a_finding(number, hint="h" * 100) for number in range(50)]

    *kept, last = within_size(found, 1000)

    assert kept == found[: len(kept)]
    assert 0 < len(msgspec.json.encode(kept)) <= 1000
    assert (last.path, last.code) == ("/", ViolationCode.TOO_MANY_VIOLATIONS)
    assert (last.hint or "").startswith(f"{50 - len(kept)} more")


def test_every_part_of_a_finding_is_cut_where_it_is_long() -> None:
    long = "x" * 100_000

    [told] = within_size([a_finding(given=long, allowed=long, hint=long)], 10)

    assert len(str(told.given)) == 200
    assert (len(str(told.allowed)), len(told.hint or "")) == (2000, 2000)


def test_values_that_are_too_many_to_be_listed_are_told_in_words() -> None:
    [told] = within_size([a_finding(allowed=[f"class-{n}" for n in range(1000)])], 10)

    assert str(told.allowed).startswith("class-0, class-1, ")
    assert str(told.allowed).endswith(" and 980 more")
