"""Kubernetes' quantities: what is read, exactly, and what is refused with a way out."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbus.contracts.quantities import QuantityError, parse_quantity

READ = {
    "0": "0",
    "-0": "0",
    "+1": "1",
    "4": "4",
    "007": "7",
    "500m": "0.5",
    "1Gi": "1073741824",
    "1.5G": "1500000000",
    "1e3": "1000",
    "1E3": "1000",
    "1e+3": "1000",
    "1e-3": "0.001",
    "1E": "1000000000000000000",
    "1Ei": "1152921504606846976",
    "1.": "1",
    ".5": "0.5",
    ".5Gi": "536870912",
    "1.5Ki": "1536",
    "100u": "0.0001",
    "5n": "0.000000005",
    "0.1n": "0.000000001",  # finer than a nano rounds up
    "1e-900": "0.000000001",
    "8Ei": "9223372036854775807",  # the largest the API server holds
    "1e900": "9223372036854775807",
    "1k": "1000",
    "2T": "2000000000000",
}


@pytest.mark.parametrize(("text", "value"), READ.items())
def test_a_quantity_is_read_as_the_api_server_holds_it(text: str, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


REFUSED = {
    "-1": "negative",
    "-1Gi": "negative",
    ".": "number",
    "": "empty",
    "1GG": "suffix",
    "1 G": "write 1G",
    "1 Gi": "write 1Gi",
    " 1Gi": "write 1Gi",
    "1Gi ": "write 1Gi",
    "1 e3": "suffix",
    "1GB": "did you mean G?",
    "1GiB": "did you mean Gi?",
    "1gi": "did you mean Gi?",
    "1g": "did you mean G?",
    "1K": "did you mean k?",
    "1MB": "did you mean M?",
    "1mb": "did you mean m?",
    "1KI": "did you mean Ki?",
    "Gi": "number",
    "one": "number",
    "1e": "suffix",
    "1e+": "suffix",
    "1e1.5": "suffix",
    "1e3Gi": "suffix",
    "1e9999": "exponent",
    "1.5.5": "suffix",
    "1,5": "suffix",
    "0x10": "suffix",
    "1_000": "suffix",
    "+-1": "number",
    "\u0661": "number",
    "1m\n": "space",
    "1" * 65: "longer",
}


@pytest.mark.parametrize(("text", "words"), REFUSED.items())
def test_what_kubernetes_refuses_is_refused_with_a_way_out(text: str, words: str) -> None:
    with pytest.raises(QuantityError) as refused:
        parse_quantity(text)
    assert words in str(refused.value)


@given(st.integers(0, 2**63 - 1))
def test_whole_numbers_are_read_exactly(number: int) -> None:
    assert parse_quantity(str(number)) == number


def _value_or_problem(text: str) -> Decimal | str:
    try:
        return parse_quantity(text)
    except QuantityError as error:
        return error.problem


@given(st.text("0123456789.eEGiKMkmnu+- ", max_size=70))
def test_any_text_is_read_or_refused(text: str) -> None:
    found = _value_or_problem(text)
    assert found if isinstance(found, str) else found >= 0
