"""Each setting in force with its level, what it overrode, and what the run's own level had said."""

from __future__ import annotations

from typing import Any

import pytest

from runbus.contracts.asked import asked_for
from runbus.contracts.events import Overridden
from runbus.contracts.replies import Explained
from runbus.settings.defaults import Defaults, defaults_of
from runbus.settings.model import Function, Resolved
from runbus.settings.origins import (
    explain,
    stored_origins,
    stored_overrode,
)
from runbus.settings.resolve import resolve
from support.documents import a_job


def resolved(service: dict[str, Any] | None = None, **settings: Any) -> Resolved:
    """Return a job with settings, under the operator's defaults."""
    defaults = defaults_of({"defaults": service or {}})
    assert isinstance(defaults, Defaults), defaults
    found = resolve(a_job(**settings), project=None, defaults=defaults, default_user="ann")
    assert isinstance(found, Resolved), found
    return found


def explained(found: Resolved) -> dict[str, Explained]:
    """Return the settings as they are explained out of what is stored of them."""
    origins, overrode = stored_origins(found), stored_overrode(found)
    return {each.path: each for each in explain(found.document, origins, overrode)}


def over(level: str, value: Any) -> Overridden:
    return Overridden(level=level, value=value)


def test_a_value_of_the_run_names_what_every_lower_level_had_said() -> None:
    found = explained(
        resolved({"state_thresholds": {"running": "6h"}}, state_thresholds={"running": "2h"})
    )
    assert found["/state_thresholds/running"] == Explained(
        path="/state_thresholds/running",
        value="2h",
        level="run",
        overrode=(over("shipped", "24h"), over("service", "6h")),
    )


@pytest.mark.parametrize(
    ("service", "settings", "path", "level", "overrode"),
    [
        ({}, {}, "/image", "run", ()),
        ({}, {}, "/user", "request", ()),
        ({}, {}, "/log_level", "shipped", ()),
        ({"log_level": "warn"}, {}, "/log_level", "service", (over("shipped", "info"),)),
        ({"labels": {"a.b/c": "1"}}, {}, "/labels/a.b~1c", "service", ()),
        (
            {"env": [{"name": "A", "value": "1"}]},
            {"env": [{"name": "A", "value": "2"}]},
            "/env/A",
            "run",
            (over("service", {"name": "A", "value": "1"}),),
        ),
        ({}, {"resources": {"gpus": {"count": 1}}}, "/resources/gpus/type", "implied", ()),
        (
            {"resources": {"requests": {"cpu": "1"}}},
            {"resources": {"requests": {"memory": "1Gi"}}},
            "/resources/requests/cpu",
            "service",
            (),
        ),
    ],
)
def test_each_setting_has_its_level(
    service: dict[str, Any],
    settings: dict[str, Any],
    path: str,
    level: str,
    overrode: tuple[Overridden, ...],
) -> None:
    found = explained(resolved(service, **settings))[path]
    assert (found.level, found.overrode) == (level, overrode)


@pytest.mark.parametrize(
    ("service", "settings", "path", "overrode"),
    [
        (
            {"node_selector": {"zone": "a"}},
            {"node_selector": {"zone": ""}},
            "/node_selector/zone",
            over("service", "a"),
        ),
        (
            {"resources": {"requests": {"cpu": "1"}}},
            {"resources": {}},
            "/resources",
            over("service", {"requests/cpu": "1"}),
        ),
    ],
)
def test_what_the_run_cancels_is_explained_as_well(
    service: dict[str, Any], settings: dict[str, Any], path: str, overrode: Overridden
) -> None:
    assert explained(resolved(service, **settings))[path] == Explained(
        path=path, value=None, level="run", overrode=(overrode,)
    )


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"state_thresholds": {"running": "2h"}},
        {"env": [{"name": "A", "value": "2"}, {"name": "C", "value": "3"}]},
        {"labels": {"x": "1"}, "args": ["a", "b"]},
        {"node_selector": {"zone": "", "pool": "x"}},
        {"resources": {}},
        {"resources": {"gpus": {"count": 0}}},
        {"resources": {"requests": {"memory": "1Gi"}}, "tolerations": [{"operator": "Exists"}]},
        {"user": "bob", "log_level": "debug", "retry": {"limit": 2}},
    ],
)
def test_what_the_run_asked_for_can_be_told_from_what_is_stored(settings: dict[str, Any]) -> None:
    service = {
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}],
        "labels": {"team": "a"},
        "node_selector": {"zone": "a"},
        "resources": {"requests": {"cpu": "1"}, "gpus": {"count": 1}},
        "state_thresholds": {"running": "6h"},
        "retry": {"backoff": "5s"},
    }
    found = resolved(service, **settings)
    asked = asked_for(found.document, stored_origins(found), stored_overrode(found))
    assert {key: _plain(value) for key, value in asked.items()} == a_job(**settings)


def test_where_no_level_is_known_the_whole_document_counts_as_asked_for() -> None:
    found = resolved()
    assert asked_for(found.document, None, {})["log_level"] == "info"
    assert {each.level for each in explain(found.document, None, {})} == {""}


def test_settings_of_roles_and_sections_are_explained_over_all_levels() -> None:
    levels = [{"nthreads": each} for each in (1, 2, 3, 4)]
    selectors = [{"worker": {"node_selector": {"zone": each}}} for each in ("a", "b", "c", "d")]
    (service, project, function, run) = (
        {"dask": dask, "roles": roles} for dask, roles in zip(levels, selectors, strict=True)
    )
    defaults = defaults_of(
        {"defaults": service, "projects": {"nlp": {"defaults": project}}},
    )
    assert isinstance(defaults, Defaults), defaults
    found = resolve(
        a_job(kind="dask", function="hub://x", **run),
        project=None,
        defaults=defaults,
        default_user="ann",
        function=Function(settings=function, content_hash="abc"),
    )
    assert isinstance(found, Resolved), found

    by_path = explained(found)
    assert by_path["/dask/nthreads"].overrode == (
        over("service", 1),
        over("project", 2),
        over("function", 3),
    )
    zone = by_path["/roles/worker/node_selector/zone"]
    assert (zone.value, zone.level) == ("d", "run")
    assert [each.value for each in zone.overrode] == ["a", "b", "c"]
    assert by_path["/dask/mode"].level == "shipped"


def test_too_much_of_what_was_overridden_is_not_kept() -> None:
    found = resolved({"annotations": {"a": "x" * 70_000}}, annotations={"a": "y"})
    assert found.overrode["/annotations/a"]
    assert stored_overrode(found) == {}


def _plain(value: Any) -> Any:
    return [_plain(each) for each in value] if isinstance(value, tuple) else value
