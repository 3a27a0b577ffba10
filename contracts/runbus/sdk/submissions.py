"""What is sent when a document is submitted: its body, its project, its headers.

Pure. Must not know connections.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from runbus.contracts import envelope, subjects
from runbus.contracts.streams import MAX_MESSAGE_BYTES

# Room for headers beside the body in one message.
HEADERS_BYTES_MAX = 16 * 1024

Document = Mapping[str, Any] | bytes


class UnusableDocumentError(ValueError):
    """A document that cannot even be sent: no valid project, or too large for one message."""


class Sent(Struct, frozen=True, kw_only=True):
    """A submit command that is stored; its verdict will be an event.

    `run_id` is the run's if the document is accepted. A rejection never takes the place of a run
    with the same key: it is told under `rejection_id`, which is another one if there is a key.
    """

    project: str
    run_id: str
    rejection_id: str
    sequence: int


def prepared(document: Document, project: str | None = None) -> tuple[bytes, str]:
    """Return the body and the project under which a document is sent.

    Raises:
        UnusableDocumentError: no usable project, no JSON object, or too large.

    """
    try:
        body = document if isinstance(document, bytes) else msgspec.json.encode(document)
        fields = msgspec.json.decode(body, type=dict) if project is None else {}
    except (msgspec.MsgspecError, TypeError) as error:
        message = f"the document is no JSON object: {error}"
        raise UnusableDocumentError(message) from error
    found = fields.get("project") if project is None else project
    if not isinstance(found, str) or not subjects.is_project(found):
        given = "missing" if found is None else f"{found!r}"
        message = (
            f"project is {given}: a document is sent under its project, a DNS label"
            " (lower-case letters, digits and dashes)"
        )
        raise UnusableDocumentError(message)
    if len(body) > MAX_MESSAGE_BYTES - HEADERS_BYTES_MAX:
        message = f"the document has {len(body)} bytes: more than a message can carry"
        raise UnusableDocumentError(message)
    return body, found


def submit_headers(key: str | None, traceparent: str | None, identity: str = "") -> dict[str, str]:
    """Return the headers of a submit: what the body is, and what was given of the rest.

    `identity` is the user of a document that names none.
    """
    headers = {envelope.CONTENT_TYPE: envelope.JSON_TYPE}
    if identity:
        headers["ce-source"] = envelope.encode_attribute(identity)
    if key:
        headers[envelope.IDEMPOTENCY_KEY] = key
    if traceparent:
        headers[envelope.TRACEPARENT] = traceparent
    return headers
