"""Whatever comes in: an answer, never an exception, and one that can be sent on and rendered."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from runbus.contracts.document import RunDocument
from runbus.contracts.violations import Violation
from runbus.pod_launcher.manifest import render
from runbus.settings.defaults import Defaults, defaults_of, parse_defaults
from runbus.settings.limits import limits_of
from runbus.settings.model import Read, Refused, Resolved
from runbus.settings.reading import read_documents, read_json
from runbus.settings.resolve import document_hash, resolve
from support.documents import RUN_ID, a_job
from support.full_documents import a_full_job

FULL = a_full_job()
DEFAULTS = Defaults()
# How long a document takes is for test_speed: other work on the machine must not count here.
AT_ANY_SPEED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**80), 2**80)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        ["", "-1", "1h", "0", "\x00", "\ud800", "a/b/c", "..", "job", "nlp", "~", "/"]
    )
)
_ANY = st.recursive(
    _SCALARS | st.binary(max_size=3) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=6) | st.integers(), inner, max_size=4)
        | st.tuples(inner)
    ),
    max_leaves=12,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of everything in a document."""
    inner: list[Any] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [path, *(place for key, each in inner for place in _places(each, (*path, key)))]


PLACES = [place for place in _places(FULL) if place]


def _changed(place: tuple[Any, ...], value: Any) -> Any:
    """Return the full document with one thing in it replaced."""
    document = copy.deepcopy(FULL)
    container = document
    for step in place[:-1]:
        container = container[step]
    container[place[-1]] = value
    return document


def _check_answer(raw: object) -> None:
    """Judge, and use the answer as everybody after it does."""
    verdict = resolve(raw, project=None, defaults=DEFAULTS, default_user="me")
    if isinstance(verdict, Refused):
        assert verdict.violations
        body = msgspec.json.encode(verdict.violations)
        assert len(body) < 200_000
        assert msgspec.json.decode(body, type=tuple[Violation, ...])
        assert all(each.path.startswith("/") for each in verdict.violations)
        return
    document = verdict.document
    body = msgspec.json.encode(document)
    assert msgspec.json.encode(msgspec.json.decode(body, type=RunDocument)) == body
    assert limits_of(document).thresholds
    (pod,) = render(document, run_id=RUN_ID, attempt=1, shard="00", namespace=verdict.namespace)
    msgspec.json.encode(pod)
    assert len(document_hash(raw)) == 64


@AT_ANY_SPEED
@given(_ANY)
@example(None)
@example({})
@example([])
@example({"project": {}})
@example({1: 2})
@example({"name": "\ud800", "\udfff": 1})
def test_anything_at_all_is_answered(raw: object) -> None:
    _check_answer(raw)


@AT_ANY_SPEED
@given(st.dictionaries(st.sampled_from([*FULL, "replicas", "nmae", "executing"]), _ANY, max_size=5))
def test_any_values_of_known_settings_are_answered(given_settings: dict[str, Any]) -> None:
    _check_answer(a_job(**given_settings))


@AT_ANY_SPEED
@given(st.sampled_from(PLACES), _ANY)
@example(("env", 0, "value"), None)
@example(("resources", "requests", "cpu"), 1e400)
@example(("parameters",), {"a": float("nan")})
@example(("affinity", "nodeAffinity"), [])
@example(("volumes", 0, "mount"), "/c")
@example(("kind",), [])
@example(("tolerations", 0, "operator"), {})
def test_a_right_document_with_one_thing_replaced_is_answered(
    place: tuple[Any, ...], value: Any
) -> None:
    _check_answer(_changed(place, value))


@AT_ANY_SPEED
@given(st.lists(st.tuples(st.sampled_from(PLACES), _SCALARS), max_size=4))
def test_one_wrong_value_never_hides_another(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    """Refusals of single changes stand in the refusal of all, where the changes are apart."""
    apart = {place[0]: (place, value) for place, value in changes}
    together = copy.deepcopy(FULL)
    expected: set[str] = set()
    for place, value in apart.values():
        alone = _changed(place, value)
        together[place[0]] = alone[place[0]]
        expected |= {path for path in _refused_paths(alone) if path.startswith(f"/{place[0]}")}
    assert expected <= _refused_paths(together)


def _refused_paths(raw: object) -> set[str]:
    verdict = resolve(raw, project=None, defaults=DEFAULTS, default_user="")
    return {each.path for each in verdict.violations} if isinstance(verdict, Refused) else set()


def test_the_full_document_is_right_and_stays_as_it_was() -> None:
    before = copy.deepcopy(FULL)
    verdict = resolve(FULL, project="nlp", defaults=DEFAULTS, default_user="me")
    assert isinstance(verdict, Resolved), verdict
    assert before == FULL


def test_an_effective_document_resolves_to_itself() -> None:
    verdict = resolve(FULL, project=None, defaults=DEFAULTS, default_user="")
    assert isinstance(verdict, Resolved)
    again = resolve(
        msgspec.to_builtins(verdict.document), project=None, defaults=DEFAULTS, default_user=""
    )
    assert isinstance(again, Resolved)
    assert again.document == verdict.document


@AT_ANY_SPEED
@given(st.binary(max_size=60))
@example(b"\xff")
@example(b"\xef\xbb\xbf{}")
@example(b'{"a":1,"a":2}')
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b'{"a":NaN}')
@example(b"9" * 5000)
@example(b'"\\ud800"')
@example(b"{" + b" " * 600_000)
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for read in (read_json(body), *read_documents(body)):
        if isinstance(read, Read):
            _check_answer(read.value)
        else:
            assert read.violations


_PIECES = [
    *("a: ", "b", "- ", "\n", "  ", "{", "}", "[", "]", "&x ", "*x", "<<: ", "---\n", "!!int "),
    *("!t ", '"', "'", "|", ">", "#", "? ", ": ", "%YAML 1.1\n", "...", "\t", "on", "1:30"),
    *("2026-11-01", "0o17", "~", ".nan", "="),
]
_YAML = st.lists(st.sampled_from(_PIECES), max_size=12).map("".join)


@AT_ANY_SPEED
@given(_YAML)
@example("a: &x [*x]")
@example("a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]")
@example("[" * 50_000)
@example("- " * 50_000)
@example("? " * 5_000)
@example("<<: 1")
@example("<<: [1]")
@example("!!python/object:os.system {}")
@example("!!binary aGVsbG8=")
@example("!!set {a}")
@example("? [a]\n: b")
@example("a: 1\na: 2")
@example("\x00")
def test_any_yaml_is_read_or_refused(text: str) -> None:
    for read in read_documents(text):
        if isinstance(read, Read):
            _check_answer(read.value)
        else:
            assert read.violations


@AT_ANY_SPEED
@given(_ANY)
@example({"defaults": {"node_selector": {"a": "b c"}}})
@example({"defaults": {"preemption_mode": "constrain"}})
@example({"projects": {"nlp": None}})
@example({"limits": []})
def test_any_defaults_file_is_taken_or_refused(raw: object) -> None:
    taken = defaults_of(raw)
    if isinstance(taken, Refused):
        assert taken.violations
    else:
        assert isinstance(resolve(a_job(), project=None, defaults=taken, default_user=""), Resolved)


@AT_ANY_SPEED
@given(_YAML)
def test_any_text_is_a_defaults_file_or_refused(text: str) -> None:
    assert isinstance(parse_defaults(text), Defaults | Refused)
