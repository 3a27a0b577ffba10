"""Collects what is wrong with an object, in Kubernetes' words (field.ErrorList)."""

import msgspec

from runbus.localcluster.rules.errors import Cause


def quoted(value: object) -> str:
    """Write a value as Go's %v or JSON would: strings in quotes."""
    if isinstance(value, str):
        return msgspec.json.encode(value).decode()
    return msgspec.json.encode(value).decode()


class Causes:
    """A list of causes under construction; empty means that the object is valid."""

    def __init__(self) -> None:
        self.found: list[Cause] = []

    def invalid(self, field: str, value: object, why: str) -> None:
        """A value that breaks a rule."""
        message = f"Invalid value: {quoted(value)}: {why}"
        self.found.append(Cause("FieldValueInvalid", message, field))

    def invalid_bare(self, field: str, shown: str, why: str) -> None:
        """As ``invalid``, for a value that Kubernetes does not put into quotes."""
        self.found.append(Cause("FieldValueInvalid", f"Invalid value: {shown}: {why}", field))

    def required(self, field: str, why: str = "") -> None:
        """A value that is missing."""
        message = f"Required value: {why}" if why else "Required value"
        self.found.append(Cause("FieldValueRequired", message, field))

    def unsupported(self, field: str, value: object, allowed: tuple[str, ...]) -> None:
        """A value outside an enumeration."""
        listed = ", ".join(quoted(each) for each in allowed)
        message = f"Unsupported value: {quoted(value)}: supported values: {listed}"
        self.found.append(Cause("FieldValueNotSupported", message, field))

    def duplicate(self, field: str, value: object) -> None:
        """A value that must be unique and is not."""
        message = f"Duplicate value: {quoted(value)}"
        self.found.append(Cause("FieldValueDuplicate", message, field))

    def forbidden(self, field: str, why: str) -> None:
        """A field that may not be set or changed."""
        self.found.append(Cause("FieldValueForbidden", f"Forbidden: {why}", field))

    def not_found(self, field: str, value: object) -> None:
        """A name that refers to nothing."""
        message = f"Not found: {quoted(value)}"
        self.found.append(Cause("FieldValueNotFound", message, field))

    def check(self, field: str, value: str, why: str | None) -> None:
        """Add ``invalid`` where a check of ``names`` found something."""
        if why is not None:
            self.invalid(field, value, why)
