"""What can be tried again of dead letters, and how they are shown."""

from __future__ import annotations

import pytest

from runbus.cli.letters import Again, Letter, Never, attempt_again, body_of, letter_data
from runbus.contracts.replies import DeadLetter
from support.runs import T0

EVENT = "runbus.v1.run.nlp.abcdefghij23.20.admitted"
ABORT = "runbus.v1.abort.nlp.abcdefghij23"


def a_letter(subject: str, body: bytes = b"{}", **headers: str) -> Letter:
    content = DeadLetter(
        service="aborter",
        subject=subject,
        reason="the body is no AbortRun",
        sequence=7,
        deliveries=1,
        headers={name.replace("_", "-"): text for name, text in headers.items()},
        body=body,
        run_id="abcdefghij23",
        project="nlp",
        set_aside_at=T0,
    )
    return Letter(number=3, content=content)


@pytest.mark.parametrize(
    "subject", [ABORT, "runbus.v1.submit.nlp", "runbus.v1.deadline.nlp.abcdefghij23"]
)
def test_a_command_can_be_tried_again_without_what_the_server_added(subject: str) -> None:
    found = attempt_again(
        a_letter(
            subject,
            b'{"by":"ann"}',
            Nats_Msg_Id="x",
            Nats_Expected_Last_Sequence="1",
            ce_id="1",
            traceparent="00-x",
            Runbus_Idempotency_Key="k",
        )
    )
    assert found == Again(
        subject=subject,
        headers={"ce-id": "1", "traceparent": "00-x", "Runbus-Idempotency-Key": "k"},
        body=b'{"by":"ann"}',
    )


def test_an_event_cannot_be_tried_again_and_the_way_out_is_to_run_again() -> None:
    found = attempt_again(a_letter(EVENT))
    assert isinstance(found, Never)
    assert "an event happens once" in found.why
    assert found.way_out == "submit its run again: runbus rerun nlp/abcdefghij23"


@pytest.mark.parametrize("subject", ["elsewhere", "runbus.v1.nothing.nlp.abcdefghij23"])
def test_what_nobody_takes_cannot_be_tried_again(subject: str) -> None:
    assert isinstance(attempt_again(a_letter(subject)), Never)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b"no json", "no json"),
        (b"\xff\xfe", {"base64": "//4="}),
        (b"", ""),
    ],
)
def test_a_body_is_shown_as_json_as_text_or_as_base64(body: bytes, shown: object) -> None:
    assert body_of(a_letter(ABORT, body).content) == shown


def test_only_a_whole_letter_has_headers_and_body() -> None:
    listed = letter_data(a_letter(ABORT, ce_id="1"), is_whole=False)
    whole = letter_data(a_letter(ABORT, ce_id="1"), is_whole=True)
    assert (listed["id"], listed["run"], listed["can_be_retried"]) == (3, "nlp/abcdefghij23", True)
    assert set(whole) - set(listed) == {"headers", "body"}
    assert whole["headers"] == {"ce-id": "1"}


@pytest.mark.parametrize(("subject", "what"), [(EVENT, "event admitted"), (ABORT, "command abort")])
def test_a_letter_says_what_sort_of_message_it_is(subject: str, what: str) -> None:
    assert a_letter(subject).what == what
