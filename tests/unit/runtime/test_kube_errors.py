"""Answers of an API server to errors: by status, with the server's own words."""

from __future__ import annotations

import pytest

from runbus.runtime.kube_errors import (
    KubeConflictError,
    KubeError,
    KubeExpiredError,
    KubeNotFoundError,
    KubeRefusedError,
    KubeUnavailableError,
    error_of,
)

BODY = b'{"kind":"Status","reason":"Forbidden","message":"exceeded quota: q","code":403}'


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, KubeRefusedError),
        (401, KubeUnavailableError),
        (403, KubeRefusedError),
        (404, KubeNotFoundError),
        (409, KubeConflictError),
        (410, KubeExpiredError),
        (422, KubeRefusedError),
        (429, KubeUnavailableError),
        (500, KubeUnavailableError),
        (503, KubeUnavailableError),
        (504, KubeUnavailableError),
    ],
)
def test_the_status_decides_the_kind(status: int, kind: type[KubeError]) -> None:
    assert type(error_of(status, BODY, {})) is kind


def test_the_servers_reason_and_message_are_kept() -> None:
    error = error_of(403, BODY, {})

    assert (error.reason, error.message) == ("Forbidden", "exceeded quota: q")


def test_retry_after_is_taken_from_the_header_or_the_details() -> None:
    details = b'{"message":"slow down","details":{"retryAfterSeconds":7}}'

    assert error_of(429, b"", {"Retry-After": "3"}).retry_after_s == 3
    assert error_of(429, details, {}).retry_after_s == 7


def test_an_answer_that_is_no_status_is_shown_as_it_is() -> None:
    assert error_of(502, b"<html>bad gateway</html>", {}).message == "<html>bad gateway</html>"
