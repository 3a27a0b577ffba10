"""One role's settings: those of the run, with the role's own merged over them as one more level.

Source: the page on settings, sections 1 and 4. It must not know objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from runbus.contracts.document import RunDocument
from runbus.contracts.states import Role
from runbus.settings.merge import Origins, merge
from runbus.settings.model import Level
from runbus.settings.settle import settled

Settings = Mapping[str, Any]

# Their pods do another work than the run's own: what that asks for is not theirs.
OWN_RESOURCES = frozenset({Role.LAUNCHER, Role.SCHEDULER, Role.RUNNER, Role.DRIVER, Role.EXECUTOR})


def document_of(document: RunDocument, role: Role) -> RunDocument:
    """Return an effective document as it stands for one role, without `roles`.

    `resources` of an mpijob's launcher, of dask's scheduler and runner, and of spark's driver and
    executor are their own only; those of workers are the run's with the role's merged over them.
    """
    if document.roles is None and role not in OWN_RESOURCES:
        return document
    settings, origins = role_settings(msgspec.to_builtins(document), role)
    return msgspec.convert(settled(settings, origins), RunDocument)


def role_settings(settings: Settings, role: Role) -> tuple[dict[str, Any], Origins]:
    """Return the settings in force for one role, not settled yet, and which are the role's own.

    To the role, the run's settings are one level below its own.
    """
    own = (settings.get("roles") or {}).get(role.value) or {}
    left_out = {"roles", "resources"} if role in OWN_RESOURCES else {"roles"}
    below = {key: value for key, value in settings.items() if key not in left_out}
    return merge([(Level.FUNCTION, below), (Level.RUN, own)])
