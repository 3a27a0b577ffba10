"""The envelope in both modes: headers, percent-encoding, and what a client may get wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbus.contracts.envelope import (
    Envelope,
    EnvelopeError,
    content_type,
    from_headers,
    from_stored,
    header,
    mark_of,
    open_message,
    to_headers,
)

T0 = datetime(2026, 11, 1, 10, tzinfo=UTC)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STRUCTURED = {"Content-Type": "application/cloudevents+json; charset=UTF-8"}


def test_an_envelope_in_binary_mode_is_a_set_of_headers() -> None:
    envelope = Envelope(
        id="abcdefghij23-1-running-41",
        type="dev.runbus.run.running.v1",
        source="/runbus/state-watcher",
        subject="nlp/abcdefghij23",
        time=T0 + timedelta(milliseconds=1),
        traceparent=TRACE,
    )
    assert to_headers(envelope) == {
        "ce-specversion": "1.0",
        "ce-id": "abcdefghij23-1-running-41",
        "ce-type": "dev.runbus.run.running.v1",
        "ce-source": "/runbus/state-watcher",
        "ce-datacontenttype": "application/json",
        "ce-subject": "nlp/abcdefghij23",
        "ce-time": "2026-11-01T10:00:00.001000Z",
        "ce-traceparent": TRACE,
        "traceparent": TRACE,
    }


def test_attributes_that_are_not_given_have_no_header() -> None:
    headers = to_headers(Envelope(id="1", type="t", source="s"))
    assert {"ce-subject", "ce-time", "ce-traceparent", "traceparent"}.isdisjoint(headers)


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("plain-._~!#$&'()*+,/:;<=>?@[\\]^`{|}", "plain-._~!#$&'()*+,/:;<=>?@[\\]^`{|}"),
        ("a b", "a%20b"),
        ('say "hi"', "say%20%22hi%22"),
        ("100%", "100%25"),
        ("line\r\nbreak", "line%0D%0Abreak"),
        ("Zoë", "Zo%C3%AB"),
        ("日本", "%E6%97%A5%E6%9C%AC"),
    ],
)
def test_what_a_header_cannot_hold_is_percent_encoded(text: str, encoded: str) -> None:
    headers = to_headers(Envelope(id="1", type="t", source=text))
    assert headers["ce-source"] == encoded


texts = st.text(min_size=1)
zones = st.integers(-23 * 60, 23 * 60).map(lambda m: timezone(timedelta(minutes=m)))
times = st.datetimes(
    min_value=datetime(1970, 1, 2),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2999, 1, 1),  # noqa: DTZ001
    timezones=zones,
)
envelopes = st.builds(
    Envelope,
    id=texts,
    type=texts,
    source=texts,
    subject=st.none() | texts,
    time=st.none() | times,
    traceparent=st.none() | st.just(TRACE),
)


@given(envelopes)
def test_every_envelope_comes_back_from_its_headers(envelope: Envelope) -> None:
    headers = to_headers(envelope)
    assert from_headers(headers) == envelope
    assert all(0x21 <= ord(letter) <= 0x7E for value in headers.values() for letter in value)


@given(envelopes)
def test_header_names_are_read_in_any_case(envelope: Envelope) -> None:
    headers = to_headers(envelope)
    assert from_headers({name.upper(): value for name, value in headers.items()}) == envelope


@pytest.mark.parametrize("headers", [None, {}, {"Other": "1"}])
def test_a_message_without_an_envelope_has_an_empty_one(headers: dict[str, str] | None) -> None:
    assert from_headers(headers) == Envelope(id="", type="", source="")


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-11-01", "2026-11-01T10:00:00", "1793527200", "2026-13-01T00:00:00Z"]
)
def test_a_time_that_is_no_timestamp_with_its_zone_is_refused(text: str) -> None:
    with pytest.raises(EnvelopeError, match="ce-time"):
        from_headers({"ce-time": text})


def test_the_traceparent_of_nats_clients_goes_before_the_cloud_events_extension() -> None:
    found = from_headers({"traceparent": TRACE, "ce-traceparent": "another"})
    assert found.traceparent == TRACE
    assert from_headers({"ce-traceparent": TRACE}).traceparent == TRACE


def test_a_message_in_binary_mode_keeps_its_body_as_it_is() -> None:
    body = b'{"any": "thing"}'
    envelope, data = open_message({"ce-id": "7", "Content-Type": "application/json"}, body)
    assert (envelope.id, data) == ("7", body)


def test_a_message_in_structured_mode_holds_everything_in_its_body() -> None:
    body = (
        b'{"specversion": "1.0", "id": "7", "type": "dev.example.submit", "source": "/me",'
        b' "subject": "nlp", "time": "2026-11-01T11:00:00+01:00", "extension": 1,'
        b' "data": {"name": "train"}}'
    )
    envelope, data = open_message(STRUCTURED, body)
    assert envelope == Envelope(
        id="7", type="dev.example.submit", source="/me", subject="nlp", time=T0
    )
    assert data == b'{"name": "train"}'


def test_a_message_in_structured_mode_may_hold_its_data_in_base64() -> None:
    _, data = open_message(STRUCTURED, b'{"id": "7", "data_base64": "eyJuYW1lIjogInQifQ=="}')
    assert data == b'{"name": "t"}'


def test_a_message_in_structured_mode_without_data_has_an_empty_body() -> None:
    assert open_message(STRUCTURED, b'{"id": "7"}')[1] == b""


def test_a_message_in_structured_mode_can_carry_its_trace_in_a_header() -> None:
    envelope, _ = open_message({**STRUCTURED, "traceparent": TRACE}, b'{"id": "7"}')
    assert envelope.traceparent == TRACE


@pytest.mark.parametrize(
    "body",
    [b"", b"no json", b"[]", b'{"id": 7}', b'{"id": "7"', b'{"time": "2026-11-01T10:00:00"}'],
)
def test_a_structured_message_that_is_no_cloud_event_is_refused(body: bytes) -> None:
    with pytest.raises(EnvelopeError, match="structured CloudEvent"):
        open_message(STRUCTURED, body)


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        (None, ""),
        ({}, ""),
        ({"content-type": " Application/JSON "}, "application/json"),
        ({"CONTENT-TYPE": "text/plain"}, "text/plain"),
    ],
)
def test_the_content_type_is_read_in_any_case(headers: dict[str, str] | None, found: str) -> None:
    assert content_type(headers) == found


def test_a_header_is_found_in_any_case() -> None:
    headers = {"RUNBUS-idempotency-KEY": "k"}
    assert header(headers, "Runbus-Idempotency-Key") == "k"
    assert header(headers, "Runbus-Other") is None
    assert header(None, "Runbus-Other") is None


@pytest.mark.parametrize(
    "headers",
    [
        {"ce-id": "a%20b", "ce-type": "dev.runbus.run.running.v1", "traceparent": "00-1-2-01"},
        {"ce-id": "a", "ce-type": "t", "ce-traceparent": "00-1-2-01"},
        {"CE-ID": "a", "Ce-Type": "t", "Traceparent": "00-1-2-01"},
        {"ce-id": "a", "ce-type": "t", "ce-time": "yesterday"},
        {},
    ],
)
def test_the_mark_of_an_event_is_what_its_whole_envelope_says(headers: dict[str, str]) -> None:
    whole, mark = from_stored(headers), mark_of(headers)

    assert (mark.id, mark.type, mark.traceparent) == (whole.id, whole.type, whole.traceparent)
