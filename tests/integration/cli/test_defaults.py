"""`runbus defaults ...`: what is stored, what is refused, and whose work is never lost."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from runbus.sdk.defaults import kept_defaults, newest_defaults, store_defaults
from support.buses import TestBus
from support.commands import Command
from support.stack import running_nats

FIRST = "limits: {concurrent_runs: 5}  # a comment stays\n"
SECOND = "limits: {concurrent_runs: 6}\n"
BROKEN = "limits: {concurrent_runs: many}\ndefaults: {nonsense: 1}\n"


async def test_an_empty_bucket_says_so_and_what_holds_instead(command: Command) -> None:
    got = await command("defaults", "get")
    assert (got.code, got.out) == (0, "")
    assert "the bus has no defaults" in got.err
    assert "RUNBUS_DEFAULTS_FILE" in got.err
    assert (await command("defaults", "history", "-o", "json")).json == []


async def test_a_file_is_stored_as_written_and_comes_back_in_three_forms(command: Command) -> None:
    done = await command("defaults", "set", "-f", "-", stdin=FIRST)
    assert (done.code, done.out.startswith("revision 1 is stored")) == (0, True), done.err
    assert "+limits" in done.err
    got = await command("defaults", "get")
    assert got.out == FIRST
    assert "revision 1, stored " in got.err
    assert (await command("defaults", "get", "-o", "json")).json == {
        "limits": {"concurrent_runs": 5}
    }
    assert "concurrent_runs: 5" in (await command("defaults", "get", "-o", "yaml")).out
    again = await command("defaults", "set", "-f", "-", stdin=FIRST)
    assert (again.code, again.out, "nothing to do" in again.err) == (0, "", True)


async def test_a_refused_file_names_every_violation_and_nothing_is_stored(
    bus: TestBus, command: Command
) -> None:
    done = await command("defaults", "set", "-f", "-", stdin=BROKEN)
    assert done.code == 3
    assert "/limits/concurrent_runs" in done.err
    assert "/defaults/nonsense" in done.err
    assert await newest_defaults(bus.bus) is None


async def test_history_tells_when_who_how_much_and_what_holds(
    bus: TestBus, command: Command
) -> None:
    await command("defaults", "set", "-f", "-", stdin=FIRST)
    await command("defaults", "set", "-f", "-", stdin=SECOND)
    await store_defaults(bus.bus, BROKEN.encode(), author="Zoë", after=2)
    rows = (await command("defaults", "history", "-o", "json")).json
    assert [(row["revision"], row["state"], row["added"], row["removed"]) for row in rows] == [
        (3, "refused", 2, 1),
        (2, "in force", 1, 1),
        (1, "", 1, 0),
    ]
    assert rows[0]["author"] == "Zoë"
    assert "@" in rows[1]["author"]
    shown = await command("defaults", "history")
    assert "in force" in shown.out
    assert "no effect: revision 2 is in force" in (await command("defaults", "get")).err


async def test_an_old_revision_can_be_shown_and_brought_back(command: Command) -> None:
    await command("defaults", "set", "-f", "-", stdin=FIRST)
    await command("defaults", "set", "-f", "-", stdin=SECOND)
    assert (await command("defaults", "get", "--revision", "1")).out == FIRST
    done = await command("defaults", "set", "--revision", "1")
    assert (done.code, "revision 3" in done.out) == (0, True), done.err
    assert (await command("defaults", "get")).out == FIRST
    unknown = await command("defaults", "get", "--revision", "9")
    assert (unknown.code, "runbus defaults history" in unknown.err) == (4, True)
    assert (await command("defaults", "set")).code == 2


async def test_what_somebody_else_stored_is_replaced_only_by_who_has_seen_it(
    bus: TestBus, command: Command
) -> None:
    await store_defaults(bus.bus, FIRST.encode(), author="alice@there", after=0)
    blind = await command("defaults", "set", "-f", "-", stdin=SECOND)
    assert (blind.code, "by alice@there" in blind.err, "--base 1" in blind.err) == (3, True, True)
    stale = await command("defaults", "set", "-f", "-", "--base", "0", stdin=SECOND)
    assert (stale.code, "moved on from revision 0" in stale.err) == (3, True)
    seen = await command("defaults", "set", "-f", "-", "--base", "1", stdin=SECOND)
    assert seen.code == 0, seen.err
    kept = await kept_defaults(bus.bus)
    assert [each.content for each in kept] == [FIRST.encode(), SECOND.encode()]


async def test_diff_shows_what_a_file_changes(command: Command) -> None:
    await command("defaults", "set", "-f", "-", stdin=FIRST)
    same = await command("defaults", "diff", "-f", "-", stdin=FIRST)
    assert (same.code, same.out) == (0, "")
    other = await command("defaults", "diff", "-f", "-", stdin=SECOND)
    assert (other.code, "+limits: {concurrent_runs: 6}" in other.out) == (1, True)
    refused = await command("defaults", "diff", "-f", "-", stdin=BROKEN)
    assert (refused.code, "/defaults/nonsense" in refused.err) == (3, True)


async def test_edit_stores_what_the_editor_leaves(
    bus: TestBus, command: Command, tmp_path: Path
) -> None:
    await command("defaults", "set", "-f", "-", stdin=FIRST)
    command = with_editor(bus, tmp_path, "sed -i s/5/7/")
    done = await command("defaults", "edit")
    assert (done.code, "revision 2" in done.out) == (0, True), done.err
    assert (await command("defaults", "get")).out == FIRST.replace("5", "7")
    unchanged = await with_editor(bus, tmp_path, "true")("defaults", "edit")
    assert (unchanged.code, "nothing was changed" in unchanged.err) == (0, True)


async def test_a_refused_edit_is_kept_and_nothing_is_stored(
    bus: TestBus, command: Command, tmp_path: Path
) -> None:
    await command("defaults", "set", "-f", "-", stdin=FIRST)
    done = await with_editor(bus, tmp_path, "sed -i s/5/five/")("defaults", "edit")
    assert done.code == 3
    assert "/limits/concurrent_runs" in done.err
    path = Path(done.err.rpartition("set -f ")[2].strip())
    assert "five" in await asyncio.to_thread(path.read_text)
    newest = await newest_defaults(bus.bus)
    assert newest is not None
    assert newest.revision == 1


async def test_an_edit_never_replaces_what_was_stored_meanwhile(
    bus: TestBus, command: Command, tmp_path: Path
) -> None:
    await command("defaults", "set", "-f", "-", stdin=FIRST)
    script = tmp_path / "editor.sh"
    store = f"{sys.executable} -m runbus.cli defaults set -f -"
    text = f"#!/bin/sh\necho '{SECOND.strip()}' | {store}\nsed -i s/5/7/ \"$1\"\n"
    await asyncio.to_thread(script.write_text, text)
    done = await with_editor(bus, tmp_path, f"sh {script}")("defaults", "edit")
    assert (done.code, "somebody else was faster" in done.err) == (3, True), done.err
    assert "what you wrote is in" in done.err
    assert "--base 2" in done.err
    assert (await command("defaults", "get")).out == SECOND


async def test_a_bus_without_the_bucket_says_how_to_make_it(tmp_path: Path) -> None:
    async with running_nats(tmp_path) as nats:
        command = Command({"RUNBUS_STATE_DIR": str(tmp_path), "RUNBUS_NATS_URL": nats.url})
        done = await command("defaults", "get")
        assert (done.code, "runbus init" in done.err) == (6, True)


def with_editor(bus: TestBus, folder: Path, editor: str) -> Command:
    """Return the command line of somebody with an editor of their own."""
    return Command(
        {
            "RUNBUS_NATS_URL": bus.nats.url,
            "RUNBUS_STATE_DIR": str(folder / "state"),
            "VISUAL": editor,
            "TMPDIR": str(folder),
        }
    )


async def test_documents_are_judged_by_the_defaults_of_the_bus_where_that_is_asked_for(
    bus: TestBus, command: Command
) -> None:
    document = "{project: nlp, name: a, kind: mpijob, command: x, image: 'x:1', replicas: 9}"
    given = ("-f", "-", "--defaults-from-bus")
    empty = await command("lint", *given, stdin=document)
    assert (empty.code, "the bus has no defaults" in empty.err) == (0, True), empty.err

    text = "caps: {replicas: 8}\ndefaults: {node_selector: {pool: bus}}\n"
    await command("defaults", "set", "-f", "-", stdin=text)
    await store_defaults(bus.bus, BROKEN.encode(), author="Zoë", after=1)

    linted = await command("lint", *given, stdin=document)
    assert (linted.code, "the cap of the service is 8" in linted.out) == (3, True)
    assert "under the defaults of the bus, revision 1" in linted.err
    assert (await command("lint", "-f", "-", stdin=document)).code == 0

    fewer = document.replace("9", "8")
    rendered = await command("render", *given, stdin=fewer)
    assert (rendered.code, "pool: bus" in rendered.out) == (0, True), rendered.err
    explained = await command("explain", *given, "node_selector", "-o", "json", stdin=fewer)
    assert [(row["value"], row["level"]) for row in explained.json] == [("bus", "service")]


async def test_the_defaults_of_the_bus_need_one_and_exclude_a_file(
    bus: TestBus, command: Command, tmp_path: Path
) -> None:
    document = "{project: nlp, name: a, kind: job, image: 'x:1'}"
    file = tmp_path / "defaults.yaml"
    file.write_text(FIRST)
    both = ("--defaults-from-bus", "--defaults", str(file))
    refused = await command("lint", "-f", "-", *both, stdin=document)
    assert (refused.code, "exclude each other" in refused.err) == (2, True)
    nowhere = ("--defaults-from-bus", "--nats-url", "nats://127.0.0.1:1")
    assert (await command("render", "-f", "-", *nowhere, stdin=document)).code == 6
    assert (await command("explain", "some-run", "--defaults-from-bus")).code == 2


async def test_a_key_is_taken_out_and_all_else_stays_as_it_was_written(
    bus: TestBus, command: Command
) -> None:
    nothing = await command("defaults", "unset", "limits")
    assert (nothing.code, "the bus has no defaults" in nothing.err) == (2, True)
    text = "# ours\nlimits: {concurrent_runs: 5}  # five\ncaps: {replicas: 8, kinds: [job]}\n"
    await store_defaults(bus.bus, text.encode(), author="Zoë", after=0)

    done = await command("defaults", "unset", "caps.replicas")
    assert (done.code, "revision 2 is stored" in done.out) == (0, True), done.err
    assert "-caps: {replicas: 8, kinds: [job]}" in done.err
    assert (await command("defaults", "get")).out == text.replace("replicas: 8, ", "")

    absent = await command("defaults", "unset", "caps.host_paths")
    assert (absent.code, "says nothing of caps.host_paths" in absent.err) == (2, True)
    assert (await command("defaults", "unset", "caps[")).code == 2
    newest = await newest_defaults(bus.bus)
    assert newest is not None
    assert newest.revision == 2


async def test_what_would_be_refused_without_a_key_is_not_stored(
    bus: TestBus, command: Command
) -> None:
    text = "defaults: {preemption_mode: constrain}\npreemptible_nodes: {preset: gke}\n"
    assert (await command("defaults", "set", "-f", "-", stdin=text)).code == 0
    refused = await command("defaults", "unset", "preemptible_nodes")
    assert (refused.code, "what is left without preemptible_nodes" in refused.err) == (3, True)
    newest = await newest_defaults(bus.bus)
    assert newest is not None
    assert newest.revision == 1
