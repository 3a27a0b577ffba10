"""A canary in a Secret is found nowhere but in the Secret: not on the bus, in logs, or in answers.

A job gets it by variable, by all variables and by volume, whatever becomes of the run. Literals
that look like credentials, and were refused, are not repeated either.
"""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from runbus.contracts.states import RunState
from runbus.sdk.bus import Bus
from support.commands import Command
from support.system import PROJECT, System, a_job

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.system]

CANARY = "c4n4ry-b7f3e1d05a92"
LITERAL = "l1t3r4l-9d2c64e8b071"
ENCODED = base64.b64encode(CANARY.encode()).decode()
HIDDEN = (CANARY, ENCODED, LITERAL)
USES: dict[str, Any] = {
    "env": [{"name": "CANARY", "secret": {"name": "canary", "key": "song"}}],
    "env_from": [{"secret": "canary"}],
    "volumes": [{"name": "cage", "secret": "canary", "mount": "/cage"}],
}


def shown(text: str) -> list[str]:
    return [each for each in HIDDEN if each in text]


async def everything_on(bus: Bus) -> dict[str, str]:
    """Return every stream's and bucket's messages as text, by stream."""
    found: dict[str, str] = {}
    names = (await bus.api("STREAM.NAMES"))["streams"]
    for name in names:
        parts: list[str] = []
        sequence = 1  # read one by one: a work queue takes no second consumer
        while (each := await bus.next_message(name, ">", sequence)) is not None:
            text = each.data.decode("utf-8", "replace")
            parts.append(f"{each.subject} {dict(each.headers)} {text}")
            sequence = each.sequence + 1
        found[name] = "\n".join(parts)
    return found


def logs_below(folder: Path) -> dict[str, str]:
    return {
        path.name: path.read_text(errors="replace")
        for path in folder.rglob("*.log")
        if path.is_file()
    }


async def make_secret(system: System) -> None:
    await system.kube(
        "POST", "/api/v1/namespaces", {"metadata": {"name": PROJECT}, "kind": "Namespace"}
    )
    status, answer = await system.kube(
        "POST",
        f"/api/v1/namespaces/{PROJECT}/secrets",
        {"metadata": {"name": "canary"}, "stringData": {"song": CANARY, "SONG": CANARY}},
    )
    assert status == 201, answer


async def pod_texts(system: System) -> str:
    _, pods = await system.kube("GET", "/api/v1/pods")
    _, events = await system.kube("GET", "/api/v1/events")
    return json.dumps([pods, events])


async def test_a_secret_is_found_nowhere_but_in_its_secret(system: System, tmp_path: Path) -> None:
    await make_secret(system)
    used = 'test "$CANARY" = "$SONG" && test -n "$SONG"'
    fine = await system.submit("sings", command=["sh", "-c", used], **USES)
    assert (await system.over(fine)).state is RunState.COMPLETED
    fails = await system.submit("fails-singing", command=["sh", "-c", "exit 3"], **USES)
    assert (await system.over(fails)).state is RunState.ERROR
    long = await system.submit("sings-long", command=["sleep", "60"], **USES)
    await system.until(long, RunState.RUNNING)
    pods = await pod_texts(system)
    await system.client.abort(PROJECT, long, message="enough")
    assert (await system.over(long)).state is RunState.ABORTED

    texts = {"pods": pods, "pods at the end": await pod_texts(system)}
    texts |= await refusals(system)
    command = Command({"RUNBUS_NATS_URL": system.stack.nats_url, "HOME": str(tmp_path)})
    for run_id in (fine, fails, long):
        for verb in ("get", "explain", "logs"):
            # The log of a run may still be on its way: what is printed counts, not the code.
            extra = ["-o", "json"] if verb != "logs" else []
            done = await command(verb, run_id, *extra)
            texts[f"{verb} {run_id}"] = done.out + done.err
    listed = await command("list", "-o", "json")
    assert fine in listed.out
    texts["list"] = listed.out + listed.err
    texts |= await everything_on(system.client.bus)
    texts |= await asyncio.to_thread(logs_below, system.stack.folder)
    assert "spec-validator.log" in texts
    assert "RUNBUS_EVENTS" in texts

    assert {place: found for place, text in texts.items() if (found := shown(text))} == {}


async def refusals(system: System) -> dict[str, str]:
    """Submit documents with literal credentials that are refused; return what is answered."""
    bad: dict[str, dict[str, Any]] = {
        "v3io": {
            "volumes": [{"name": "l", "mount": "/l", "v3io": {"path": "p", "access_key": LITERAL}}]
        },
        "env": {"env": [{"name": "API_TOKEN", "value": [LITERAL]}]},
        "number": {"env": [{"name": "DB_PASSWORD", "value": LITERAL, "secret": {"name": LITERAL}}]},
        "canary": {**USES, "replicas": "many"},
    }
    answers: dict[str, str] = {}
    for name, settings in bad.items():
        reply = await system.reply(f"refused-{name}", **settings)
        assert not reply.accepted, name
        explained = await system.client.explain(a_job(f"refused-{name}", **settings))
        assert explained.violations == reply.violations
        sent = await system.client.send(a_job(f"refused-{name}", **settings))
        event = await system.client.verdict(sent, timeout_s=20)
        assert event.status.state is RunState.REJECTED
        answers[f"refused {name}"] = f"{reply} {explained} {event}"
    return answers
