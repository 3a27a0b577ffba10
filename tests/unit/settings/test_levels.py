"""Four levels and what is shipped: which wins, what gives way, and what the caps make of it."""

from __future__ import annotations

from typing import Any

import pytest

from runbus.contracts.violations import Violation
from runbus.settings.defaults import Defaults, defaults_of
from runbus.settings.model import Function, Level, Refused, Resolved
from runbus.settings.resolve import resolve
from support.documents import a_job


def judged(
    raw: dict[str, Any],
    file: dict[str, Any] | None = None,
    function: dict[str, Any] | None = None,
) -> Resolved | Refused:
    """Judge a document under a defaults file and a function."""
    defaults = defaults_of(file)
    assert isinstance(defaults, Defaults), defaults
    of_function = Function(settings=function, content_hash="abc") if function is not None else None
    return resolve(raw, project=None, defaults=defaults, default_user="ann", function=of_function)


def resolved(*given: Any, **more: Any) -> Resolved:
    found = judged(*given, **more)
    assert isinstance(found, Resolved), found
    return found


def refused(*given: Any, **more: Any) -> list[tuple[str, str]]:
    found = judged(*given, **more)
    assert isinstance(found, Refused), found
    return [(each.path, each.code) for each in found.violations]


def the_violation(*given: Any, **more: Any) -> Violation:
    found = judged(*given, **more)
    assert isinstance(found, Refused), found
    (violation,) = found.violations
    return violation


SELECTORS = {
    "defaults": {"node_selector": {"region": "us-central1", "gpu": "False", "arch": "arm64"}},
    "projects": {
        "nlp": {"defaults": {"node_selector": {"zone": "us-west1", "arch": "amd64"}}},
        "vision": {"defaults": {"node_selector": {"zone": "elsewhere"}}},
    },
}


def test_selectors_of_all_levels_are_merged_by_key() -> None:
    function = {"node_selector": {"zone": "us-east1", "gpu": "true"}}
    found = resolved(a_job(function="hub://x"), SELECTORS, function)

    assert found.document.node_selector == {
        "region": "us-central1",
        "zone": "us-east1",
        "gpu": "true",
        "arch": "amd64",
    }
    levels = {path: found.origins[path].value for path in found.origins if "selector" in path}
    assert levels == {
        "/node_selector/region": "service",
        "/node_selector/gpu": "function",
        "/node_selector/arch": "project",
        "/node_selector/zone": "function",
    }


def test_an_empty_value_takes_a_key_of_lower_levels_away() -> None:
    function = {"node_selector": {"zone": "", "gpu": "true"}}
    found = resolved(a_job(function="hub://x"), SELECTORS, function)

    assert "zone" not in (found.document.node_selector or {})


def test_the_run_wins_over_the_function_and_the_function_over_the_project() -> None:
    file = {
        "projects": {"nlp": {"defaults": {"image": "p:1", "workdir": "/p", "log_level": "warn"}}}
    }
    function = {"image": "f:1", "workdir": "/f"}
    found = resolved(a_job(function="hub://x", image="r:1"), file, function)

    document = found.document
    assert (document.image, document.workdir, str(document.log_level)) == ("r:1", "/f", "warn")
    assert found.function_hash == "abc"
    assert [each.level for each in found.overrode["/image"]] == ["project", "function"]


def test_the_kind_may_come_from_the_function() -> None:
    function = {"kind": "spark", "spark": {"version": "3.5.6"}, "command": "local:///a.py"}
    found = resolved(a_job(function="hub://x", kind=None), None, function)

    assert str(found.document.kind) == "spark"
    assert found.document.replicas == 1


def test_a_function_that_nobody_looked_up_is_told_of() -> None:
    (warning,) = resolved(a_job(function="hub://x")).warnings

    assert (warning.path, warning.code) == ("/function", "not_checked")


def test_what_is_shipped_for_a_kind_is_only_that_kinds() -> None:
    dask = resolved(a_job(kind="dask")).document
    job = resolved(a_job()).document

    assert (dask.min_replicas, dask.max_replicas) == (0, 16)
    assert (job.min_replicas, job.max_replicas, job.replicas) == (None, None, None)


def test_a_number_of_a_later_level_replaces_a_range_and_the_other_way_round() -> None:
    file = {"defaults": {"min_replicas": 2, "max_replicas": 5}}
    fixed = resolved(a_job(kind="dask", replicas=3), file).document
    ranged = resolved(
        a_job(kind="dask", min_replicas=1, max_replicas=2), {"defaults": {"replicas": 9}}
    ).document

    assert (fixed.replicas, fixed.min_replicas, fixed.max_replicas) == (3, None, None)
    assert (ranged.replicas, ranged.min_replicas, ranged.max_replicas) == (None, 1, 2)


