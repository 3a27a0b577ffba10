"""Subjects with wildcards, as a nats-server matches and transforms them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache


@lru_cache(maxsize=4096)
def matcher(pattern: str) -> Callable[[str], bool]:
    """Return the test whether a subject matches: `*` is one token, a last `>` one or more."""
    if "*" not in pattern and not pattern.endswith(">"):
        return pattern.__eq__
    tokens = pattern.split(".")
    fixed = next(i for i, token in enumerate(tokens) if token in {"*", ">"})
    if tokens[fixed:] == ["*"] * (len(tokens) - fixed):
        prefix, dots = "".join(f"{token}." for token in tokens[:fixed]), len(tokens) - 1
        return lambda subject: subject.startswith(prefix) and subject.count(".") == dots
    parts = [{"*": "[^.]+", ">": ".+"}.get(token) or re.escape(token) for token in tokens]
    whole = re.compile(r"\.".join(parts))
    return lambda subject: whole.fullmatch(subject) is not None


def overlap(first: str, second: str) -> bool:
    """Say whether one subject could match both patterns."""
    left, right = first.split("."), second.split(".")
    for mine, other in zip(left, right, strict=False):
        if ">" in (mine, other):
            return True
        if mine != other and "*" not in (mine, other):
            return False
    return len(left) == len(right)


def transformed(subject: str, source: str, destination: str) -> str:
    """Return a subject by a transform with `{{wildcard(n)}}`."""
    stars = [
        token
        for token, pattern in zip(subject.split("."), source.split("."), strict=True)
        if pattern == "*"
    ]
    return re.sub(r"\{\{wildcard\((\d+)\)\}\}", lambda found: stars[int(found[1]) - 1], destination)
