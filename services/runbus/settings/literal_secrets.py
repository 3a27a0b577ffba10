"""Literals that look like credentials: warned of, and never shown.

A document is on the bus, in events and in everybody's `runbus get`. It must not know levels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from runbus.contracts.violations import Violation, ViolationCode, is_credential_name, pointer

# What issuers begin their keys with, a signed token, a private key, a password in an address.
_LOOKS_SECRET = re.compile(
    r"(?:AKIA|ASIA)[0-9A-Z]{16}"
    r"|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}|glpat-[A-Za-z0-9_-]{20,}"
    r"|xox[abprs]-[A-Za-z0-9-]{10,}|hf_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9_-]{20,}"
    r"|AIza[0-9A-Za-z_-]{35}"
    r"|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s:@]+@"
)
_ACCESS_KEY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # a UUID, as v3io has them
_CHARACTERS_MAX = 64 * 1024  # searched of one value


def literal_secrets(settings: Mapping[str, Any]) -> list[Violation]:
    """Return a warning for each variable whose literal value looks like a credential."""
    found = [_warning(f"/env/{place}", name) for place, name in _of(settings)]
    for role, own in (settings.get("roles") or {}).items():
        found += [_warning(f"/roles/{role}/env/{place}", name) for place, name in _of(own)]
    return [*found, *_of_volumes(settings), *_of_spark(settings)]


def looks_secret(text: str) -> bool:
    """Say whether a text has the form of a credential."""
    return _LOOKS_SECRET.search(text[:_CHARACTERS_MAX]) is not None


def _of(settings: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    for position, entry in enumerate(settings.get("env") or ()):
        value = entry.get("value")
        if value and (is_credential_name(entry["name"]) or looks_secret(value)):
            yield position, entry["name"]


def _of_volumes(settings: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield what stands for a Secret's name, and looks like the access key itself."""
    for position, volume in enumerate(settings.get("volumes") or ()):
        if _ACCESS_KEY.fullmatch((volume.get("v3io") or {}).get("secret") or ""):
            path = f"/volumes/{position}/v3io/secret"
            hint = "it looks like an access key: put that into a Secret, and name the Secret here"
            yield Violation(path, ViolationCode.LITERAL_SECRET.value, hint=hint)


def _of_spark(settings: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield Spark's own settings that hold a credential; `spark.kubernetes` refers to it."""
    for key, value in ((settings.get("spark") or {}).get("conf") or {}).items():
        is_named = is_credential_name(key) and not key.startswith("spark.kubernetes.")
        is_plain = value.lower() in ("", "true", "false") or value.startswith(("/", "$"))
        if looks_secret(value) or (is_named and not is_plain):
            path = pointer("/spark/conf", key)
            hint = "it looks like a credential, and all who see the run see it: take a Secret"
            yield Violation(path, ViolationCode.LITERAL_SECRET.value, hint=hint)


def _warning(path: str, name: str) -> Violation:
    hint = (
        "it looks like a credential, and everybody who sees the run sees it: put it into a Secret,"
        f" and write {{name: {name}, secret: {{name: …, key: …}}}}"
    )
    return Violation(f"{path}/value", ViolationCode.LITERAL_SECRET.value, hint=hint)
