"""The grammar of durations: a table of the rules, and a second formulation to compare with."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runbus.contracts.durations import (
    DURATION_SECONDS_MAX,
    DurationError,
    format_duration,
    parse_duration,
)

READ = {
    "30 minutes 5h 1day": 106_200,
    "1 minute and 30s": 90,
    "1d5h30s": 104_430,
    "1.5h": 5400,
    "PT5M": 300,
    "P1DT2H": 93_600,
    "P2W": 1_209_600,
    "P1W2DT1H1M1S": 781_261,
    "PT0.5H": 1800,
    "PT1,5M": 90,
    "PT36H": 129_600,
    "1s": 1,
    "1000ms": 1,
    "1500ms": 1.5,
    "1H": 3600,
    "1Min": 60,
    "2 WEEKS": 1_209_600,
    "1w": 604_800,
    "1 h,30 m": 5400,
    "1h and 30m": 5400,
    "1h AND 30m": 5400,
    "1h, and 30m": 5400,
    "1h and30m": 5400,
    "1h\t30m": 5400,
    "30m 30m": 3600,
    "007s": 7,
    "24hrs": 86_400,
    "1hr 1hour 1 hours": 10_800,
    "1sec 1secs 1second 1seconds 1s": 5,
    "1min 1mins 1minute 1minutes 1m": 300,
    "1d 1day 1days": 259_200,
    "3650d": DURATION_SECONDS_MAX,
}


@pytest.mark.parametrize(("text", "seconds"), READ.items())
def test_value_unit_pairs_add_up(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


REFUSED: list[tuple[object, int, str]] = [
    # what was given, the place, a word of the message
    ("1h30", 2, "no unit"),
    ("30", 0, "no unit"),
    ("30 5h", 0, "no unit"),
    ("1h 30 ", 3, "no unit"),
    ("1M", 1, "ambiguous"),
    ("1D", 1, "ambiguous"),
    ("1h 5 M", 5, "ambiguous"),
    ("1month", 1, "days"),
    ("2 months", 2, "days"),
    ("1mo", 1, "days"),
    ("1y", 1, "days"),
    ("3 Years", 2, "days"),
    ("P1M", 2, "days"),
    ("P1Y", 2, "days"),
    ("P1Y2M", 2, "days"),
    ("P1D1M", 4, "days"),
    ("-1", 0, "not possible here"),
    ("-5m", 0, "sign"),
    ("+5m", 0, "sign"),
    ("1h-5m", 2, "sign"),
    ("1-h", 1, "'-'"),
    ("\u22121", 0, "sign"),
    ("-1 ", 0, "sign"),
    ("- 1", 0, "sign"),
    ("-1s", 0, "sign"),
    ("", 0, "empty"),
    (" ", 0, "separator"),
    (" 1h", 0, "separator"),
    ("1h ", 2, "nothing follows"),
    ("1h,", 2, "nothing follows"),
    ("1h and", 2, "nothing follows"),
    ("1h and and 1h", 7, "number"),
    ("and 1h", 0, "number"),
    ("1hand 1h", 1, "unknown"),
    ("1 hoours", 2, "did you mean hours"),
    ("5 mintes", 2, "did you mean minutes"),
    ("1x", 1, "unknown"),
    ("1e3s", 1, "unknown"),
    ("1.h", 1, "'.'"),
    (".5h", 0, "0.5"),
    ("1.5.5h", 3, "'.'"),
    ("1_000s", 1, "'_'"),
    ("\u0661h", 0, "digits 0 to 9"),
    ("\u0665\u0666m", 0, "digits 0 to 9"),
    ("1\u00a0h", 1, "not understood"),
    ("1h\n30m", 2, "number"),
    ("1h;30m", 2, "number"),
    ("1:30", 1, "':'"),
    ("999ms", 0, "one second"),
    ("0s", 0, "one second"),
    ("PT0S", 0, "one second"),
    ("3651d", 0, "ten years"),
    ("11 years", 3, "days"),
    ("9" * 400 + "w", 0, "ten years"),
    ("1s" * 600, 1000, "longer than"),
    ("P", 1, "nothing follows"),
    ("PT", 1, "nothing follows"),
    ("P1DT", 3, "nothing follows"),
    ("P1", 1, "no unit"),
    ("PT1M2H", 5, "not possible"),
    ("P1D1W", 4, "not possible"),
    ("PT1M1M", 5, "not possible"),
    ("P1H", 2, "not possible"),
    ("PT1D", 3, "not possible"),
    ("PT1.5H30M", 2, "only the last"),
    ("P1.5DT1H", 1, "only the last"),
    ("P-1D", 1, "number"),
    ("pt5m", 0, "number"),
    ("PT5m", 3, "not possible"),
    ("PT 5M", 2, "number"),
    ("P1DT5M junk", 6, "number"),
    ("-P1D", 0, "sign"),
    ("inf", 0, "number"),
    (None, 0, "leave the key out"),
    (30, 0, "quote it"),
    (-1, 0, 'quote it: "-1"'),
    (1.5, 0, "quote it"),
    (True, 0, "quotes"),
    ([], 0, "quotes"),
    ({}, 0, "quotes"),
    (b"1h", 0, "quotes"),
]


@pytest.mark.parametrize(("text", "place", "words"), REFUSED)
def test_what_is_no_duration_is_refused_with_its_place(
    text: object, place: int, words: str
) -> None:
    with pytest.raises(DurationError) as refused:
        parse_duration(text)
    assert (refused.value.place, words in str(refused.value)) == (place, True), refused.value


def test_minus_one_is_infinite_where_that_is_allowed() -> None:
    assert parse_duration("-1", allow_infinite=True) is None


@pytest.mark.parametrize("text", ["-2", "-1s", "-1.0", "- 1", " -1", "-01"])
def test_no_other_negative_text_is_infinite(text: str) -> None:
    with pytest.raises(DurationError):
        parse_duration(text, allow_infinite=True)


SHOWN = {
    90: "1m30s",
    5400: "1h30m",
    3600: "1h",
    86_400: "1d",
    1: "1s",
    1.5: "1.5s",
    604_800: "7d",
    93_784.25: "1d2h3m4.25s",
    0: "0s",
    0.25: "0.25s",
    -90: "-1m30s",
    1e9: "11574d1h46m40s",
    float("inf"): "inf",
}


@pytest.mark.parametrize(("seconds", "text"), SHOWN.items())
def test_seconds_are_shown_as_short_text(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.floats(min_value=1, max_value=DURATION_SECONDS_MAX))
@example(1.0000000000000002)
@example(123_456.789)
def test_what_is_shown_is_read_as_the_same_duration(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


# The second formulation: one pattern for the whole text, and one for its items.
_UNIT = r"(?:ms|secs?|seconds?|s|mins?|minutes?|m|hrs?|hours?|h|days?|d|weeks?|w)"
_ITEM = rf"[0-9]+(?:\.[0-9]+)?[ \t,]*{_UNIT}(?![a-z])"
_JOINT = r"[ \t,]*(?:and[ \t,]*)?"
_WHOLE = re.compile(rf"{_ITEM}(?:{_JOINT}{_ITEM})*", re.IGNORECASE)
_LONE = re.compile(r"(?<![A-Za-z])[MD](?![A-Za-z])")
_SIZES = {"ms": "0.001", "s": "1", "m": "60", "h": "3600", "d": "86400", "w": "604800"}


def _second_opinion(text: str) -> float | None:
    if _WHOLE.fullmatch(text) is None or _LONE.search(text):
        return None
    total = Fraction(0)
    for number, unit in re.findall(r"([0-9.]+)[ \t,]*([a-z]+)", _without_and(text)):
        key = "ms" if unit == "ms" else unit[0]
        total += Fraction(number) * Fraction(_SIZES[key])
    return float(total) if 1 <= total <= DURATION_SECONDS_MAX else None


def _without_and(text: str) -> str:
    return re.sub(r"(?<![a-z])and(?![a-z])", " ", text.lower())


_PIECES = st.sampled_from(
    [
        *("0", "1", "30", "1.5", "2.", ".5", "-1", "+1", "9999"),
        *("ms", "s", "sec", "seconds", "m", "M", "min", "h", "H", "hrs", "d", "D", "day", "w"),
        *("mo", "months", "y", "x", "and", "AND", " ", "  ", "\t", ",", ", ", "\n", ";"),
    ]
)
_NEARLY_ITEMS = st.lists(
    st.tuples(
        st.sampled_from(["1", "30", "1.5", "007"]),
        st.sampled_from(["", " ", ", "]),
        st.sampled_from(["ms", "s", "SEC", "m", "minutes", "h", "Hours", "d", "w", "M", "D"]),
        st.sampled_from(["", " ", ",", " and ", "and", ", and\t", " and and "]),
    ).map("".join),
    min_size=1,
    max_size=5,
).map("".join)


@given(st.one_of(st.lists(_PIECES, max_size=8).map("".join), _NEARLY_ITEMS))
@example("1hand1h")
@example("1h and1h")
@example("1 m")
def test_the_parser_agrees_with_a_second_formulation_of_the_grammar(text: str) -> None:
    try:
        read = parse_duration(text)
    except DurationError:
        read = None
    assert read == _second_opinion(text)


def _place_or_seconds(text: object) -> tuple[int | None, float | None]:
    try:
        return None, parse_duration(text, allow_infinite=True)
    except DurationError as error:
        return error.place, None


@given(st.text(max_size=40) | st.integers() | st.floats() | st.none() | st.lists(st.text()))
def test_anything_is_read_or_refused_within_the_text(text: object) -> None:
    place, seconds = _place_or_seconds(text)
    assert place is None or 0 <= place <= (len(text) if isinstance(text, str) else 0)
    assert seconds is None or 1 <= seconds <= DURATION_SECONDS_MAX
