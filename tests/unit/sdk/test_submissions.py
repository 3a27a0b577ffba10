"""What can be sent, and under which project."""

from __future__ import annotations

from typing import Any

import pytest

from runbus.sdk.submissions import UnusableDocumentError, prepared, submit_headers


@pytest.mark.parametrize(
    ("document", "project", "expected"),
    [
        ({"project": "nlp", "name": "x"}, None, "nlp"),
        ({"project": "nlp"}, "vision", "vision"),
        (b'{"project": "nlp"}', None, "nlp"),
        (b"not json at all", "nlp", "nlp"),  # the validator's to refuse
    ],
)
def test_a_document_is_sent_under_its_project(
    document: Any, project: str | None, expected: str
) -> None:
    assert prepared(document, project)[1] == expected


@pytest.mark.parametrize(
    ("document", "what"),
    [
        ({}, "project is missing"),
        ({"project": None}, "project is missing"),
        ({"project": 7}, "project is 7"),
        ({"project": "Not A Label"}, "project is 'Not A Label'"),
        ({"project": "a.b"}, "project is 'a.b'"),
        (b"[1, 2]", "no JSON object"),
        (b"{", "no JSON object"),
        ({"project": "nlp", "x": object()}, "no JSON object"),
        ({"project": "nlp", "x": "y" * 1_100_000}, "bytes"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_the_reason(document: Any, what: str) -> None:
    with pytest.raises(UnusableDocumentError, match=what):
        prepared(document)


def test_key_and_trace_go_into_headers_only_if_given() -> None:
    assert submit_headers(None, None) == {"Content-Type": "application/json"}
    assert submit_headers(None, None, "ada l")["ce-source"] == "ada%20l"
    assert submit_headers("k1", "00-aa-bb-01") == {
        "Content-Type": "application/json",
        "Runbus-Idempotency-Key": "k1",
        "traceparent": "00-aa-bb-01",
    }
