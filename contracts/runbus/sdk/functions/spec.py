"""`fn.spec` and `fn.metadata`: settings as attributes, under the document's names and MLRun's.

Reading an attribute gives the setting or None; giving it a value checks it and keeps it, None takes
it out. A name that does not exist is refused, with the nearest one that does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar, overload

from runbus.contracts.document_findings import nearest

T = TypeVar("T")


class Settings(Protocol):
    """Where settings are kept: a function."""

    def setting(self, key: str) -> Any:
        """Return a setting; None where it is not given."""

    def with_setting(self, key: str, value: object) -> object:
        """Check and keep a setting; None takes it out."""


class Setting(Generic[T]):
    """An attribute that stands for one setting; without a key, the one of its own name."""

    def __init__(self, key: str = "") -> None:
        self._key = key

    def __set_name__(self, owner: type, name: str) -> None:
        self._key = self._key or name

    @overload
    def __get__(self, view: None, owner: type) -> Setting[T]: ...
    @overload
    def __get__(self, view: View, owner: type) -> T | None: ...
    def __get__(self, view: View | None, owner: type) -> Setting[T] | T | None:
        if view is None:
            return self
        found: T | None = view._function.setting(self._key)
        return found

    def __set__(self, view: View, value: T | None) -> None:
        view._function.with_setting(self._key, value)


class View:
    """Attributes over a function's settings."""

    _function: Settings

    def __init__(self, function: Settings) -> None:
        object.__setattr__(self, "_function", function)

    def __setattr__(self, name: str, value: object) -> None:
        if not isinstance(getattr(type(self), name, None), Setting | property):
            raise AttributeError(_unknown(self, name))
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(_unknown(self, name))

    def __dir__(self) -> list[str]:
        return _names(type(self))

    def __repr__(self) -> str:
        given = ((name, getattr(self, name)) for name in _names(type(self)))
        shown = ", ".join(f"{name}={value!r}" for name, value in given if value is not None)
        return f"{type(self).__name__}({shown})"


class Metadata(View):
    """Whose a function is, and what is written on its objects."""

    name = Setting[str]()
    project = Setting[str]()
    labels = Setting[Mapping[str, str]]()
    annotations = Setting[Mapping[str, str]]()


class Spec(View):
    """The settings of a function that have no method of their own, and those that have."""

    image = Setting[str]()
    command = Setting[str | Sequence[str]]()
    args = Setting[Sequence[str]]()
    workdir = Setting[str]()
    parameters = Setting[Any]()
    env = Setting[Sequence[Mapping[str, Any]]]()
    env_from = Setting[Sequence[Mapping[str, str]]]()
    image_pull_policy = Setting[str]()
    image_pull_secret = Setting[str]()
    replicas = Setting[int]()
    min_replicas = Setting[int]()
    max_replicas = Setting[int]()
    target_cpu = Setting[int]()
    resources = Setting[Mapping[str, Any]]()
    volumes = Setting[Sequence[Mapping[str, Any]]]()
    auto_mount = Setting[bool]()
    preemption_mode = Setting[str]()
    priority_class = Setting[str]()
    priority_class_name = Setting[str]("priority_class")  # MLRun's name
    node_selector = Setting[Mapping[str, str]]()
    node_name = Setting[str]()
    tolerations = Setting[Sequence[Any]]()
    affinity = Setting[Any]()
    service_account = Setting[str]()
    security_context = Setting[Mapping[str, int]]()
    termination_grace_period = Setting[str]()
    state_thresholds = Setting[Mapping[str, str]]()
    retry = Setting[Mapping[str, Any]]()
    queue = Setting[Mapping[str, str]]()
    ttl_after_finish = Setting[str]()
    log_level = Setting[str]()
    roles = Setting[Mapping[str, Mapping[str, Any]]]()
    mpi = Setting[Mapping[str, Any]]()
    spark = Setting[Mapping[str, Any]]()
    dask = Setting[Mapping[str, Any]]()
    nuclio = Setting[Mapping[str, Any]]()

    @property
    def disable_auto_mount(self) -> bool:
        """Whether auto-mount is left out (MLRun's name; the document has `auto_mount`)."""
        return self._function.setting("auto_mount") is False

    @disable_auto_mount.setter
    def disable_auto_mount(self, value: bool) -> None:
        self._function.with_setting("auto_mount", not value)


def _names(view: type[View]) -> list[str]:
    return [name for name, each in vars(view).items() if isinstance(each, Setting | property)]


def _unknown(view: View, name: str) -> str:
    near = nearest(name, _names(type(view)))
    hint = f"; did you mean {near}?" if near else f"; there are: {', '.join(_names(type(view)))}"
    return f"{type(view).__name__.lower()} has no setting {name!r}{hint}"
