"""What the run's own level said, read from an effective document and the levels of its parts.

It is what a rerun asks for again (ADR-0010). Pure. It must not know which levels there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from runbus.contracts.document import RunDocument
from runbus.contracts.events import Overridden
from runbus.contracts.violations import pointer


def asked_for(
    document: RunDocument,
    origins: Mapping[str, str] | None,
    overrode: Mapping[str, tuple[Overridden, ...]],
) -> dict[str, Any]:
    """Return what the run's own level said, as far as an effective document still shows it.

    Without origins, the whole document.
    """
    settings: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document))
    if origins is None:
        return settings
    own = {key: _own(f"/{key}", value, origins) for key, value in settings.items()}
    asked = {key: value for key, value in own.items() if value is not None}
    for path in overrode:
        if path not in origins and not _stands(settings, path):
            _cancel(asked, path)
    return asked


def _cancel(asked: dict[str, Any], path: str) -> None:
    """Put back what had cancelled a lower level's value, and so left no trace in the document."""
    if path.startswith("/roles/"):
        _, _, role, rest = path.split("/", 3)
        roles = asked.get("roles") or {}
        own = dict(roles.get(role) or {})
        _cancel(own, f"/{rest}")
        asked["roles"] = {**roles, role: own}
        return
    if path == "/resources":
        asked.setdefault("resources", {})
    elif path == "/resources/gpus/count":
        asked["resources"] = {**asked.get("resources", {}), "gpus": {"count": 0}}
    elif path.startswith("/node_selector/"):
        key = path.removeprefix("/node_selector/").replace("~1", "/").replace("~0", "~")
        asked["node_selector"] = {**asked.get("node_selector", {}), key: ""}


def _own(path: str, value: Any, origins: Mapping[str, str]) -> Any:
    """Return the part of a setting that has no origin below the run; None where nothing is left."""
    if not any(each == path or each.startswith(f"{path}/") for each in origins):
        return value
    if path in origins:
        return None
    if isinstance(value, list | tuple):
        kept = [each for each in value if pointer(path, each.get("name")) not in origins]
        return kept or None
    kept_by_key = {
        key: own
        for key, each in value.items()
        if (own := _own(pointer(path, key), each, origins)) is not None
    }
    return kept_by_key or None


def _stands(settings: Any, path: str) -> bool:
    """Say whether something stands at a pointer; entries of a list go by their names."""
    for token in path.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(settings, list | tuple):
            settings = next((each for each in settings if each.get("name") == key), None)
        else:
            settings = settings.get(key) if isinstance(settings, Mapping) else None
        if settings is None:
            return False
    return True
