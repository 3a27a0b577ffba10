"""The bus's identities on a real nats-server: what each may do, and what it is refused."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from nats.aio.msg import Msg

from runbus.contracts import subjects
from runbus.contracts.identities import (
    INIT,
    OPERATOR,
    identities,
    inbox_prefix,
    tenant_identity,
)
from runbus.contracts.states import EventType
from runbus.contracts.streams import (
    COMMANDS,
    CONSUMERS,
    EVENTS,
    LEASES_BUCKET,
    LIVE_BUCKET,
    RUNS_BUCKET,
)
from runbus.contracts.transitions import TRANSITIONS, Publisher
from runbus.sdk.errors import BusError, BusTimeoutError
from runbus.sdk.provision import provision
from runbus_deploy.accounts import ACCOUNT
from support.identities import (
    GuardedNats,
    no_publish,
    no_subscription,
    running_guarded,
    session_of,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALL = [each.name for each in identities()]
SERVICES = [each.value for each in Publisher]
RUN, OTHER = "a" * 12, "b" * 12
PROJECT, OTHERS = "nlp", "cv"
TENANT = tenant_identity(PROJECT)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def nats(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[GuardedNats]:
    folder = tmp_path_factory.mktemp("identities")
    everybody = (*identities(), TENANT, tenant_identity(OTHERS))
    async with running_guarded(folder, everybody) as nats:
        yield nats


async def test_init_may_make_everything_and_finds_it_unchanged(nats: GuardedNats) -> None:
    async with session_of(nats, INIT) as session:
        assert {each.outcome for each in await provision(session.bus)} == {"unchanged"}
        assert session.refused == []


@pytest.mark.parametrize("name", [*ALL, TENANT.name])
async def test_each_identity_reaches_its_own_replies(nats: GuardedNats, name: str) -> None:
    async with session_of(nats, name) as session:
        await session.bus.ping()
        assert session.refused == []


@pytest.mark.parametrize("name", [*ALL, TENANT.name])
async def test_nobody_listens_to_the_replies_of_others(nats: GuardedNats, name: str) -> None:
    async with session_of(nats, name) as session:
        for other in {*ALL, TENANT.name} - {name}:
            subject = f"{inbox_prefix(other)}.>"
            assert await session.subscribe(subject) == [no_subscription(subject)]
            session.refused.clear()
        assert await session.subscribe(">") == [no_subscription(">")]


@pytest.mark.parametrize("name", [*ALL, TENANT.name])
async def test_each_event_type_is_published_by_those_of_the_transition_table(
    nats: GuardedNats, name: str
) -> None:
    async with session_of(nats, name) as session:
        for event_type in EventType:
            rows = [row for row in TRANSITIONS if row.event is event_type]
            if not rows or any(name in {each.value for each in row.publishers} for row in rows):
                continue
            subject = subjects.event(PROJECT, RUN, "00", event_type)
            assert await session.publish(subject) == [no_publish(subject)]
            session.refused.clear()


FORBIDDEN_TO_SERVICES = (
    f"$JS.API.STREAM.DELETE.{EVENTS}",
    f"$JS.API.STREAM.CREATE.{EVENTS}",
    f"$JS.API.STREAM.UPDATE.{EVENTS}",
    f"$JS.API.STREAM.PURGE.{COMMANDS}",
    f"$JS.API.STREAM.PURGE.KV_{LEASES_BUCKET}",
    f"$JS.API.STREAM.MSG.DELETE.{EVENTS}",
    f"$JS.API.STREAM.MSG.GET.{COMMANDS}",
    f"$KV.{RUNS_BUCKET}.{PROJECT}.{RUN}",
    f"$KV.{LIVE_BUCKET}.00.{PROJECT}.{RUN}",
    "$KV.defaults.service",
    "$KV.functions.a.latest",
    subjects.submit(PROJECT),
    subjects.api(subjects.API_SUBMIT, PROJECT),
    subjects.command(subjects.DEADLINE, PROJECT, RUN),
    "anything.else",
    *(f"$JS.API.CONSUMER.DELETE.{spec.stream}.{spec.name}" for spec in CONSUMERS),
    *(f"$JS.API.CONSUMER.DURABLE.CREATE.{spec.stream}.{spec.name}" for spec in CONSUMERS),
)


@pytest.mark.parametrize("name", SERVICES)
async def test_a_service_is_refused_what_it_must_not_do(nats: GuardedNats, name: str) -> None:
    async with session_of(nats, name) as session:
        for subject in FORBIDDEN_TO_SERVICES:
            assert await session.publish(subject) == [no_publish(subject)]
            session.refused.clear()
        for subject in (subjects.events_of_project(), subjects.submit(), subjects.evidence()):
            assert await session.subscribe(subject) == [no_subscription(subject)]
            session.refused.clear()


@pytest.mark.parametrize("publisher", list(Publisher))
async def test_a_service_pulls_and_acknowledges_its_own_consumers_only(
    nats: GuardedNats, publisher: Publisher
) -> None:
    async with session_of(nats, publisher.value) as session:
        for spec in CONSUMERS:
            for subject in (
                f"$JS.API.CONSUMER.MSG.NEXT.{spec.stream}.{spec.name}",
                f"$JS.ACK.{spec.stream}.{spec.name}.1.1.1.1.1",
            ):
                refused = [] if spec.service is publisher else [no_publish(subject)]
                assert await session.publish(subject) == refused
                session.refused.clear()


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("scheduler", "$KV.leases.state-watcher"),
        ("state-watcher", "$KV.leases.scheduler"),
        ("aborter", "$KV.leases.scheduler"),
        ("aborter", subjects.command(subjects.ABORT, PROJECT, RUN)),
        ("pod-launcher", subjects.evidence(PROJECT, RUN)),
        ("state-watcher", f"$JS.API.STREAM.PURGE.{EVENTS}"),
        ("spec-validator", f"$JS.API.CONSUMER.CREATE.{EVENTS}.x"),
        ("aborter", subjects.dead_letter("scheduler")),
        (INIT, f"$JS.API.STREAM.DELETE.{EVENTS}"),
        (INIT, f"$JS.API.STREAM.PURGE.{EVENTS}"),
        (INIT, "$JS.API.STREAM.CREATE.OTHER"),
        (INIT, subjects.submit(PROJECT)),
        (OPERATOR, f"$JS.API.STREAM.DELETE.{EVENTS}"),
        (OPERATOR, f"$JS.API.STREAM.PURGE.{EVENTS}"),
        (OPERATOR, "$KV.leases.scheduler"),
    ],
)
async def test_what_one_identity_may_another_is_refused(
    nats: GuardedNats, name: str, subject: str
) -> None:
    async with session_of(nats, name) as session:
        assert await session.publish(subject) == [no_publish(subject)]


@pytest.mark.parametrize("extra", [{"durable_name": "pod-launcher"}, {"name": "pod-launcher"}])
async def test_a_follower_cannot_change_a_consumer_that_stays(
    nats: GuardedNats, extra: dict[str, str]
) -> None:
    where = f"{EVENTS}.pod-launcher"
    async with session_of(nats, INIT) as session:
        before = (await session.bus.api(f"CONSUMER.INFO.{where}"))["config"]
    config = {**extra, "ack_policy": "none", "filter_subject": subjects.events_of_project()}
    request = json.dumps({"stream_name": EVENTS, "config": config}).encode()
    async with session_of(nats, "scheduler") as session:
        for verb in ("", ".pod-launcher", ".pod-launcher.>"):
            subject = f"$JS.API.CONSUMER.CREATE.{EVENTS}{verb}"
            assert await session.publish(subject, request) == [no_publish(subject)]
            session.refused.clear()
        with contextlib.suppress(BusError):  # the name in the subject is the one that counts
            await session.bus.api(f"CONSUMER.CREATE.{EVENTS}.other", json.loads(request))
        assert session.refused == []
    async with session_of(nats, INIT) as session:
        assert (await session.bus.api(f"CONSUMER.INFO.{where}"))["config"] == before


async def test_a_refused_request_gets_no_answer(nats: GuardedNats) -> None:
    async with session_of(nats, "aborter") as session:
        with pytest.raises(BusTimeoutError):
            await session.bus.request(f"$JS.API.STREAM.INFO.{EVENTS}", timeout_s=0.2)


async def test_a_tenant_hears_and_reads_its_own_runs_only(nats: GuardedNats) -> None:
    heard: list[str] = []

    async def hear(msg: Msg) -> None:
        heard.append(msg.subject)

    mine = subjects.event(PROJECT, RUN, "00", EventType.ACCEPTED)
    theirs = subjects.event(OTHERS, OTHER, "00", EventType.ACCEPTED)
    direct = f"$JS.API.DIRECT.GET.{EVENTS}"
    async with session_of(nats, TENANT.name) as tenant:
        await tenant.bus.subscribe(subjects.events_of_project(PROJECT), hear)
        await tenant.bus.ping()
        async with session_of(nats, "spec-validator") as validator:
            await validator.bus.publish(mine, b"mine")
            await validator.bus.publish(theirs, b"theirs")
        assert (await tenant.bus.request(f"{direct}.{mine}")).data == b"mine"
        assert tenant.refused == []
        assert await tenant.publish(f"{direct}.{theirs}") == [no_publish(f"{direct}.{theirs}")]
        assert heard == [mine]


TENANT_REFUSED = (
    subjects.submit(OTHERS),
    subjects.api(subjects.API_SUBMIT, OTHERS),
    subjects.command(subjects.ABORT, OTHERS, OTHER),
    subjects.command(subjects.CLEANUP, PROJECT, RUN),
    subjects.event(PROJECT, RUN, "00", EventType.COMPLETED),
    subjects.evidence(PROJECT, RUN),
    f"$JS.API.STREAM.MSG.GET.{EVENTS}",
    f"$JS.API.STREAM.MSG.GET.KV_{RUNS_BUCKET}",
    f"$JS.API.DIRECT.GET.{EVENTS}",
    f"$JS.API.CONSUMER.CREATE.{EVENTS}",
    f"$JS.API.CONSUMER.CREATE.{EVENTS}.mine.{subjects.events_of_project(PROJECT)}",
    f"$JS.API.STREAM.INFO.{EVENTS}",
    "$KV.defaults.service",
    "$SRV.PING",
)


async def test_a_tenant_is_refused_everything_else(nats: GuardedNats) -> None:
    async with session_of(nats, TENANT.name) as session:
        for subject in TENANT_REFUSED:
            assert await session.publish(subject) == [no_publish(subject)]
            session.refused.clear()
        for subject in (
            subjects.events_of_project(),
            subjects.events_of_project(OTHERS),
            subjects.evidence(OTHERS),
            subjects.submit(PROJECT),
        ):
            assert await session.subscribe(subject) == [no_subscription(subject)]
            session.refused.clear()


async def test_a_tenant_submits_and_aborts_its_own_runs(nats: GuardedNats) -> None:
    async with session_of(nats, TENANT.name) as session:
        assert await session.bus.publish(subjects.submit(PROJECT), b"{}") > 0
        abort = subjects.command(subjects.ABORT, PROJECT, RUN)
        assert await session.bus.publish(abort, json.dumps({"reason": "x"}).encode()) > 0
        assert session.refused == []


async def test_what_scales_by_lag_finds_each_consumer_and_its_lag(nats: GuardedNats) -> None:
    address = f"{nats.monitoring}/jsz?acc={ACCOUNT}&consumers=true&config=true"
    async with aiohttp.ClientSession() as http, http.get(address) as answer:
        (account,) = (await answer.json())["account_details"]
    found = {
        (stream["name"], consumer["name"]): consumer["num_pending"]
        for stream in account["stream_detail"]
        for consumer in stream.get("consumer_detail", ())
    }
    assert {(spec.stream, spec.name) for spec in CONSUMERS} <= set(found)
    assert found[(COMMANDS, "spec-validator")] >= 1  # what the tenant has submitted
