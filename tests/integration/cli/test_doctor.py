"""The doctor: on a whole runbus, and on a bus, cluster and runs with something wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from runbus.contracts.streams import COMMANDS, EVENTS
from support.buses import TestBus
from support.commands import Command, Done
from support.runs import a_status, limits
from support.stack import running_nats
from support.ups import Up, a_document

pytestmark = pytest.mark.timeout(180)


def found(done: Done, grade: str) -> list[tuple[str, str]]:
    """Return section and text of the findings of a grade."""
    return [(each["section"], each["what"]) for each in done.json if each["grade"] == grade]


@pytest.mark.system
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes in /proc")
async def test_a_whole_runbus_is_fine_in_every_section(up: Up) -> None:
    await up.command("submit", "-f", "-", "--wait", stdin=a_document("healthy"))
    done = await up.command("doctor", "-o", "json")
    assert (done.code, found(done, "problem"), found(done, "warning")) == (0, [], []), done.out
    assert {each["section"] for each in done.json} == {
        "bus", "streams", "services", "defaults", "cluster", "rights", "runs",
    }  # fmt: skip
    services = " ".join(what for section, what in found(done, "ok") if section == "services")
    for name in ("spec-validator", "scheduler", "pod-launcher", "state-watcher", "aborter"):
        assert name in services
    assert "lease held by" in services
    assert "owns 64 shards" in services
    page = await up.command("doctor")
    assert page.out.startswith("ok       bus       nats-server 2.")
    assert page.err == "everything is fine\n"


async def test_a_bus_that_nobody_serves_names_each_service_and_the_way_out(
    bus: TestBus, command: Command
) -> None:
    done = await command("doctor", "--no-cluster", "-o", "json")
    assert done.code == 1
    told = " ".join(what for section, what in found(done, "problem") if section == "services")
    for what in (
        "spec-validator: nobody answers requests",
        "scheduler: nobody holds its lease",
        "nobody takes messages from consumer pod-launcher",
        "state-watcher: nobody holds a lease on any shard",
        "nobody takes messages from consumer aborter-abort",
    ):
        assert what in told
    assert {each["way_out"] for each in done.json if each["section"] == "services"} == {
        f"start one: `runbus services run {name}`"
        for name in ("spec-validator", "scheduler", "pod-launcher", "state-watcher", "aborter")
    }


async def test_what_is_missing_or_differs_on_the_bus_is_named_with_the_way_out(
    bus: TestBus, command: Command
) -> None:
    await bus.bus.api(f"CONSUMER.DELETE.{EVENTS}.pod-launcher")
    await bus.bus.api("STREAM.DELETE.KV_functions")
    config = (await bus.bus.api(f"STREAM.INFO.{COMMANDS}"))["config"]
    await bus.bus.api(f"STREAM.UPDATE.{COMMANDS}", {**config, "max_age": 3600_000_000_000})
    done = await command("doctor", "--no-cluster", "-o", "json")
    streams = [each for each in done.json if each["section"] == "streams"]
    assert [each["what"] for each in streams] == [
        "stream RUNBUS_COMMANDS differs: max_age is 3600s, not 0",
        "bucket functions is missing",
        "consumer pod-launcher is missing",
    ]
    assert {each["way_out"] for each in streams} == {"run `runbus init`"}
    assert (await command("init")).code == 0
    again = await command("doctor", "--no-cluster", "-o", "json")
    assert "streams" not in {section for section, _ in found(again, "problem")}


async def test_runs_that_overstay_and_dead_letters_are_told(bus: TestBus, command: Command) -> None:
    since = datetime.now(UTC) - timedelta(hours=1)
    accepted = await bus.accept(
        a_status(since=since, accepted_at=since, thresholds=limits(total=60.0))
    )
    await bus.bus.publish("runbus.v1.deadletter.aborter", b"{}")
    done = await command("doctor", "--no-cluster", "-o", "json")
    ref = f"nlp/{accepted.status.run_id}"
    assert ("runs", f"the deadline passed, and nothing happened: {ref}") in found(done, "problem")
    assert ("runs", "1 message could not be handled: aborter 1") in found(done, "warning")


async def test_runs_of_which_nothing_is_created_are_told_once(
    bus: TestBus, command: Command
) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    accepted = await bus.accept(a_status(since=long_ago, accepted_at=long_ago))
    await bus.admit(accepted)
    done = await command("doctor", "--no-cluster", "-o", "json")
    told = [what for section, what in found(done, "problem") if section == "runs"]
    assert told == [f"admitted, and nothing is created: nlp/{accepted.status.run_id}"]


async def test_a_run_that_broke_the_rules_is_told(bus: TestBus, command: Command) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    await bus.accept(a_status(since=long_ago, accepted_at=long_ago))
    done = await command("doctor", "--no-cluster", "-o", "json")
    told = [what for section, what in found(done, "problem") if section == "runs"]
    assert len(told) == 1
    assert told[0].startswith("runs end does not hold: nlp/abcdefghij23 is stuck in accepted")


async def test_a_bus_without_its_streams_is_told_to_be_set_up(tmp_path: Path) -> None:
    async with running_nats(tmp_path) as nats:
        command = Command({"RUNBUS_STATE_DIR": str(tmp_path), "RUNBUS_NATS_URL": nats.url})
        done = await command("doctor", "--no-cluster")
    assert done.code == 1
    assert "stream RUNBUS_EVENTS is missing\n" in done.out
    assert "-> run `runbus init`" in done.out


async def test_a_bus_that_is_not_there_or_says_nothing_is_exit_6_and_never_hangs(
    tmp_path: Path,
) -> None:
    async with silent_server() as port:
        for address in ("127.0.0.1:1", f"127.0.0.1:{port}"):
            command = Command(
                {
                    "RUNBUS_STATE_DIR": str(tmp_path),
                    "RUNBUS_NATS_URL": f"nats://secret@{address}",
                    "RUNBUS_KUBECONFIG": kubeconfig(tmp_path, f"http://127.0.0.1:{port}"),
                }
            )
            done = await command("doctor", "-o", "json")
            assert done.code == 6
            told = dict(found(done, "problem"))
            assert set(told) == {"bus", "cluster"}
            assert "does not answer within" in told["cluster"]
            assert "secret" not in done.out


@asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """Listen, accept connections, and never say a word."""

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(wait, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def kubeconfig(folder: Path, server: str) -> str:
    """Write a kubeconfig for an API server; returns its path."""
    path = folder / "kubeconfig"
    content = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "abc"}}],
    }
    path.write_text(json.dumps(content))
    return str(path)


class Api:
    """An API server with two nodes, that allows some verbs on pods, or knows no reviews."""

    def __init__(self, *allowed: str, has_reviews: bool = True, reads_nodes: bool = True) -> None:
        self._allowed = allowed
        self._reads_nodes = reads_nodes
        self._has_reviews = has_reviews
        self.namespaces: set[str] = set()

    async def version(self, _request: web.Request) -> web.Response:
        return web.json_response({"gitVersion": "v1.30.1"})

    async def nodes(self, _request: web.Request) -> web.Response:
        ready = [{"type": "Ready", "status": "True"}]
        return web.json_response(
            {
                "items": [
                    {"metadata": {"name": "a"}, "status": {"conditions": ready}},
                    {"metadata": {"name": "b"}, "status": {"conditions": []}},
                ]
            }
        )

    async def review(self, request: web.Request) -> web.Response:
        if not self._has_reviews:
            return web.json_response({"message": "no such path"}, status=404)
        wanted: dict[str, Any] = (await request.json())["spec"]["resourceAttributes"]
        self.namespaces.add(wanted["namespace"])
        allowed = wanted["verb"] in self._allowed or wanted["resource"] != "pods"
        if wanted["resource"] == "nodes":
            allowed = self._reads_nodes
        return web.json_response({"status": {"allowed": allowed}})


@asynccontextmanager
async def served(api: Api) -> AsyncIterator[str]:
    """Serve an API for the length of a block; gives its address."""
    app = web.Application()
    app.router.add_get("/version", api.version)
    app.router.add_get("/api/v1/nodes", api.nodes)
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    app.router.add_post(path, api.review)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_node_that_is_not_ready_and_rights_that_are_missing_are_named(
    bus: TestBus, command: Command, tmp_path: Path
) -> None:
    api = Api("get", "list", "watch", "create")
    async with served(api) as server:
        config = kubeconfig(tmp_path, server)
        done = await command("doctor", "--kubeconfig", config, "--namespace", "nlp", "-o", "json")
    assert ("cluster", "1 of 2 nodes are ready; not ready: b") in found(done, "warning")
    rights = [what for section, what in found(done, "problem") if section == "rights"]
    assert rights == [
        "aborter needs, and this kubeconfig's user may not in nlp: delete pods",
    ]
    assert api.namespaces == {"nlp", ""}  # nodes and priority classes have none


async def test_who_would_know_more_with_nodes_is_named_where_they_may_not_be_read(
    bus: TestBus, command: Command, tmp_path: Path
) -> None:
    async with served(Api("get", "list", "watch", "create", "delete", reads_nodes=False)) as server:
        done = await command("doctor", "--kubeconfig", kubeconfig(tmp_path, server), "-o", "json")
    rights = [what for section, what in found(done, "warning") if section == "rights"]
    assert [what.split()[0] for what in rights] == ["state-watcher", "aborter"]
    assert all("get nodes" in what for what in rights)


async def test_an_api_that_knows_no_reviews_is_told_so(
    bus: TestBus, command: Command, tmp_path: Path
) -> None:
    async with served(Api(has_reviews=False)) as server:
        done = await command("doctor", "--kubeconfig", kubeconfig(tmp_path, server), "-o", "json")
    text = "rights cannot be asked for: the API has no SelfSubjectAccessReview"
    assert ("rights", text) in found(done, "warning")
