"""Every rule of a kind that says "refused": its place, its code, and the way out."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from runbus.contracts.violations import Violation
from runbus.settings.defaults import Defaults, defaults_of
from runbus.settings.model import Function, Refused, Resolved
from runbus.settings.resolve import resolve
from support.documents import a_job

SPARK = {"kind": "spark", "command": "local:///a.py", "spark": {"version": "3.5.6"}}
NUCLIO: dict[str, Any] = {
    "kind": "nuclio",
    "nuclio": {"handler": "main:handler", "runtime": "python:3.11"},
}
DASK = {"kind": "dask"}
DASK_JOB = {"kind": "dask", "dask": {"mode": "job"}, "command": "python"}
KUEUE = {"queue": {"system": "kueue", "name": "team"}}
MPI = {"kind": "mpijob", "command": "python"}
STREAM = {"path": "v3io:///projects/iot/events"}
CPU = {"requests": {"cpu": "1"}}
HIGH = {"priority_class": "high"}


def violations(settings: dict[str, Any], file: dict[str, Any] | None = None) -> list[Violation]:
    defaults = defaults_of(file)
    assert isinstance(defaults, Defaults), defaults
    found = resolve(a_job(**settings), project=None, defaults=defaults, default_user="ann")
    return list(found.violations) if isinstance(found, Refused) else []


def nuclio(**more: Any) -> dict[str, Any]:
    return {**NUCLIO, "nuclio": {**NUCLIO["nuclio"], **more}}


REFUSED: list[tuple[dict[str, Any], str, str, str]] = [
    # replicas and scaling
    ({"replicas": 2}, "/replicas", "conflict", "kind job is one pod"),
    ({"min_replicas": 1, "max_replicas": 2}, "/max_replicas", "conflict", "cannot scale"),
    ({**MPI, "max_replicas": 2}, "/max_replicas", "conflict", "give replicas"),
    ({**DASK, "min_replicas": 3, "max_replicas": 2}, "/min_replicas", "conflict", "max_replicas"),
    ({**DASK, "replicas": 3, "max_replicas": 4}, "/replicas", "conflict", "replicas"),
    ({**DASK, "target_cpu": 50}, "/target_cpu", "conflict", "does not scale by CPU"),
    ({**NUCLIO, "target_cpu": 50}, "/target_cpu", "conflict", "resources.requests.cpu"),
    ({**MPI, "replicas": 0}, "/replicas", "conflict", "at least 1"),
    ({**SPARK, "replicas": 0}, "/replicas", "conflict", "at least 1"),
    ({**SPARK, "min_replicas": 2}, "/max_replicas", "required", "a range has an end"),
    ({**DASK, "min_replicas": 20}, "/min_replicas", "conflict", "16, comes from the defaults"),
    # roles and sections of other kinds
    ({"roles": {"driver": HIGH}}, "/roles/driver", "conflict", "it has none"),
    ({**MPI, "roles": {"driver": HIGH}}, "/roles/driver", "conflict", "launcher, worker"),
    ({**DASK, "roles": {"runner": HIGH}}, "/roles/runner", "conflict", "only mode job"),
    ({"spark": {"version": "3"}}, "/spark", "conflict", "not for kind job"),
    ({**SPARK, "mpi": {"slots_per_worker": 1}}, "/mpi", "conflict", "not for kind spark"),
    ({**SPARK, "resources": CPU}, "/resources", "conflict", "roles.driver.resources"),
    ({**NUCLIO, "command": "x"}, "/command", "conflict", "nuclio.handler"),
    # what the objects of a kind have no place for
    ({**NUCLIO, "termination_grace_period": "5s"}, "/termination_grace_period", "conflict", "take"),
    ({**DASK, "command": "python"}, "/command", "conflict", "mode: job"),
    ({**DASK, "args": ["a.py"]}, "/args", "conflict", "mode: job"),
    (
        {**DASK_JOB, "dask": {"mode": "job", "idle_timeout": "5m"}},
        "/dask/idle_timeout",
        "conflict",
        "ends with its program",
    ),
    ({**DASK, **KUEUE}, "/queue/system", "conflict", "Kueue admits no dask"),
    ({**DASK_JOB, **KUEUE}, "/queue/system", "conflict", "Kueue admits no dask"),
    ({**NUCLIO, **KUEUE}, "/queue/system", "conflict", "Kueue admits no nuclio"),
    (
        {**nuclio(), **KUEUE, "kind": "serving"},
        "/queue/system",
        "conflict",
        "Kueue admits no serving",
    ),
    (
        {**NUCLIO, "labels": {"nuclio.io/project-name": "other"}},
        "/labels/nuclio.io~1project-name",
        "conflict",
        "runbus sets it",
    ),
    (
        {**KUEUE, "labels": {"kueue.x-k8s.io/queue-name": "other"}},
        "/labels/kueue.x-k8s.io~1queue-name",
        "conflict",
        "queue.name",
    ),
    (nuclio(http={"paths": ["/v2"]}), "/nuclio/http/paths", "conflict", "host"),
    (
        {**NUCLIO, "resources": CPU, "replicas": 3, "target_cpu": 60},
        "/target_cpu",
        "conflict",
        "a range",
    ),
    (
        {**NUCLIO, "resources": CPU, "min_replicas": 3, "max_replicas": 3, "target_cpu": 60},
        "/target_cpu",
        "conflict",
        "a range",
    ),
    (
        nuclio(v3io_stream={**STREAM, "name": "http"}),
        "/nuclio/v3io_stream/name",
        "conflict",
        "another name",
    ),
    # what stays has no thresholds
    (
        {**DASK, "state_thresholds": {"running": "1h"}},
        "/state_thresholds/running",
        "conflict",
        "a dask cluster stays",
    ),
    (
        {**NUCLIO, "state_thresholds": {"pending_scheduled": "1h"}},
        "/state_thresholds/pending_scheduled",
        "conflict",
        "a nuclio function stays",
    ),
    # what a kind needs
    ({**SPARK, "command": None}, "/command", "required", "local:///"),
    ({"kind": "mpijob"}, "/command", "required", "mpirun"),
    ({**SPARK, "spark": {}}, "/spark/version", "required", "3.5.6"),
    (
        {**SPARK, "spark": {"version": "3.5.6", "type": "Scala"}},
        "/spark/main_class",
        "required",
        "Scala",
    ),
    ({"kind": "serving", "nuclio": {"handler": "a:b"}}, "/nuclio/runtime", "required", "python"),
    ({"kind": "nuclio", "nuclio": {"runtime": "go"}}, "/nuclio/handler", "required", "main"),
    # functions
    (
        nuclio(http={"worker_timeout": "90s", "gateway_timeout": "60s"}),
        "/nuclio/http/gateway_timeout",
        "conflict",
        "worker_timeout",
    ),
    (
        nuclio(http={"gateway_timeout": "10s"}),
        "/nuclio/http/gateway_timeout",
        "conflict",
        "longer than worker_timeout, 10s",
    ),
    (
        nuclio(v3io_stream={**STREAM, "seek_to": "time"}),
        "/nuclio/v3io_stream/seek_to",
        "invalid_value",
        "",
    ),
    (
        {**nuclio(v3io_stream={**STREAM, "shards": 3}), "replicas": 2},
        "/replicas",
        "conflict",
        "shards fixes the replicas",
    ),
    (
        {**nuclio(v3io_stream={**STREAM, "shards": 3}), "min_replicas": 1, "max_replicas": 4},
        "/max_replicas",
        "conflict",
        "cannot scale",
    ),
    (
        nuclio(v3io_stream={"path": "v3io://x"}),
        "/nuclio/v3io_stream/path",
        "invalid_path",
        "v3io:///",
    ),
    # volumes
    (
        {"volumes": [{"name": "a", "mount": "/a", "v3io": {"path": "x", "access_key": "k"}}]},
        "/volumes/0/v3io/access_key",
        "unknown_key",
        "secret",
    ),
    (
        {"volumes": [{"name": "a", "mount": "/a", "v3io": {"container": "c", "path": "x"}}]},
        "/volumes/0/v3io/secret",
        "required",
        "",
    ),
    (
        {"volumes": [{"name": "a", "mount": "/a", "pvc": "x", "host_path": "/x"}]},
        "/volumes/0",
        "several_sources",
        "",
    ),
    (
        {"volumes": [{"name": "a", "mount": "a", "pvc": "x"}]},
        "/volumes/0/mount",
        "invalid_path",
        "",
    ),
    # words
    ({"preemption_mode": "constrian"}, "/preemption_mode", "invalid_value", "constrain"),
    ({"queue": {"system": "slurm"}}, "/queue/system", "invalid_value", ""),
    ({"function": "finetune"}, "/function", "", "hub://"),
]


@pytest.mark.parametrize(("settings", "path", "code", "said"), REFUSED)
def test_what_a_kind_cannot_have_or_needs_is_refused_with_the_way_out(
    settings: dict[str, Any], path: str, code: str, said: str
) -> None:
    found = {each.path: each for each in violations(settings)}

    assert path in found, found
    assert not code or found[path].code == code
    told = f"{found[path].hint} {found[path].allowed}"
    assert said in told


@pytest.mark.parametrize(
    "settings",
    [SPARK, NUCLIO, DASK, MPI, {"kind": "mpijob", "args": ["hostname"]}, DASK_JOB],
)
def test_the_least_of_each_kind_is_right(settings: dict[str, Any]) -> None:
    assert violations(settings) == []


def test_scale_to_zero_is_for_functions() -> None:
    settings = {**NUCLIO, "min_replicas": 0, "max_replicas": 2}

    assert violations(settings) == []


@pytest.mark.parametrize(
    ("settings", "paths"),
    [
        (nuclio(http={"workers": 8}), ["/nuclio/http/workers"]),
        (nuclio(http={"workers": 1}), []),
        (
            nuclio(http={"workers": 1}, v3io_stream={**STREAM, "max_workers": 4}),
            ["/nuclio/v3io_stream/max_workers"],
        ),
    ],
)
@pytest.mark.parametrize(
    "resources", [{"gpus": {"count": 1}}, {"limits": {"nvidia.com/gpu": 1}}], ids=["gpus", "limits"]
)
def test_workers_that_do_not_go_with_the_gpus_are_a_warning(
    settings: dict[str, Any], paths: list[str], resources: dict[str, Any]
) -> None:
    raw = a_job(**settings, resources=resources)
    found = resolve(raw, project=None, defaults=Defaults(), default_user="ann")

    assert isinstance(found, Resolved)
    assert [(each.path, each.code) for each in found.warnings] == [
        (path, "conflict") for path in paths
    ]


def test_a_dask_job_that_names_no_program_is_a_warning() -> None:
    raw = a_job(**{**DASK_JOB, "command": None})
    found = resolve(raw, project=None, defaults=Defaults(), default_user="ann")

    assert isinstance(found, Resolved)
    assert [(each.path, each.code) for each in found.warnings] == [("/command", "not_checked")]


# The operator's defaults, and the kind that none of them can apply to.
OFFERED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"termination_grace_period": "5s"}, NUCLIO, "termination_grace_period"),
    ({"command": "python", "args": ["a.py"]}, DASK, "command"),
    ({"dask": {"idle_timeout": "5m"}}, DASK_JOB, "dask/idle_timeout"),
    (KUEUE, DASK, "queue/system"),
    ({"labels": {"nuclio.io/project-name": "other"}}, NUCLIO, "labels"),
    ({"nuclio": {"http": {"paths": ["/v2"]}}}, NUCLIO, "nuclio/http/paths"),
    ({"max_replicas": 1}, {**NUCLIO, "resources": CPU}, "target_cpu"),
]


@pytest.mark.parametrize(("offered", "settings", "path"), OFFERED)
def test_a_default_that_a_kind_has_no_place_for_is_left_out_without_a_word(
    offered: dict[str, Any], settings: dict[str, Any], path: str
) -> None:
    defaults = defaults_of({"defaults": offered})
    assert isinstance(defaults, Defaults), defaults
    found = resolve(a_job(**settings), project=None, defaults=defaults, default_user="ann")

    assert isinstance(found, Resolved), found
    value: Any = msgspec.to_builtins(found.document)
    for key in path.split("/"):
        value = value.get(key) if value is not None else None
    assert value is None
    assert not any(f"{each}/".startswith(f"/{path}/") for each in found.origins)


def test_a_number_of_a_later_level_takes_the_target_of_the_range_with_it() -> None:
    function = Function(
        settings={"min_replicas": 1, "max_replicas": 5, "target_cpu": 60}, content_hash="x"
    )
    raw = a_job(**NUCLIO, resources=CPU, replicas=2, function="hub://scaled")
    found = resolve(raw, project=None, defaults=Defaults(), default_user="ann", function=function)

    assert isinstance(found, Resolved), found
    assert (found.document.replicas, found.document.target_cpu) == (2, None)


def test_an_end_of_a_range_that_goes_past_an_inherited_one_is_refused_where_it_was_asked_for() -> (
    None
):
    (found,) = violations({**NUCLIO, "max_replicas": 1}, {"defaults": {"min_replicas": 2}})

    assert (found.path, found.code) == ("/max_replicas", "conflict")
    assert "comes from the operator's defaults" in (found.hint or "")


HOME = {"volumes": [{"name": "h", "mount": "/User", "v3io": {"path": "~/a", "secret": "s"}}]}


@pytest.mark.parametrize("user", ["../bob", "a/b", "..", "."])
def test_a_home_of_a_user_whose_name_is_no_folders_is_refused(user: str) -> None:
    (found,) = violations({**HOME, "user": user})

    assert (found.path, found.code) == ("/volumes/0/v3io/path", "invalid_path")


def test_a_home_of_nobody_known_is_a_warning() -> None:
    found = resolve(a_job(**HOME), project=None, defaults=Defaults(), default_user="")

    assert isinstance(found, Resolved)
    assert [(each.path, each.code) for each in found.warnings] == [
        ("/volumes/0/v3io/path", "not_checked")
    ]


def test_shards_fix_the_replicas() -> None:
    settings = nuclio(v3io_stream={**STREAM, "shards": 3})
    found = resolve(a_job(**settings), project=None, defaults=Defaults(), default_user="ann")

    assert isinstance(found, Resolved)
    document = found.document
    assert (document.replicas, document.min_replicas, document.target_cpu) == (3, None, None)
