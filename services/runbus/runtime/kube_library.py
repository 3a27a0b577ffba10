"""The part of kubernetes_asyncio that connects, without its models.

Whoever imports the library imports all of it: its packages' own code loads the models and calls of
every API, two seconds and 90 MiB of which nothing is used here (ADR-0023). Its configuration, its
connections and its kubeconfig loader need none of that: they are imported by themselves, while the
two packages around them stand in for a moment without their code. It must not know settings.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from types import ModuleType
from typing import Any

from msgspec import Struct

_LIBRARY = "kubernetes_asyncio"
_CLIENT = f"{_LIBRARY}.client"
_once = threading.Lock()
_found: list[KubeLibrary] = []


class KubeLibrary(Struct, frozen=True):
    """The library's parts, by its own names.

    `Configuration` and `RESTClientObject` are classes; `config` is the package of the loaders, and
    `kube_config` its module for kubeconfig files.
    """

    Configuration: Any
    RESTClientObject: Any
    config: Any
    kube_config: Any


def kube_library() -> KubeLibrary:
    """Return the parts; the first call imports them, which blocks for some 100 ms."""
    with _once:
        if not _found:
            _found.append(_imported())
        return _found[0]


def _imported() -> KubeLibrary:
    before = {name: module for name, module in sys.modules.items() if _is_of_library(name)}
    for name in before:
        del sys.modules[name]
    try:
        library = _package(_LIBRARY, importlib.util.find_spec(_LIBRARY))
        client = _package(_CLIENT, importlib.util.find_spec(_CLIENT))
        configuration = importlib.import_module(f"{_CLIENT}.configuration")
        rest = importlib.import_module(f"{_CLIENT}.rest")
        # The loaders name both; the client of the models is never made by what is used here.
        client.Configuration = configuration.Configuration  # type: ignore[attr-defined]
        client.ApiClient = None  # type: ignore[attr-defined]
        library.client = client  # type: ignore[attr-defined]
        return KubeLibrary(
            Configuration=configuration.Configuration,
            RESTClientObject=rest.RESTClientObject,
            config=importlib.import_module(f"{_LIBRARY}.config"),
            kube_config=importlib.import_module(f"{_LIBRARY}.config.kube_config"),
        )
    finally:
        # Whoever imports the library by its name gets it whole.
        for name in [each for each in sys.modules if _is_of_library(each)]:
            del sys.modules[name]
        sys.modules.update(before)


def _is_of_library(name: str) -> bool:
    return name == _LIBRARY or name.startswith(f"{_LIBRARY}.")


def _package(name: str, spec: importlib.machinery.ModuleSpec | None) -> ModuleType:
    """Put a package without its own code into the place of one; its modules can be imported."""
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"{name} is not installed", name=name)
    module = ModuleType(name)
    module.__path__ = list(spec.submodule_search_locations)
    module.__spec__ = spec
    sys.modules[name] = module
    return module
