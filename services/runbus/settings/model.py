"""The values that reading and resolving give: a value read, a document resolved, a refusal.

They stand apart from the code that makes them, so that reading need not know resolving.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

from runbus.contracts.document import RunDocument
from runbus.contracts.events import Overridden
from runbus.contracts.placement import Platform
from runbus.contracts.violations import Violation


class Level(StrEnum):
    """Where a setting's effective value comes from; a later level wins."""

    SHIPPED = "shipped"  # the defaults that come with runbus
    SERVICE = "service"  # the operator's defaults file
    PROJECT = "project"  # the same file, for one project
    FUNCTION = "function"  # the function of the catalogue that the document names
    RUN = "run"  # the document itself
    REQUEST = "request"  # the subject and the client: project and user


# What somebody wanted for this run; everything else is inherited, and gives way where it must.
ASKED = frozenset({Level.FUNCTION, Level.RUN, Level.REQUEST})


class Read(Struct, frozen=True):
    """A document as raw JSON values; `line` is where it starts in its file, from 1."""

    value: object
    line: int = 1


class Refused(Struct, frozen=True):
    """Why a document cannot be accepted: every violation, never none.

    `line` is where the document starts in its file, from 1.
    """

    violations: tuple[Violation, ...]
    line: int = 1


class Function(Struct, frozen=True, kw_only=True):
    """A function of the catalogue, as the level below the run: checked, in the normal form."""

    settings: Mapping[str, Any]
    content_hash: str
    warnings: tuple[Violation, ...] = ()


class Resolved(Struct, frozen=True):
    """An effective document, and what to tell about it.

    `origins` says for each setting, and for each key of the settings that are merged per key,
    from which level the value in force came: JSON pointer to level. `overrode` says of the same
    what lower levels had said, the lowest first. `function_hash` is that of the function's content.
    """

    document: RunDocument
    namespace: str
    platform: Platform = Platform()
    function_hash: str = ""
    warnings: tuple[Violation, ...] = ()
    origins: dict[str, Level] = {}
    overrode: dict[str, tuple[Overridden, ...]] = {}
