"""What is wrong with a setting, raised where a program gives it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from runbus.contracts.violations import Violation, ViolationCode


class RefusedSettingError(ValueError):
    """A setting that cannot be; `violations` has each place, what was given, and the way out."""

    def __init__(self, violations: Sequence[Violation], about: str = "") -> None:
        self.violations = tuple(violations)
        head = f"{about}: " if about else ""
        super().__init__(head + "\n".join(violation_text(each) for each in self.violations))


def refused(
    path: str,
    hint: str,
    *,
    given: object = None,
    allowed: Sequence[str] | str | None = None,
    code: ViolationCode = ViolationCode.INVALID_VALUE,
) -> RefusedSettingError:
    """Return the error for one thing that is wrong."""
    shown = list(allowed) if isinstance(allowed, list | tuple) else allowed
    found = shown if shown is None or isinstance(shown, str) else [str(each) for each in shown]
    return RefusedSettingError([Violation(path, code.value, given, found, hint)])


def violation_text(violation: Violation) -> str:
    """Return a violation as one line: place, what was given, what is allowed, the way out."""
    text = f"{violation.path}: {violation.code.replace('_', ' ')}"
    if violation.given is not None:
        text += f": {violation.given!r}"
    if violation.allowed is not None:
        text += f"; allowed: {_listed(violation.allowed)}"
    return f"{text} ({violation.hint})" if violation.hint else text


def _listed(allowed: str | Iterable[str]) -> str:
    return allowed if isinstance(allowed, str) else ", ".join(allowed)
