"""Changing deadlines, and what is among the dead letters, on a whole runbus."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbus.contracts import codec, subjects
from runbus.contracts.replies import DeadLetter
from runbus.contracts.streams import DEADLETTERS
from runbus.sdk.client import Client, connect
from runbus.sdk.deliveries import until_caught_up
from runbus.sdk.follow import follow
from support.runs import T0
from support.ups import Up, a_document

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes in /proc"),
]

UNKNOWN_RUN = "zzzzzzzzzz99"


async def running(up: Up, name: str) -> str:
    """Start a run that goes on for long; returns its `<project>/<run id>`."""
    submitted = await up.command(
        "submit", "-f", "-", "-o", "name", stdin=a_document(name, seconds=1000)
    )
    ref = submitted.out.strip()
    async with up.command.started("watch", ref, "-o", "name") as watching:
        assert watching.stdout is not None
        async for line in watching.stdout:
            if line.endswith(b" running\n"):
                break
    return ref


async def test_the_deadline_of_a_live_run_is_extended_moved_paused_and_resumed(up: Up) -> None:
    ref = await running(up, "long")
    done = await up.command("deadline", ref, "--extend", "2h", "-m", "more data")
    assert done.code == 0, done.err
    assert f"{ref} long running: 2h1m, until " in done.out
    explained = await up.command("explain", ref, "state_thresholds.running")
    assert "note: running was extended by 2h since" in explained.err

    moved = await up.command("deadline", "long", "-s", "running", "--at", "+3h", "-o", "json")
    assert moved.code == 0, moved.err
    assert 10_600 < moved.json[0]["thresholds"]["running"]["extended_s"] < 10_800

    assert "its clock stands" in (await up.command("deadline", ref, "--pause")).out
    again = await up.command("deadline", ref, "-s", "running", "--pause")
    assert (again.code, "stands already" in again.err) == (3, True)
    assert ", until " in (await up.command("deadline", ref, "--resume")).out

    asked = await up.command("deadline", ref, "--extend", "1h", "--no-wait")
    assert (asked.code, asked.out) == (0, "")
    await up.command("abort", ref, "--wait")
    over = await up.command("deadline", ref, "-s", "running", "--extend", "1h")
    assert (over.code, "the run is over: aborted" in over.err) == (3, True)


async def test_a_limit_that_is_not_there_cannot_be_extended(up: Up) -> None:
    ref = await running(up, "unlimited")
    done = await up.command("deadline", ref, "--state", "pending-not-scheduled", "--extend", "1h")
    assert (done.code, "has no limit to extend" in done.err) == (3, True)
    await up.command("abort", ref, "--wait")


async def set_aside(client: Client, subject: str, body: bytes) -> None:
    """Store a dead letter, as a service does."""
    letter = DeadLetter(
        service="aborter", subject=subject, reason="a test", body=body, set_aside_at=T0,
        project="nlp", run_id=UNKNOWN_RUN, headers={"ce-id": "1", "Nats-Msg-Id": "x"},
    )  # fmt: skip
    await client.bus.publish(subjects.dead_letter("aborter"), codec.encode(letter))


async def kept(client: Client) -> list[str]:
    """Return the subjects of what is among the dead letters."""
    async with follow(client.bus, DEADLETTERS, [subjects.dead_letter()]) as follower:
        return [
            codec.decode(DeadLetter, message.data).subject
            async for message in until_caught_up(follower)
        ]


async def test_a_message_that_cannot_be_handled_is_listed_and_can_be_looked_at(up: Up) -> None:
    async with connect(up.nats_url) as client:
        abort = subjects.command(subjects.ABORT, "nlp", UNKNOWN_RUN)
        await client.bus.publish(abort, b'{"attempt": "one"}')
        await up.until(lambda: kept(client), lambda found: abort in found)
    listed = (await up.command("deadletters", "list", "--service", "aborter", "-o", "json")).json
    letter = next(each for each in listed if each["subject"] == abort)
    assert (letter["service"], letter["run"]) == ("aborter", f"nlp/{UNKNOWN_RUN}")
    assert letter["can_be_retried"]
    whole = await up.command("deadletters", "show", str(letter["id"]), "-o", "json")
    assert whole.json["body"] == {"attempt": "one"}
    page = (await up.command("deadletters", "show", str(letter["id"]))).out
    assert f"retry {letter['id']}" in page
    table = (await up.command("deadletters", "list")).out
    assert table.split()[:7] == ["ID", "AGE", "SERVICE", "RUN", "MESSAGE", "RETRY", "REASON"]
    dropped = await up.command("deadletters", "drop", str(letter["id"]))
    assert (dropped.code, dropped.out) == (0, f"{letter['id']} dropped\n")


async def test_a_command_is_tried_again_and_an_event_is_kept_with_the_way_out(up: Up) -> None:
    document = a_document("revived")
    made = (await up.command("submit", "-f", "-", "--dry-run", "-o", "json", stdin=document)).out
    async with connect(up.nats_url) as client:
        await set_aside(client, subjects.submit("nlp"), made.encode())
        await set_aside(client, f"runbus.v1.run.nlp.{UNKNOWN_RUN}.00.admitted", b"{}")
        done = await up.command("deadletters", "retry", "--all", "-o", "json")
        assert done.code == 3
        assert [each["outcome"] for each in done.json] == ["retried", "kept"]
        assert done.json[1]["way_out"].endswith(f"runbus rerun nlp/{UNKNOWN_RUN}")
        assert await kept(client) == [f"runbus.v1.run.nlp.{UNKNOWN_RUN}.00.admitted"]
        await up.until(client.list_runs, lambda runs: "revived" in {r.status.name for r in runs})
    assert (await up.command("wait", "revived")).code == 0
    dropped = await up.command("deadletters", "drop", "--all")
    assert dropped.code == 0
    none = await up.command("deadletters", "list")
    assert (none.code, none.out, none.err) == (0, "", "no dead letters\n")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("retry",), 2, "either numbers, or --all"),
        (("retry", "1", "--all"), 2, "either numbers, or --all"),
        (("show", "999999"), 4, "there is no dead letter 999999"),
        (("lst",), 2, "`runbus deadletters --help`"),
    ],
)
async def test_a_dead_letter_that_is_not_there_is_told_with_the_way_out(
    arguments: tuple[str, ...], code: int, told: str, up: Up
) -> None:
    done = await up.command("deadletters", *arguments)
    assert (done.code, done.out) == (code, "")
    assert told in done.err
