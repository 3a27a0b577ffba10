"""The body of a request: JSON or protobuf in, an object with the fields of its kind out.

``fieldValidation`` as a kube-apiserver has it: unknown fields are left out and refused (Strict),
told in a Warning header (Warn, the default), or passed over (Ignore).
"""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from runbus.localcluster.api.queries import decode_json
from runbus.localcluster.rules.causes import Causes
from runbus.localcluster.rules.errors import (
    ApiError,
    bad_request,
    invalid,
    unsupported_media_type,
)
from runbus.localcluster.rules.resources import Resource
from runbus.localcluster.schema.protobuf import ProtobufError, decode
from runbus.localcluster.schema.strict import without_unknown
from runbus.localcluster.schema.types import load_types

PROTOBUF = "application/vnd.kubernetes.protobuf"
_JSON = frozenset(("", "application/json", "application/octet-stream", "text/plain"))
_MODES = ("Ignore", "Warn", "Strict")
_DEFAULT = "Warn"


async def read_body(request: web.BaseRequest, kind: str) -> Any:
    """The decoded body; 415 for a format that is not read, 400 for one that is broken."""
    if request.content_type == PROTOBUF:
        return _from_protobuf(await request.read())
    if request.content_type not in _JSON:
        raise unsupported_media_type("application/json")
    return decode_json(await request.read(), kind)


async def read_optional_body(request: web.BaseRequest) -> Any:
    """As ``read_body``; None where there is none."""
    raw = await request.read()
    if not raw:
        return None
    if request.content_type == PROTOBUF:
        return _from_protobuf(raw)
    return decode_json(raw, "DeleteOptions")


def _from_protobuf(raw: bytes) -> Any:
    try:
        return decode(raw, load_types())
    except ProtobufError as error:
        raise ApiError(415, "UnsupportedMediaType", str(error), {}) from error


def known_fields(
    query: Mapping[str, str], resource: Resource, body: Any, patched: str = ""
) -> tuple[Any, list[str]]:
    """The body without unknown fields, and the warnings about them.

    ``patched``: the name of the object that the body is a patch of; refusals of a patch have
    another form.
    """
    mode = query.get("fieldValidation") or _DEFAULT
    if mode not in _MODES:
        causes = Causes()
        causes.unsupported("fieldValidation", mode, _MODES)
        raise invalid("CreateOptions", "meta.k8s.io", "", causes.found)
    if not isinstance(body, dict):
        return body, []
    kept, unknown = without_unknown(load_types(), resource.kind, body)
    told = [f'unknown field "{path}"' for path in unknown]
    if told and mode == "Strict":
        raise _refusal(resource, patched, ", ".join(told))
    return kept, told if mode == "Warn" else []


def _refusal(resource: Resource, patched: str, told: str) -> ApiError:
    why = f"strict decoding error: {told}"
    if patched:
        causes = Causes()
        causes.invalid("patch", "the patch", why)
        return invalid(resource.kind, resource.group, patched, causes.found)
    kind = resource.kind
    return bad_request(
        f'{kind} in version "{resource.version}" cannot be handled as a {kind}: {why}'
    )


def warn(response: web.Response, warnings: list[str]) -> web.Response:
    """Put warnings into the headers of an answer, as kubectl prints them."""
    for text in warnings:
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{quoted}"')
    return response
