"""Whatever comes in, the structural check answers: never an exception, always a place."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from runbus.contracts.document import RunDocument
from runbus.contracts.structure import CheckedDocument, check, missing_required
from runbus.contracts.violations import TOKEN_CHARACTERS_MAX, ViolationCode, pointer
from support.whole_document import WHOLE

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["", " ", "-1", "1h30", "1Gi", "/a/../b", "{epochs}", "\ud800", "job", "In"])
    | st.dates()
    | st.binary(max_size=3)
    | st.sampled_from([10**400, -(10**400)])
)
KEYS = (
    st.sampled_from([*RunDocument.__struct_fields__, "nmae", "a/b~c"])
    | st.text(max_size=5)
    | st.integers()
    | st.booleans()
    | st.none()
)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.dictionaries(st.sampled_from(RunDocument.__struct_fields__), inner, max_size=4)
    ),
    max_leaves=12,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in a document, the document's own first."""
    found = [path]
    if isinstance(value, dict):
        children = list(value.items())
    else:
        children = list(enumerate(value)) if isinstance(value, list | tuple) else []
    for key, inner in children:
        found.extend(_places(inner, (*path, key)))
    return found


def _pointer_of(path: tuple[Any, ...]) -> str:
    text = ""
    for token in path:
        text = pointer(text, token)
    return text or "/"


PLACES = [each for each in _places(WHOLE) if each]


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """Return the whole document with one to four places replaced, removed, or added to."""
    raw = copy.deepcopy(WHOLE)
    for path in draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=4)):
        parent = _parent(raw, path)
        if parent is None:
            continue
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "remove":
                parent.pop(path[-1])
            case "add" if isinstance(parent, dict):
                parent[draw(KEYS)] = draw(ANYTHING)
            case _:
                parent[path[-1]] = draw(ANYTHING)
    return raw


def _parent(raw: Any, path: tuple[Any, ...]) -> Any:
    """Return the container that still holds a place, or None."""
    found = raw
    for token in path[:-1]:
        if not _holds(found, token):
            return None
        found = found[token]
    is_writable = isinstance(found, dict | list)
    return found if is_writable and _holds(found, path[-1]) else None


def _holds(container: Any, token: Any) -> bool:
    if isinstance(container, dict):
        return token in container
    return isinstance(container, list) and isinstance(token, int) and token < len(container)


def _judge(raw: Any) -> CheckedDocument:
    """Check a document, and what holds of every answer."""
    before = copy.deepcopy(raw)
    checked = check(raw)
    assert repr(raw) == repr(before)
    msgspec.json.encode(checked.violations)
    as_read = msgspec.json.decode(msgspec.json.encode(checked.document))
    assert as_read == msgspec.json.decode(msgspec.json.encode(checked.settings))
    missing_required(checked.document, checked.violations)
    known = {_pointer_of(path) for path in _places(raw)}
    # A YAML 1.1 reader makes the key `on` true; people are told of what they wrote.
    known |= {each.replace("/retry/True", "/retry/on") for each in known}
    for each in checked.violations:
        assert each.code in set(ViolationCode)
        assert each.path in known or each.path.rpartition("/")[0] in {"", *known}, each
        assert len(each.path) <= 12 * TOKEN_CHARACTERS_MAX
        assert each.hint is None or len(each.hint) <= 400
    return checked


@given(ANYTHING)
@example({"retry": {True: [None]}})
def test_anything_at_all_gets_an_answer(raw: Any) -> None:
    _judge(raw)


@given(mutated())
def test_a_changed_document_is_right_or_is_told_where_it_is_not(raw: dict[str, Any]) -> None:
    _judge(raw)


@given(mutated())
def test_what_is_right_stays_right_and_the_same(raw: dict[str, Any]) -> None:
    checked = check(raw)
    if checked.is_right:
        assert check(checked.settings) == checked


@given(st.sampled_from(PLACES), st.sampled_from([object(), {1, 2}, b"x", 1j]))
def test_what_no_json_has_is_refused_at_its_place(path: tuple[Any, ...], value: object) -> None:
    raw = copy.deepcopy(WHOLE)
    _parent(raw, path)[path[-1]] = value
    assert _pointer_of(path) in {each.path for each in check(raw).violations}
