"""Refusals of the API, each holding the Status object that goes over the wire.

Codes, reasons and wording follow k8s.io/apimachinery/pkg/api/errors, checked against recorded
answers of a kube-apiserver. Knows no HTTP library.
"""

from typing import Any

import msgspec

from runbus.localcluster.rules.resources import Resource

JsonObject = dict[str, Any]


class Cause(msgspec.Struct, frozen=True):
    """One field that is wrong: Kubernetes' cause type, its words, the field's path."""

    reason: str
    message: str
    field: str


class ApiError(Exception):
    """A request that is refused; ``body`` is the Status to answer with."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: JsonObject | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.retry_after_s = retry_after_s

    @property
    def body(self) -> JsonObject:
        """The Status object, in the order a kube-apiserver writes it."""
        body: JsonObject = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        body["code"] = self.code
        return body


def success(
    code: int, name: str = "", resource: Resource | None = None, uid: str = ""
) -> JsonObject:
    """The Status of a write that has no object to answer with."""
    body: JsonObject = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if resource is not None:
        body["details"] = {**_details(resource, name), **({"uid": uid} if uid else {})}
        return body
    return {**body, "code": code}


def not_found(resource: Resource, name: str) -> ApiError:
    """404: no such object."""
    message = f'{resource.qualified} "{name}" not found'
    return ApiError(404, "NotFound", message, _details(resource, name))


def unknown_path() -> ApiError:
    """404: a path inside a known group version that names no resource."""
    message = "the server could not find the requested resource"
    return ApiError(404, "NotFound", message, {})


def method_not_allowed() -> ApiError:
    """405: the resource has no such verb."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, {})


def not_here(why: str) -> ApiError:
    """405: Kubernetes has it, the local cluster has not; the message says what to do instead."""
    return ApiError(405, "MethodNotAllowed", why, {})


def unauthorized() -> ApiError:
    """401: no token, or another one."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def already_exists(resource: Resource, name: str, going: bool = False) -> ApiError:
    """409: the name is taken, perhaps by an object that is being deleted (``going``)."""
    message = f'{resource.qualified} "{name}" already exists'
    if going:
        message = f"object is being deleted: {message}"
    return ApiError(409, "AlreadyExists", message, _details(resource, name))


def modified(resource: Resource, name: str) -> ApiError:
    """409: the resourceVersion sent is not the stored one."""
    why = (
        "the object has been modified; please apply your changes to the latest version "
        "and try again"
    )
    return conflict(resource, name, why)


def conflict(resource: Resource, name: str, why: str) -> ApiError:
    """409 on a write of ``resource``, named by its plural."""
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(resource, name))


def precondition_failed(resource: Resource, name: str, why: str) -> ApiError:
    """409 on a delete: here Kubernetes names the kind, not the plural."""
    message = f'Operation cannot be fulfilled on {resource.kind} "{name}": {why}'
    return ApiError(409, "Conflict", message, {"name": name, "kind": resource.kind})


def forbidden(resource: Resource, name: str, why: str) -> ApiError:
    """403 by an admission rule."""
    message = f'{resource.qualified} "{name}" is forbidden: {why}'
    return ApiError(403, "Forbidden", message, _details(resource, name))


def bad_request(message: str) -> ApiError:
    """400: cannot be understood."""
    return ApiError(400, "BadRequest", message)


def unsupported_media_type(accepted: str) -> ApiError:
    """415: a body in another format than JSON."""
    message = (
        "the body of the request was in an unknown format - "
        f"accepted media types include: {accepted}"
    )
    return ApiError(415, "UnsupportedMediaType", message)


def unsupported_patch_type() -> ApiError:
    """415: a patch of no known kind; Kubernetes does not say which there are."""
    return ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def bad_patch(shown: str, why: str) -> ApiError:
    """422: what a patch leads to cannot be read as an object of its kind."""
    cause = Cause("FieldValueInvalid", f"Invalid value: {shown}: {why}", "patch")
    return invalid("", "", "", [cause])


def too_large(limit_bytes: int) -> ApiError:
    """413: the body is larger than the server takes."""
    message = f"Request entity too large: limit is {limit_bytes}"
    return ApiError(413, "RequestEntityTooLarge", message, {})


def expired(wanted: int, oldest: int) -> ApiError:
    """410: the history no longer reaches back to that resourceVersion."""
    return ApiError(410, "Expired", f"too old resource version: {wanted} ({oldest})")


def expired_continue() -> ApiError:
    """410: the snapshot behind a continue token is gone."""
    message = (
        "The provided continue parameter is too old to display a consistent list result. "
        "Start a new list without the continue parameter."
    )
    return ApiError(410, "Expired", message)


def expired_list() -> ApiError:
    """410: a list of a moment that is forgotten."""
    return ApiError(410, "Expired", "The resourceVersion for the provided list is too old.")


def too_large_version(wanted: int, current: int) -> ApiError:
    """504: a resourceVersion that this server has not reached."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return ApiError(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {wanted}, current: {current}",
        {"causes": [cause], "retryAfterSeconds": 1},
    )


def invalid(kind: str, group: str, name: str, causes: list[Cause]) -> ApiError:
    """422 with every cause; one cause stands alone, several stand in brackets."""
    texts = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in causes))
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    qualified = f"{kind}.{group}" if group else kind
    details: JsonObject = {"name": name, "group": group, "kind": kind}
    details = {key: value for key, value in details.items() if value}
    details["causes"] = [
        {"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes
    ]
    return ApiError(422, "Invalid", f'{qualified} "{name}" is invalid: {text}', details)


def _details(resource: Resource, name: str) -> JsonObject:
    details: JsonObject = {"name": name}
    if resource.group:
        details["group"] = resource.group
    details["kind"] = resource.plural
    return details
