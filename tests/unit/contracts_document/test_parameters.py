"""How parameters reach the code: filled in into arguments, and as one JSON text."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbus.contracts.parameters import filled, parameters_json

VALUES = {
    "epochs": 3,
    "lr": 0.1,
    "name": "big model",
    "fast": True,
    "none": None,
    "list": [1, "a"],
    "odd name!": "x",
    "braces": "{epochs}",
    "var": "$(HOME)",
    "dollars": "a$$b",
    "price": "5$",
    "plain": "$5",
}
ARGUMENTS = [
    ("--epochs={epochs}", "--epochs=3"),
    ("{epochs}{lr}", "30.1"),
    ("{name}", "big model"),
    ("{fast} {none}", "true null"),
    ("{list}", '[1,"a"]'),
    ("{odd name!}", "x"),
    ("{other}", "{other}"),
    ("{}", "{}"),
    ("{ epochs }", "{ epochs }"),
    ("{{epochs}}", "{epochs}"),
    ("{{epochs}", "{epochs}"),
    ("{{{epochs}}}", "{3}}"),
    ("{{", "{"),
    ("}}", "}}"),
    ("{", "{"),
    ('{"lr": {"a": 1}}', '{"lr": {"a": 1}}'),
    ("{braces}", "{epochs}"),  # what is put in is not looked at again
    ("no braces", "no braces"),
    ("$(HOME) {plain}", "$(HOME) $5"),  # the user's own reference is Kubernetes' business
    ("{var}", "$$(HOME)"),  # Kubernetes reads $$ as one dollar
    ("{dollars}", "a$$$b"),
    ("{price}(HOME)", "5$$(HOME)"),
]


@pytest.mark.parametrize(("argument", "expected"), ARGUMENTS)
def test_names_of_parameters_in_braces_are_filled_in(argument: str, expected: str) -> None:
    assert filled([argument], VALUES) == [expected]


@pytest.mark.parametrize("parameters", [None, [1], "text", 3])
def test_without_named_parameters_arguments_stay_as_they_are(parameters: object) -> None:
    assert filled(["{0}", "{a}", "b"], parameters) == ["{0}", "{a}", "b"]


def _expanded(text: str) -> str:
    """Expand as a kubelet does where no variable is known: only `$$` means something."""
    return re.sub(r"\$\$", "$", text)


@given(st.text("a{}$() ", max_size=12), st.text("ab$()", max_size=8))
def test_a_filled_in_text_reaches_the_program_as_it_was_written(around: str, value: str) -> None:
    around = around.replace("{", "").replace("}", "").replace("$", "")
    (argument,) = filled([f"{around}{{v}}{around}"], {"v": value})
    assert _expanded(argument) == f"{around}{value}{around}"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text('a$()\u00e4"\\'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("a$"), inner, max_size=3),
)


@given(_JSON)
def test_parameters_read_back_as_they_were_and_hold_no_dollar(parameters: Any) -> None:
    text = parameters_json(parameters)
    assert (json.loads(text), "$" in text) == (parameters, False)