def test_a_default_that_cannot_apply_to_a_kind_is_left_out_silently() -> None:
    file = {
        "defaults": {
            "replicas": 4,
            "target_cpu": 50,
            "mpi": {"slots_per_worker": 2},
            "roles": {"driver": {"priority_class": "high"}},
        }
    }
    found = resolved(a_job(), file)

    document = found.document
    assert (document.replicas, document.target_cpu, document.mpi, document.roles) == (None,) * 4
    assert found.warnings == ()


def test_inherited_thresholds_do_not_apply_to_what_stays() -> None:
    file = {"defaults": {"state_thresholds": {"running": "1h"}}}

    assert resolved(a_job(kind="dask"), file).document.state_thresholds is None
    job = resolved(a_job(kind="dask", command="python", dask={"mode": "job"}), file).document
    assert job.state_thresholds is not None
    assert job.state_thresholds.running == "1h"


# --- caps ---------------------------------------------------------------------------------------

CAPS = {
    "caps": {
        "state_thresholds": {"running": "7d", "total": "30d"},
        "replicas": 8,
        "kinds": ["job", "mpijob", "dask", "nuclio"],
        "service_accounts": ["runner"],
        "host_paths": ["/mnt/data"],
        "priority_classes": ["low", "medium"],
    },
    "projects": {
        "nlp": {
            "caps": {
                "state_thresholds": {"running": "12h"},
                "replicas": 4,
                "host_paths": ["/mnt/data/nlp"],
            }
        }
    },
}
A_HOST_PATH = {"name": "h", "host_path": "/mnt/data/nlp/x", "mount": "/h"}
PAST = [
    ({"state_thresholds": {"running": "13h"}}, "/state_thresholds/running", "project nlp", "12h"),
    ({"state_thresholds": {"running": "-1"}}, "/state_thresholds/running", "project nlp", "12h"),
    ({"state_thresholds": {"total": "31d"}}, "/state_thresholds/total", "the service", "30d"),
    ({"kind": "mpijob", "command": "x", "replicas": 5}, "/replicas", "project nlp", "4"),
    ({"state_thresholds": {"executing": "13h"}}, "/state_thresholds/executing", "project", "12h"),
    (
        {
            "kind": "nuclio",
            "nuclio": {
                "handler": "main:handler",
                "runtime": "python:3.11",
                "v3io_stream": {"path": "v3io:///projects/iot/events", "shards": 5},
            },
        },
        "/nuclio/v3io_stream/shards",
        "project nlp",
        "4",
    ),
    ({"kind": "dask", "min_replicas": 0, "max_replicas": 6}, "/max_replicas", "project nlp", "4"),
    ({"service_account": "admin"}, "/service_account", "the service", "only these"),
    ({"priority_class": "high"}, "/priority_class", "the service", "only these"),
    (
        {"volumes": [{**A_HOST_PATH, "host_path": "/mnt/data/other"}]},
        "/volumes/0/host_path",
        "project nlp",
        "host_paths",
    ),
    (
        {"volumes": [{**A_HOST_PATH, "host_path": "/mnt/data/nlp2"}]},
        "/volumes/0/host_path",
        "project nlp",
        "host_paths",
    ),
]


@pytest.mark.parametrize(("settings", "path", "whose", "said"), PAST)
def test_what_is_past_a_cap_is_refused_and_the_cap_is_named(
    settings: dict[str, Any], path: str, whose: str, said: str
) -> None:
    violation = the_violation(a_job(**settings), CAPS)

    assert (violation.path, violation.code) == (path, "cap_exceeded")
    assert whose in (violation.hint or "")
    assert said in (violation.hint or "")


def test_a_kind_that_the_caps_do_not_name_is_refused() -> None:
    raw = a_job(kind="spark", command="local:///x.py", spark={"version": "3.5.6"})

    assert refused(raw, CAPS) == [("/kind", "cap_exceeded")]


def test_what_keeps_to_every_cap_is_right() -> None:
    settings = {"state_thresholds": {"running": "12h"}, "volumes": [A_HOST_PATH]}

    found = resolved(a_job(**settings, service_account="runner", priority_class="low"), CAPS)

    assert found.document.volumes is not None


def test_what_nobody_asked_for_is_brought_down_to_the_cap() -> None:
    found = resolved(a_job(), CAPS)

    limits = found.document.state_thresholds
    assert limits is not None
    assert (limits.running, limits.total) == ("12h", "30d")
    assert found.origins["/state_thresholds/running"] is Level.PROJECT
    assert resolved(a_job(kind="dask"), CAPS).document.max_replicas == 4


def test_a_folder_of_the_node_needs_a_cap_that_allows_it() -> None:
    violation = the_violation(a_job(volumes=[A_HOST_PATH]))

    assert (violation.path, violation.code) == ("/volumes/0/host_path", "cap_exceeded")


# --- volumes that every pod gets ----------------------------------------------------------------

LAKE = {"name": "lake", "pvc": "lake", "mount": "/lake"}
CACHE = {"name": "cache", "empty_dir": {}, "mount": "/cache"}
MOUNTED = {"defaults": {"volumes": [LAKE]}, "projects": {"nlp": {"defaults": {"volumes": [CACHE]}}}}


