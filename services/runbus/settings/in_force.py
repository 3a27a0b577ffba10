"""The settings in force while they are judged: each with its level, and its place in the document.

What is wrong points into the run's document as if everything had been written there; where a value
comes from somewhere else, the hint says so. It must not know which checks there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from runbus.contracts.placement import Platform
from runbus.contracts.states import Kind, Role
from runbus.contracts.violations import Violation, ViolationCode, shortened
from runbus.settings.defaults_file import Caps
from runbus.settings.model import ASKED, Level
from runbus.settings.roles import OWN_RESOURCES, role_settings

Settings = Mapping[str, Any]


class CapsOf(Struct, frozen=True):
    """The caps of one level, and whose they are in people's words."""

    whose: str
    level: Level
    caps: Caps


class InForce(Struct, frozen=True, kw_only=True):
    """The settings in force, where each came from, and what they are checked against.

    `priority_classes` is None where neither the operator nor a cluster says which there are; else
    they stand highest first. `volume_positions` says where a volume stands in the document. With
    a `role`, the settings are those of that role's pods, while the origins stay those of all.
    """

    settings: Settings
    origins: Mapping[str, Level]
    kind: Kind | None = None
    project: str = ""
    function: str = ""
    user: str = ""
    platform: Platform = Platform()
    caps: tuple[CapsOf, ...] = ()
    priority_classes: Sequence[str] | None = None
    volume_positions: Mapping[str, int] = {}
    role: Role | None = None

    def of_role(self, role: Role) -> InForce:
        """Return the same for the pods of one role."""
        settings, _ = role_settings(self.settings, role)
        return InForce(
            settings=settings,
            origins=self.origins,
            kind=self.kind,
            project=self.project,
            function=self.function,
            user=self.user,
            platform=self.platform,
            caps=self.caps,
            priority_classes=self.priority_classes,
            volume_positions=self.volume_positions,
            role=role,
        )

    def place(self, path: str) -> str:
        """Return where a setting of these stands: with the role, if that has its own."""
        if self.role is None:
            return path
        own = f"/roles/{self.role.value}{path}"
        is_own = own in self.origins or any(each.startswith(f"{own}/") for each in self.origins)
        is_always_own = path.startswith("/resources") and self.role in OWN_RESOURCES
        return own if is_own or is_always_own else path

    def origin(self, path: str) -> Level:
        """Return the level from which a setting came."""
        return self.origins.get(self.place(path), Level.RUN)

    def is_asked(self, path: str) -> bool:
        """Say whether somebody asked for a setting, or it was only inherited."""
        return self.origin(path) in ASKED

    def level(self, path: str) -> str:
        """Return the level of a setting in people's words."""
        return self._words(self.origin(path)) or "the document"

    def refusal(
        self,
        path: str,
        code: ViolationCode,
        given: object = None,
        *,
        allowed: str | list[str] | None = None,
        hint: str,
    ) -> Violation:
        """Return a violation; the hint says where the value comes from, if not from the document.

        `path` is that of a setting without its role.
        """
        words = self._words(self.origin(path))
        told = f"it comes from {words}: {hint}" if words else hint
        return Violation(self.place(path), code.value, shortened(given), allowed, told)

    def _words(self, level: Level) -> str:
        match level:
            case Level.SHIPPED:
                return "the defaults that come with runbus"
            case Level.SERVICE:
                return "the operator's defaults"
            case Level.PROJECT:
                return f"the defaults of project {self.project}"
            case Level.FUNCTION:
                return f"the function {self.function}"
            case Level.RUN | Level.REQUEST:
                return ""
