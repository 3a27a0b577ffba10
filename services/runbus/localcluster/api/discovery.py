"""What the server says it serves: /version, /api, /apis and the resource lists."""

import platform
from typing import Any

from runbus.localcluster.api.reviews import GROUPS
from runbus.localcluster.rules.resources import GROUP_VERSIONS, RESOURCES, Resource

JsonObject = dict[str, Any]
_MAJOR, _MINOR = "1", "32"
_SUBRESOURCE_KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "status": ("", ("get", "patch", "update")),
    "log": ("", ("get",)),
    "binding": ("Binding", ("create",)),
    "eviction": ("Eviction", ("create",)),
    "finalize": ("", ("update",)),
}
_ALL_VERSIONS = (*GROUP_VERSIONS, *GROUPS)


def discovery(path: str, host: str) -> JsonObject | None:
    """Answer a discovery path; None where it is none. ``host`` is the Host header."""
    clean = "/" + path.strip("/")
    if clean == "/version":
        return _version()
    if clean == "/api":
        address = {"clientCIDR": "0.0.0.0/0", "serverAddress": host}
        return {
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [address],
        }
    groups = [each for each in _ALL_VERSIONS if each[0]]
    if clean == "/apis":
        shown = [_group(*each) for each in groups]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": shown}
    for group, version in _ALL_VERSIONS:
        prefix = f"/apis/{group}" if group else "/api"
        if clean == f"{prefix}/{version}":
            return _resource_list(group, version)
        if group and clean == prefix:
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, version)}
    return None


def known_group_version(path: str) -> bool:
    """Whether a path lies below a group version that is served."""
    for group, version in _ALL_VERSIONS:
        prefix = f"/apis/{group}/{version}/" if group else f"/api/{version}/"
        if path.startswith(prefix):
            return True
    return False


def _version() -> JsonObject:
    machine = platform.machine()
    return {
        "major": _MAJOR,
        "minor": _MINOR,
        "gitVersion": f"v{_MAJOR}.{_MINOR}.0+runbus-localcluster",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": f"linux/{'amd64' if machine == 'x86_64' else machine}",
    }


def _group(group: str, version: str) -> JsonObject:
    preferred = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [preferred], "preferredVersion": preferred}


def _resource_list(group: str, version: str) -> JsonObject:
    resources: list[JsonObject] = []
    for each in RESOURCES:
        if (each.group, each.version) == (group, version):
            resources.append(_resource(each))
            resources.extend(_subresource(each, name) for name in each.subresources)
    resources.extend(_review(*each) for each in GROUPS.get((group, version), ()))
    body: JsonObject = {"kind": "APIResourceList"}
    if group:
        body["apiVersion"] = "v1"
    body["groupVersion"] = f"{group}/{version}" if group else version
    return {**body, "resources": resources}


def _resource(each: Resource) -> JsonObject:
    shown: JsonObject = {
        "name": each.plural,
        "singularName": each.singular,
        "namespaced": each.namespaced,
        "kind": each.kind,
        "verbs": list(each.verbs),
    }
    if each.short_names:
        shown["shortNames"] = list(each.short_names)
    if each.categories:
        shown["categories"] = list(each.categories)
    return shown


def _review(plural: str, kind: str) -> JsonObject:
    names = {"name": plural, "singularName": kind.lower()}
    return {**names, "namespaced": False, "kind": kind, "verbs": ["create"]}


def _subresource(each: Resource, name: str) -> JsonObject:
    kind, verbs = _SUBRESOURCE_KINDS[name]
    shown: JsonObject = {
        "name": f"{each.plural}/{name}",
        "singularName": "",
        "namespaced": each.namespaced,
    }
    if name == "eviction":
        shown |= {"group": "policy", "version": "v1"}
    return {**shown, "kind": kind or each.kind, "verbs": list(verbs)}
