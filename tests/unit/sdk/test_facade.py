"""The blocking facade says what the async core says: the same methods, the same signatures."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from runbus.sdk import AsyncRun, AsyncSession, Run, Session

PAIRS = [(AsyncSession, Session), (AsyncRun, Run)]


def public(owner: type) -> dict[str, Any]:
    """Return the public names of a class, and what makes a notebook show it."""
    found = {name: inspect.getattr_static(owner, name) for name in dir(owner)}
    return {
        name: each
        for name, each in found.items()
        if name == "_repr_html_" or not name.startswith("_")
    }


def signature(method: Callable[..., Any]) -> list[tuple[str, Any, Any, str]]:
    """Return the parameters of a method: name, kind, default, type."""
    return [
        (each.name, each.kind, each.default, str(each.annotation))
        for each in inspect.signature(method).parameters.values()
    ]


@pytest.mark.parametrize(("core", "facade"), PAIRS)
def test_core_and_facade_have_the_same_public_names(core: type, facade: type) -> None:
    assert public(core).keys() == public(facade).keys()


@pytest.mark.parametrize(("core", "facade"), PAIRS)
def test_each_method_of_the_facade_takes_what_that_of_the_core_takes(
    core: type, facade: type
) -> None:
    facades = public(facade)
    for name, method in public(core).items():
        if isinstance(method, property):
            assert isinstance(facades[name], property), name
        else:
            assert signature(method) == signature(facades[name]), name


def test_sessions_are_made_alike() -> None:
    assert signature(AsyncSession.__init__) == signature(Session.__init__)


@pytest.mark.parametrize(("core", "facade"), PAIRS)
def test_what_the_core_awaits_the_facade_returns(core: type, facade: type) -> None:
    facades = public(facade)
    for name, method in public(core).items():
        if isinstance(method, property):
            continue
        returned = str(inspect.signature(method).return_annotation)
        plain = returned.replace("AsyncIterator", "Iterator").replace("AsyncRun", "Run")
        assert str(inspect.signature(facades[name]).return_annotation) == plain, name
        assert not inspect.iscoroutinefunction(facades[name]), name
        assert not inspect.isasyncgenfunction(facades[name]), name
