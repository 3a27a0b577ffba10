"""The grammar of what is somewhere else: functions of a catalogue, hosts, paths in v3io.

One function per grammar, each answering with what is wrong, or None. It must not know where in
a document a value stands. Source: the page on settings, sections 5 and 9.
"""

from __future__ import annotations

import re

from msgspec import Struct

from runbus.contracts.grammars import (
    DNS_SUBDOMAIN,
    DNS_SUBDOMAIN_CHARACTERS_MAX,
    FUNCTION_TAG_DEFAULT,
    HUB,
)
from runbus.contracts.problems import Problem
from runbus.contracts.violations import ViolationCode

V3IO = "v3io:///"
HOME = "~"
_PART = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_FUNCTION = re.compile(rf"hub://(?:(?P<source>{_PART})/)?(?P<name>{_PART})(?::(?P<tag>{_PART}))?")
_FUNCTION_WORDS = "hub://[source/]name[:tag], each of letters, digits, '-', '_' and '.'"
_HOST = re.compile(r"(?:\*\.)?" + DNS_SUBDOMAIN.strip("^$"))
_HOST_WORDS = "a DNS name in lower case, like ranker.example.com"
_STREAM_WORDS = "v3io:///container/path/of/the/stream"
_V3IO_WORDS = "a path in the container without '..', or ~ for the home of the run's user"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class FunctionName(Struct, frozen=True):
    """A function of the catalogue, taken apart; a source of None is the catalogue on the bus."""

    source: str | None
    name: str
    tag: str = FUNCTION_TAG_DEFAULT


def function_name(text: str) -> FunctionName | None:
    """Return the parts of a reference to a function; None where it is none."""
    found = _FUNCTION.fullmatch(text)
    if found is None:
        return None
    return FunctionName(found["source"], found["name"], found["tag"] or FUNCTION_TAG_DEFAULT)


def function_reference_problem(text: str) -> Problem | None:
    """Return what is wrong with a reference to a function of the catalogue."""
    if function_name(text) is not None:
        return None
    bare = HUB + text.strip().removeprefix("hub:").lstrip("/")
    hint = f"did you mean {bare[:100]}?" if function_name(bare) is not None else None
    return Problem(ViolationCode.INVALID_NAME, _FUNCTION_WORDS, hint)


def host_name_problem(text: str) -> Problem | None:
    """Return what is wrong with the host of an ingress; one star may stand for its first part."""
    if len(text) <= DNS_SUBDOMAIN_CHARACTERS_MAX and _HOST.fullmatch(text):
        return None
    bare = re.sub(r"^[a-z]+://", "", text.strip().lower()).split("/")[0].split(":")[0]
    hint = f"did you mean {bare[:100]}?" if bare and _HOST.fullmatch(bare) else None
    return Problem(ViolationCode.INVALID_NAME, _HOST_WORDS, hint)


def stream_path_problem(text: str) -> Problem | None:
    """Return what is wrong with the address of a v3io stream."""
    container, _, path = text.removeprefix(V3IO).partition("/")
    if text.startswith(V3IO) and container and path.strip("/") and _is_inside(text):
        return None
    bare = V3IO + text.strip().removeprefix("v3io:").lstrip("/")
    is_near = "/" in bare.removeprefix(V3IO).strip("/") and not bare.startswith(f"{V3IO}http")
    hint = f"did you mean {bare[:100]}?" if is_near and bare != text and _is_inside(bare) else None
    return Problem(ViolationCode.INVALID_PATH, _STREAM_WORDS, hint)


def v3io_path_problem(text: str) -> Problem | None:
    """Return what is wrong with a path in a data container."""
    if not text.strip() or not _is_inside(text):
        return Problem(ViolationCode.INVALID_PATH, _V3IO_WORDS)
    if text.startswith("/"):
        hint = f"did you mean {text.lstrip('/')[:100]}?" if text.strip("/") else None
        return Problem(ViolationCode.INVALID_PATH, _V3IO_WORDS, hint)
    if text.startswith("v3io:"):
        hint = "the container stands in `container`, and here only the path in it"
        return Problem(ViolationCode.INVALID_PATH, _V3IO_WORDS, hint)
    if text.startswith(HOME) and text != HOME and not text.startswith(f"{HOME}/"):
        hint = "~ is the home of the run's own user only: write ~/folder, or users as container"
        return Problem(ViolationCode.INVALID_PATH, _V3IO_WORDS, hint)
    return None


def _is_inside(path: str) -> bool:
    return ".." not in path.split("/") and _CONTROL.search(path) is None