def mounts(found: Resolved) -> list[tuple[str, str]]:
    return [(each.name, each.mount) for each in found.document.volumes or ()]


def test_volumes_of_service_and_project_are_mounted_everywhere() -> None:
    assert mounts(resolved(a_job(), MOUNTED)) == [("lake", "/lake"), ("cache", "/cache")]


@pytest.mark.parametrize("level", ["run", "function", "project", "service"])
def test_auto_mount_can_be_turned_off_at_every_level(level: str) -> None:
    off = {"auto_mount": False}
    own = {"name": "own", "empty_dir": {}, "mount": "/own"}
    raw = a_job(function="hub://x", volumes=[own], **(off if level == "run" else {}))
    file = {
        "defaults": {"volumes": [LAKE], **(off if level == "service" else {})},
        "projects": {
            "nlp": {"defaults": {"volumes": [CACHE], **(off if level == "project" else {})}}
        },
    }

    found = resolved(raw, file, off if level == "function" else {})

    assert mounts(found) == [("own", "/own")]


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (
            {"name": "mine", "empty_dir": {}, "mount": "/lake/"},
            [("cache", "/cache"), ("mine", "/lake")],
        ),
        ({"name": "lake", "empty_dir": {}, "mount": "/x"}, [("lake", "/x"), ("cache", "/cache")]),
    ],
    ids=["the same place", "the same name"],
)
def test_the_runs_own_volume_wins_and_it_is_said_which_was_left_out(
    own: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    found = resolved(a_job(volumes=[own]), MOUNTED)

    assert mounts(found) == expected
    (warning,) = found.warnings
    assert (warning.path, warning.code, warning.given) == ("/volumes", "left_out", "lake")


def test_a_projects_volume_goes_before_the_services_at_the_same_place() -> None:
    file = {
        "defaults": {"volumes": [LAKE]},
        "projects": {"nlp": {"defaults": {"volumes": [{**CACHE, "mount": "/lake/"}]}}},
    }
    found = resolved(a_job(), file)

    assert mounts(found) == [("cache", "/lake")]
    assert found.warnings == ()


# --- literal credentials ------------------------------------------------------------------------

LITERALS = [
    ("DB_PASSWORD", "x"),
    ("A", "AKIA" + "ABCDEFGHIJKLMNOP"),
    ("A", "ghp_" + "a" * 36),
    ("A", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTYifQ.c2lnbmF0dXJlMTIz"),
    ("A", "-----BEGIN RSA PRIVATE KEY-----\nabc"),
    ("A", "postgres://user:hunter2@db/x"),
]


@pytest.mark.parametrize(("name", "value"), LITERALS)
def test_a_literal_that_looks_like_a_credential_is_warned_of_and_never_shown(
    name: str, value: str
) -> None:
    found = resolved(a_job(env=[{"name": "B", "value": "1"}, {"name": name, "value": value}]))

    (warning,) = found.warnings
    assert (warning.path, warning.code) == ("/env/1/value", "literal_secret")
    assert value not in str(warning) or value == "x"


@pytest.mark.parametrize("value", ["https://host/x", "user@host", "plain", "a:b@c", ""])
def test_what_does_not_look_like_a_credential_is_left_alone(value: str) -> None:
    assert resolved(a_job(env=[{"name": "A", "value": value}])).warnings == ()


A_KEY = "8f9d1c3e-2b4a-4c5d-9e6f-7a8b9c0d1e2f"


def test_an_access_key_in_place_of_a_secrets_name_is_warned_of_and_never_shown() -> None:
    volume = {"name": "v", "mount": "/v", "v3io": {"container": "c", "secret": A_KEY}}
    (warning,) = resolved(a_job(volumes=[volume])).warnings

    assert (warning.path, warning.code) == ("/volumes/0/v3io/secret", "literal_secret")
    assert A_KEY not in str(warning)


CONFS = [
    ("spark.hadoop.fs.s3a.secret.key", "hunter2", True),
    ("spark.hadoop.a", "AKIA" + "ABCDEFGHIJKLMNOP", True),
    ("spark.kubernetes.driver.secretKeyRef.TOKEN", "name:key", False),
    ("spark.authenticate", "true", False),
    ("spark.ssl.keyPasswordFile", "/etc/secrets/x", False),
    ("spark.sql.shuffle.partitions", "64", False),
]


@pytest.mark.parametrize(("key", "value", "is_told"), CONFS)
def test_a_credential_among_sparks_own_settings_is_warned_of(
    key: str, value: str, is_told: bool
) -> None:
    spark = {"version": "3.5.6", "conf": {key: value}}
    warnings = resolved(a_job(kind="spark", command="local:///a.py", spark=spark)).warnings

    expected = [(f"/spark/conf/{key}", "literal_secret")] if is_told else []
    assert [(each.path, each.code) for each in warnings] == expected
    assert value not in str(warnings)
