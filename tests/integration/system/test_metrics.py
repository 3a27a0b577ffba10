"""Every service tells Prometheus what it does, on the port of its health."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

import pytest
from msgspec.structs import replace
from prometheus_client import Metric

from runbus.contracts.transitions import Publisher
from support.observing import Described, alerts, described, total
from support.system import PROJECT, System, scraped

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.system]


async def test_a_run_leaves_its_traces_in_the_metrics_of_all_services(system: System) -> None:
    run_id = await system.submit(
        "counted",
        image="missing:1",
        state_thresholds={
            "image_pull_backoff": "1s",
            "pending_scheduled": "1s",
        },
    )
    await system.over(run_id)

    found = {service: await scraped(system, service) for service in Publisher}

    validator, scheduler = found[Publisher.SPEC_VALIDATOR], found[Publisher.SCHEDULER]
    launcher, watcher = found[Publisher.POD_LAUNCHER], found[Publisher.STATE_WATCHER]
    aborter = found[Publisher.ABORTER]
    assert total(validator["runbus_events_published"], type="accepted", result="stored") >= 1
    assert total(scheduler["runbus_events_published"], type="admitted") >= 1
    assert total(launcher["runbus_kube_requests"], method="POST", code="201") >= 1
    assert total(launcher["runbus_messages"], consumer="pod-launcher", fate="handled") >= 1
    assert total(watcher["runbus_runs_ended"], state="aborted", kind="job") >= 1
    assert total(watcher["runbus_watch_events"], type="ADDED") >= 1
    assert total(aborter["runbus_events_published"], type="aborting") >= 1
    (heard,) = watcher["runbus_watch_heard_timestamp_seconds"].samples
    assert heard.labels == {"namespace": "*"}
    assert 0 <= time.time() - heard.value < 60
    lateness = {each.name: each.value for each in watcher["runbus_abort_lateness_seconds"].samples}
    assert lateness["runbus_abort_lateness_seconds_count"] >= 1


def told_of(families: Iterable[Metric]) -> dict[str, Described]:
    """Return metrics as the page describes them; labels only where there are samples."""
    found: dict[str, Described] = {}
    for family in families:
        if family.name.endswith("_created"):  # when a series began; the client library adds it
            continue
        labels = {label for sample in family.samples for label in sample.labels}
        found[family.name] = Described(
            name=family.name,
            type=family.type,
            labels=tuple(sorted(labels - {"le"})),
            about=family.documentation,
        )
    return found


async def test_the_page_describes_every_metric_and_no_other(system: System) -> None:
    await system.over(await system.submit("described"))

    found: dict[str, Described] = {}
    for service in Publisher:
        for name, each in told_of((await scraped(system, service)).values()).items():
            known = found.get(name)
            labels = {*each.labels, *(known.labels if known is not None else ())}
            found[name] = replace(each, labels=tuple(sorted(labels)))

    page = described()
    assert set(page) == set(found)
    for name, each in found.items():
        told = page[name]
        assert (told.type, told.about) == (each.type, each.about), name
        assert set(each.labels) <= set(told.labels), name


async def test_the_buckets_that_alerts_ask_for_exist(system: System) -> None:
    samples = [
        sample
        for service in Publisher
        for family in (await scraped(system, service)).values()
        for sample in family.samples
    ]
    asked = {
        found
        for rule in alerts()
        for found in re.findall(r'(runbus_\w+_bucket)\{le="([\d.]+)"\}', rule["expr"])
    }

    assert asked
    assert asked <= {(sample.name, sample.labels.get("le", "")) for sample in samples}


async def test_no_label_names_a_run_or_a_project(system: System) -> None:
    run_id = await system.submit("unnamed")
    await system.over(run_id)

    for service in Publisher:
        for family in (await scraped(system, service)).values():
            for sample in family.samples:
                assert run_id not in sample.labels.values()
                assert PROJECT not in sample.labels.values()


async def test_the_active_scheduler_holds_its_lease_and_a_single_watcher_all_shards(
    system: System,
) -> None:
    lease = (await scraped(system, Publisher.SCHEDULER))["runbus_lease_held"]
    watcher = await scraped(system, Publisher.STATE_WATCHER)

    assert [sample.value for sample in lease.samples] == [1.0]
    assert [sample.value for sample in watcher["runbus_shards_owned"].samples] == [64.0]
    assert total(watcher["runbus_shards_gained"], origin="free") == 64
