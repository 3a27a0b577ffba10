"""Nothing that is asked for is dropped without a word: of each setting and each kind, its effect.

A change of one setting changes the objects, or the limits that the services hold a run to; or the
setting is refused. Nothing else may be, but for the exceptions that stand here with their reason.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from runbus.cli.settings_page.describing import described, taken_apart
from runbus.contracts.document import Roles, RunDocument
from runbus.contracts.states import ROLES_BY_KIND, Kind
from runbus.pod_launcher.manifest import render
from runbus.settings.defaults import Defaults, defaults_of
from runbus.settings.function_files import reference_in
from runbus.settings.limits import limits_of
from runbus.settings.model import Function, Refused, Resolved
from runbus.settings.resolve import resolve
from support.any_run import PLATFORM, any_run
from support.documents import RUN_ID, a_job
from support.each_setting import OF_A_ROLE, OF_A_RUN, Each, of_role

Raw = dict[str, Any]

FILE: Raw = {
    **PLATFORM,
    "caps": {"host_paths": ["/mnt"]},
    "defaults": {"volumes": [{"name": "shared", "mount": "/shared", "pvc": "shared"}]},
}
FUNCTION_SPEC: Raw = {"nuclio": {"handler": "main:handler", "runtime": "python:3.11"}}
# The least of each kind, and of each mode of a kind in which it can have other settings.
LEAST: dict[str, Raw] = {
    "job": {"kind": "job"},
    "mpijob": {"kind": "mpijob", "command": "python"},
    "spark": {"kind": "spark", "command": "local:///a.py", "spark": {"version": "3.5.6"}},
    "dask cluster": {"kind": "dask", "dask": {"mode": "cluster"}},
    "dask job": {"kind": "dask", "dask": {"mode": "job"}},
    "nuclio": {"kind": "nuclio", **FUNCTION_SPEC},
    "serving": {"kind": "serving", **FUNCTION_SPEC},
}
_SECTIONS = {"mpi", "spark", "dask", "nuclio"}
_RANGE = {"min_replicas", "max_replicas"}
_OF_A_FUNCTION = {
    "roles",
    "mpi",
    "spark",
    "dask",
    "command",
    "args",
    "workdir",
    "termination_grace_period",
    "state_thresholds",
    "queue",
}
# What is refused: settings that a kind has no use for. Everything else has an effect.
REFUSED: dict[str, set[str]] = {
    "job": {"replicas", *_RANGE, "target_cpu", "roles", *_SECTIONS},
    "mpijob": {*_RANGE, "target_cpu", *(_SECTIONS - {"mpi"})},
    "spark": {"resources", "target_cpu", *(_SECTIONS - {"spark"})},
    "dask cluster": {
        "command",
        "args",
        "target_cpu",
        "queue",
        "state_thresholds",
        *(_SECTIONS - {"dask"}),
    },
    "dask job": {"target_cpu", "queue", "dask.idle_timeout", *(_SECTIONS - {"dask"})},
    "nuclio": _OF_A_FUNCTION,
    "serving": _OF_A_FUNCTION,
}
# What is in the accepted document for others to act on, and nothing in Kubernetes.
FOR_OTHERS = {"queue.name": "which line of the scheduler's the run stands in"}
ROLES = {
    kind: [
        role.value
        for role in ROLES_BY_KIND.get(Kind(least["kind"]), ())
        if kind != "dask cluster" or role.value != "runner"
    ]
    for kind, least in LEAST.items()
}
EACH = {
    kind: [*OF_A_RUN, *(of_role(role, each) for role in ROLES[kind] for each in OF_A_ROLE)]
    for kind in LEAST
}
CASES = [
    pytest.param(kind, each, id=f"{kind}-{each.path}-{number}")
    for kind in LEAST
    for number, each in enumerate(EACH[kind])
]


AT_ANY_SPEED = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def merged(below: Raw, above: Raw) -> Raw:
    """Return a document with more written into it, sections key by key."""
    both = {**below, **above}
    for key in _SECTIONS & below.keys() & above.keys():
        both[key] = {**below[key], **above[key]}
    return both


def judged(raw: Raw) -> Resolved | Refused:
    defaults = defaults_of(FILE)
    assert isinstance(defaults, Defaults), defaults
    reference = reference_in(raw)
    function = None
    if reference is not None:
        function = Function(settings={"labels": {"from": reference.name}}, content_hash="x")
    return resolve(raw, project=None, defaults=defaults, default_user="ann", function=function)


def effect(found: Resolved) -> tuple[Any, ...]:
    """Return all that comes of a document: its objects, and the limits that a run is held to."""
    objects = render(
        found.document,
        run_id=RUN_ID,
        attempt=1,
        shard="2a",
        namespace=found.namespace,
        platform=found.platform,
    )
    return objects, limits_of(found.document)


def is_refused(kind: str, each: Each) -> bool:
    is_ours = each.path == "queue.name" and not is_kueues(each)
    written = f"{each.path.replace('[]', '')}."
    return not is_ours and any(written.startswith(f"{path}.") for path in REFUSED[kind])


def is_kueues(each: Each) -> bool:
    return bool(each.within.get("queue", {}).get("system") == "kueue")


def stands_at(each: Each, path: str) -> bool:
    """Say whether a finding is about a setting, or about what it stands in or beside."""
    written = "/" + each.path.replace("[]", "").replace(".", "/")
    place = written.replace("/queue/name", "/queue/system")
    return f"{place}/".startswith(f"{path}/") or path.startswith(f"{place}/")


def test_every_setting_of_the_contracts_is_followed() -> None:
    leaves = {
        each.path
        for top in described(RunDocument)
        if top.keys != ("roles",)
        for each in (top, *taken_apart(top))
        if not list(taken_apart(each))
    }
    written = {each.path.removesuffix("[]") for each in OF_A_RUN}
    assert written == {each.removesuffix("[]") for each in leaves} - {"kind"}
    below = {
        each.keys[1].removesuffix("[]") for top in described(Roles) for each in taken_apart(top)
    }
    assert {each.path.partition(".")[0].removesuffix("[]") for each in OF_A_ROLE} == below


@pytest.mark.parametrize(("kind", "each"), CASES)
def test_a_setting_is_refused_where_it_stands_or_it_has_an_effect(kind: str, each: Each) -> None:
    one, other = (judged(merged(a_job(**LEAST[kind]), said)) for said in each.pair)

    if is_refused(kind, each):
        assert isinstance(one, Refused), one.document
        assert any(stands_at(each, found.path) for found in one.violations), one.violations
    else:
        assert isinstance(one, Resolved), one.violations
        assert isinstance(other, Resolved), other.violations
        assert one.document != other.document
        assert (effect(one) != effect(other)) is (each.path not in FOR_OTHERS or is_kueues(each))


@pytest.mark.parametrize("kind", LEAST)
@AT_ANY_SPEED
@given(data=st.data())
def test_a_setting_has_an_effect_whatever_stands_beside_it(kind: str, data: st.DataObject) -> None:
    each = data.draw(st.sampled_from([each for each in EACH[kind] if not is_refused(kind, each)]))
    assume(each.path not in FOR_OTHERS)
    around = data.draw(any_run(LEAST[kind]["kind"]))
    key, *_ = each.path.replace("[]", "").split(".")
    # What a role says itself, and what a variable of the user's says, is what counts.
    for own in around.get("roles", {}).values():
        own.pop(key, None)
    around.pop("env", None)
    one, other = (judged(merged(merged(around, LEAST[kind]), said)) for said in each.pair)

    # Not everything goes together: then all of it is refused, and nothing is dropped.
    assume(isinstance(one, Resolved) and isinstance(other, Resolved))
    assert isinstance(one, Resolved)
    assert isinstance(other, Resolved)
    assert effect(one) != effect(other)
