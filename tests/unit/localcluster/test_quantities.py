"""Quantities follow Kubernetes' grammar exactly."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbus.localcluster.rules.quantities import format_quantity, parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", Fraction(0)),
        ("500m", Fraction(1, 2)),
        ("1.5", Fraction(3, 2)),
        (".5", Fraction(1, 2)),
        ("1.", Fraction(1)),
        ("1Gi", Fraction(2**30)),
        ("1.5G", Fraction(1_500_000_000)),
        ("1e3", Fraction(1000)),
        ("1E3", Fraction(1000)),
        ("1E", Fraction(10**18)),
        ("1Ei", Fraction(2**60)),
        ("-2", Fraction(-2)),
        ("+2k", Fraction(2000)),
        ("100n", Fraction(1, 10**7)),
    ],
)
def test_a_quantity_is_read(text: str, value: Fraction) -> None:
    assert parse_quantity(text) == value


@pytest.mark.parametrize(
    "text", ["", ".", "-", "1GG", "1 G", "G", "1K", "0x10", "1e", "１", "1e99", "1" * 100, "1.5.0"]
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="quantit"):
        parse_quantity(text)


@given(st.integers(-(10**18), 10**18), st.sampled_from(["", "m", "Ki", "Mi", "Gi"]))
def test_what_is_written_reads_as_the_same(number: int, suffix: str) -> None:
    value = parse_quantity(f"{number}{suffix}")
    assert parse_quantity(format_quantity(value)) == value


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("1500m", "1500m"),
        ("2", "2"),
        ("1024", "1Ki"),
        ("2048Mi", "2Gi"),
        ("0", "0"),
        ("1000", "1000"),
    ],
)
def test_a_quantity_is_written_as_kubernetes_would(text: str, written: str) -> None:
    assert format_quantity(parse_quantity(text)) == written
