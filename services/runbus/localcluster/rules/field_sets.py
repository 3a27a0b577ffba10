"""Fields of an object as sets of paths: which there are, which two versions differ in. Pure.

A path is a tuple of elements as metadata.managedFields writes them (FieldsV1): ``f:spec``,
``k:{"name":"main"}`` for an element of a list with keys, ``v:"x"`` for one of a set.
Rules: sigs.k8s.io/structured-merge-diff. What is not told here is atomic: a list without keys, and
the few objects whose last name is in ``_ATOMIC``.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from runbus.localcluster.rules.strategic import MERGE_KEYS, PRIMITIVE_MERGE

JsonObject = dict[str, Any]
Path = tuple[str, ...]
FieldSet = frozenset[Path]
Child = tuple[str, Any, str]

_KEYS: dict[str, tuple[str, ...]] = {
    **{path: (key,) for path, key in MERGE_KEYS.items()},
    **{
        f"spec.{block}.*.ports": ("containerPort", "protocol")
        for block in ("containers", "initContainers", "ephemeralContainers")
    },
    "spec.topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
_KEY_DEFAULTS = {"protocol": "TCP"}
_ATOMIC = frozenset(
    (
        "nodeSelector",
        "labelSelector",
        "fieldRef",
        "resourceFieldRef",
        "configMapKeyRef",
        "secretKeyRef",
        "secretRef",
        "configMapRef",
    )
)
_ATOMIC_ELEMENTS = frozenset(("metadata.ownerReferences.*",))
# fields that nobody owns
_UNOWNED: dict[str, frozenset[str]] = {
    "": frozenset(("apiVersion", "kind")),
    "metadata": frozenset(
        (
            "creationTimestamp",
            "deletionGracePeriodSeconds",
            "deletionTimestamp",
            "generateName",
            "generation",
            "managedFields",
            "name",
            "namespace",
            "resourceVersion",
            "selfLink",
            "uid",
        )
    ),
}
_NOTHING = object()


def fields_of(obj: JsonObject) -> FieldSet:
    """What a document says: its leaves, and the elements of its lists with keys."""
    return frozenset(_walk(obj, (), ""))


def _walk(value: Any, path: Path, where: str) -> Iterator[Path]:
    children = _children(value, where)
    if children is None:
        yield path
        return
    for element, child, there in children:
        if element[0] != "f":
            yield (*path, element)
        if element[0] != "v":
            yield from _walk(child, (*path, element), there)


def _children(value: Any, where: str) -> list[Child] | None:
    """What a value consists of, each with its place for the rules; None for a leaf."""
    if isinstance(value, dict) and value and where not in _ATOMIC_ELEMENTS:
        if where.rpartition(".")[2] in _ATOMIC:
            return None
        hidden = _UNOWNED.get(where, frozenset())
        prefix = f"{where}." if where else ""
        return [
            (f"f:{key}", each, prefix + key) for key, each in value.items() if key not in hidden
        ]
    if isinstance(value, list) and value and (where in _KEYS or where in PRIMITIVE_MERGE):
        return [(_element(each, where), each, f"{where}.*") for each in value]
    return None


def _element(value: Any, where: str) -> str:
    if where in PRIMITIVE_MERGE or not isinstance(value, dict):
        return f"v:{msgspec.json.encode(value).decode()}"
    keys = {key: value.get(key, _KEY_DEFAULTS.get(key)) for key in _KEYS[where]}
    return f"k:{msgspec.json.encode(keys, order='deterministic').decode()}"


def changes(old: JsonObject, new: JsonObject) -> tuple[FieldSet, FieldSet]:
    """The fields that were added or changed, and those that were removed."""
    changed: set[Path] = set()
    removed: set[Path] = set()
    _compare(old, new, (), "", changed, removed)
    return frozenset(changed), frozenset(removed)


def _compare(
    old: Any, new: Any, path: Path, where: str, changed: set[Path], removed: set[Path]
) -> None:
    if old is new:
        return
    before, after = _children(old, where), _children(new, where)
    if old is _NOTHING:
        changed.add(path)
    elif new is _NOTHING:
        removed.add(path)
    elif (before is None or after is None) and not (_empty(old) or _empty(new)):
        if old != new:
            changed.add(path)
        return
    left = {element: (value, there) for element, value, there in before or ()}
    right = {element: (value, there) for element, value, there in after or ()}
    for element in {**left, **right}:
        mine, there = left.get(element, (_NOTHING, ""))
        theirs, there = right.get(element, (_NOTHING, there))
        _compare(mine, theirs, (*path, element), there, changed, removed)


def _empty(value: Any) -> bool:
    return isinstance(value, dict | list) and not value


def merged(live: Any, config: Any, where: str = "") -> Any:
    """What is there with what a document says laid over it."""
    if isinstance(live, dict) and isinstance(config, dict):
        if where in _ATOMIC_ELEMENTS or where.rpartition(".")[2] in _ATOMIC:
            return config
        prefix = f"{where}." if where else ""
        over = {
            key: merged(live[key], each, prefix + key) if key in live else each
            for key, each in config.items()
        }
        return {**live, **over}
    keyed = where in _KEYS or where in PRIMITIVE_MERGE
    if keyed and isinstance(live, list) and isinstance(config, list):
        given = {_element(each, where): each for each in config}
        there = {_element(each, where): each for each in live}
        kept = [
            merged(each, given[element], f"{where}.*") if element in given else each
            for element, each in there.items()
        ]
        return [*kept, *(each for element, each in given.items() if element not in there)]
    return config


def without(value: Any, gone: FieldSet, path: Path = (), where: str = "") -> Any:
    """A document without some fields; what held nothing else goes with them."""
    children = _children(value, where)
    if children is None:
        return value
    kept: list[tuple[str, Any]] = []
    for element, child, there in children:
        here = (*path, element)
        if here in gone:
            continue
        left = child if element[0] == "v" else without(child, gone, here, there)
        if left is child or not _empty(left):
            kept.append((element, left))
    if isinstance(value, list):
        same_items = len(kept) == len(value) and all(
            each is before for (_, each), before in zip(kept, value, strict=True)
        )
        return value if same_items else [each for _, each in kept]
    found = {element.removeprefix("f:"): each for element, each in kept}
    hidden = _UNOWNED.get(where, frozenset())
    same = {key: each for key, each in value.items() if key in hidden}
    if len(found) == len(children) and all(each is value[key] for key, each in found.items()):
        return value
    return {**same, **found}


def to_tree(fields: FieldSet) -> JsonObject:
    """FieldsV1 of a set."""
    tree: JsonObject = {}
    inner = {path[:i] for path in fields for i in range(1, len(path))}
    for path in sorted(fields):
        here = tree
        for element in path:
            here = here.setdefault(element, {})
        if path in inner:
            here["."] = {}
    return tree


def from_tree(tree: Any, path: Path = ()) -> FieldSet:
    """The set of a FieldsV1; what is none is empty."""
    if not isinstance(tree, dict):
        return frozenset()
    if not tree:
        return frozenset((path,)) if path else frozenset()
    return frozenset(
        each
        for element, below in tree.items()
        for each in ((path,) if element == "." else from_tree(below, (*path, element)))
    )


def ordered(fields: Iterable[Path]) -> list[Path]:
    """Paths as Kubernetes lists them: what ends at a place before what lies below it."""
    every = set(fields)
    inner = {path[:i] for path in every for i in range(1, len(path))}
    return sorted(every, key=lambda p: [(p[: i + 1] in inner, p[i]) for i in range(len(p))])


def shown(path: Path) -> str:
    """A path as messages write it: ``.spec.containers[name="main"].image``."""
    text = ""
    for element in path:
        kind, _, rest = element.partition(":")
        if kind == "f":
            text += f".{rest}"
        elif kind == "v":
            text += f"[={rest}]"
        else:
            keys = msgspec.json.decode(rest)
            inside = ",".join(
                f"{key}={msgspec.json.encode(value).decode()}" for key, value in keys.items()
            )
            text += f"[{inside}]"
    return text
