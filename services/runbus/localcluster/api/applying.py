"""What a server-side apply asks for: the document, who applies it, and whether by force.

Pure but for the decoders of JSON and YAML: text in, values or refusals out.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import yaml

from runbus.localcluster.api.queries import flag
from runbus.localcluster.rules.causes import Causes
from runbus.localcluster.rules.errors import ApiError, bad_request, invalid
from runbus.localcluster.rules.resources import Target
from runbus.localcluster.rules.writes import typed
from runbus.localcluster.schema.strict import without_unknown
from runbus.localcluster.schema.types import load_types

JsonObject = dict[str, Any]
Query = Mapping[str, str]
CONTENT_TYPE = "application/apply-patch+yaml"


class Apply(msgspec.Struct, frozen=True):
    """One apply; ``manager`` is who owns the document's fields from now on."""

    config: JsonObject
    manager: str
    force: bool


def check_patch_options(query: Query, *, applies: bool) -> None:
    """422 for an apply without a manager, or a patch of another kind with ``force``."""
    causes = Causes()
    if applies and not query.get("fieldManager"):
        causes.required("fieldManager", "is required for apply patch")
    if not applies and "force" in query:
        causes.forbidden("force", "may not be specified for non-apply patch")
    if causes.found:
        raise invalid("PatchOptions", "meta.k8s.io", "", causes.found)


def read_apply(query: Query, target: Target, raw: bytes) -> Apply:
    """Read and check; 400 and 500 as a kube-apiserver answers."""
    check_patch_options(query, applies=True)
    config = _decode(raw)
    resource = target.resource
    meta = config.get("metadata") or {}
    if "managedFields" in meta:
        raise bad_request("metadata.managedFields must be nil")
    version = config.get("apiVersion", "")
    if version != resource.api_version:
        raise bad_request(
            f"Incorrect version specified in apply patch. Specified patch version: {version}, "
            f"expected: {resource.api_version}"
        )
    _, unknown = without_unknown(load_types(), resource.kind, config)
    if unknown:
        raise _untyped(f".{unknown[0]}: field not declared in schema")
    try:
        typed(resource, config)
    except ApiError as error:
        raise _untyped(error.message) from error
    if resource.has_status:
        dropped = "spec" if target.subresource == "status" else "status"
        config = {key: value for key, value in config.items() if key != dropped}
    return Apply({**config, "metadata": meta}, query["fieldManager"], flag(query, "force"))


def _decode(raw: bytes) -> JsonObject:
    try:
        found = yaml.safe_load(raw)  # JSON is YAML
    except yaml.YAMLError as error:
        raise bad_request(f"error decoding YAML: {error}") from error
    if not isinstance(found, dict) or not isinstance(found.get("metadata") or {}, dict):
        raise bad_request("error decoding YAML: the document is no object")
    return found


def _untyped(why: str) -> ApiError:
    return ApiError(500, "", f"failed to create typed patch object: {why}")
