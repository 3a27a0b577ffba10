"""Everything that `runbus up` starts, met through the command line as a newcomer meets it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from support.commands import Command
from support.kubectl import Kubectl, needs_kubectl
from support.ups import Up, a_document, is_there, processes_of, wait_until

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes in /proc"),
]


async def test_a_document_from_stdin_runs_to_its_end_and_its_log_can_be_read(up: Up) -> None:
    watched = await up.command("submit", "-f", "-", "--watch", stdin=a_document("hello"))
    assert watched.code == 0, watched.err
    header, verdict, *events = watched.out.splitlines()
    assert header.split() == ["PROJECT", "NAME", "RUN", "VERDICT"]
    assert verdict.split()[::3] == ["nlp", "accepted"]
    states = [line.split()[1] for line in events]
    assert (states[0], states[-2:]) == ("accepted", ["running", "completed"])
    assert (await up.command("logs", "hello")).out == "hello\nbye\n"
    assert (await up.command("logs", "hello", "--tail", "1")).out == "bye\n"


async def test_a_log_is_followed_while_it_is_written(up: Up, tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    code = (
        "import pathlib, time; print('hello', flush=True)\n"
        f"while not pathlib.Path({str(go_on)!r}).exists(): time.sleep(0.05)\n"
        "print('bye')"
    )
    submitted = await up.command(
        *("submit", "-p", "nlp", "-n", "slow", "-i", "python:3.12", "-o", "name"),
        *("--", "python", "-c", code),
    )
    async with up.command.started("logs", "-f", submitted.out.strip()) as process:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"hello\n"
        page = (await up.command("get", "slow", "-o", "json")).json
        assert page["state"] == "running"
        go_on.touch()
        assert await process.stdout.readline() == b"bye\n"
        assert await process.wait() == 0


async def test_the_same_key_is_the_same_run_and_another_document_is_refused(up: Up) -> None:
    arguments = ("submit", "-f", "-", "--key", "k1", "-o", "json")
    first = (await up.command(*arguments, stdin=a_document("keyed"))).json
    again = (await up.command(*arguments, stdin=a_document("keyed"))).json
    assert again[0]["run_id"] == first[0]["run_id"]
    assert again[0]["duplicate"] is True
    other = await up.command(*arguments, stdin=a_document("other"))
    assert other.code == 3
    assert other.json[0]["violations"][0]["code"] == "idempotency_key_reused"


async def test_of_several_documents_the_good_are_run_and_the_bad_are_told(up: Up) -> None:
    bad = "project: nlp\nname: bad\nkind: job\nimagee: x\n"
    documents = "---\n".join([a_document("one"), bad, "a: [\n", a_document("two")])
    done = await up.command("submit", "-f", "-", "--wait", stdin=documents)
    assert done.code == 3
    verdicts = [line.split()[3] for line in done.out.splitlines()[1:5]]
    assert verdicts == ["accepted", "rejected", "refused", "accepted"]
    assert done.out.count(" completed") == 2
    assert "stdin, document 2 (line " in done.err
    assert "/imagee: unknown key" in done.err
    assert "did you mean image?" in done.err


async def test_a_document_without_a_project_is_told_all_that_is_wrong_with_it(up: Up) -> None:
    told = await up.command("submit", "-f", "-", "-o", "json", stdin="kind: job\nimagee: x\n")

    assert told.code == 3
    paths = [each["path"] for each in told.json[0]["violations"]]
    assert paths == ["/project", "/name", "/imagee"]


@needs_kubectl
async def test_kubectl_reaches_the_cluster_as_it_is_told(up: Up, tmp_path: Path) -> None:
    nodes = await Kubectl(Path(up.ready["kubectl_kubeconfig"]), tmp_path).run("get", "nodes")

    assert [row[:2] for row in nodes.rows[1:]] == [["local", "Ready"]]


async def test_a_stored_request_gets_its_verdict_as_an_event(up: Up) -> None:
    stored = await up.command(
        "submit", "-f", "-", "--no-verdict", "--wait", stdin=a_document("forgotten")
    )
    assert (stored.code, stored.out.split()[7]) == (0, "stored")
    refused = await up.command(
        "submit", "-f", "-", "--no-verdict", "--wait", "--key", "x", stdin="project: nlp\nname: b\n"
    )
    assert refused.code == 3
    assert " rejected: " in refused.out


async def test_a_run_that_cannot_get_its_image_is_aborted_with_exit_5(up: Up) -> None:
    done = await up.command(
        "submit", "-f", "-", "--wait", stdin=a_document("stuck", image="missing:1")
    )
    assert done.code == 5
    assert "aborted after 2s in image_pull_backoff" in done.out
    page = (await up.command("get", "stuck")).out
    assert "Aborted by:   threshold" in page
    assert "limit 2s in image_pull_backoff" in page


async def test_a_user_ends_a_run_and_its_log_is_kept(up: Up) -> None:
    await up.command("submit", "-f", "-", stdin=a_document("endless", seconds=1000))
    async with up.command.started("watch", "endless", "-o", "name") as watching:
        assert watching.stdout is not None
        async for line in watching.stdout:
            if line.endswith(b" running\n"):
                break
    done = await up.command("abort", "endless", "-m", "enough", "--wait", "--timeout", "30s")
    assert (done.code, " aborted: " in done.out) == (0, True), done.out + done.err
    assert (await up.command("wait", "endless")).code == 5
    assert (await up.command("logs", "endless")).out == "hello\n"
    again = await up.command("abort", "endless")
    assert (again.code, "is over already: aborted" in again.out) == (0, True)


async def test_a_service_that_dies_is_started_again_and_runs_go_on(up: Up) -> None:
    os.kill(up.ready["processes"]["spec-validator"]["pid"], signal.SIGKILL)
    done = await up.command(
        "submit", "-f", "-", "--no-verdict", "--wait", "--timeout", "60s", stdin=a_document("after")
    )
    assert done.code == 0, done.err


async def test_a_second_up_in_the_same_folder_is_refused(up: Up) -> None:
    done = await up.command("up", "--persist", up.ready["dir"])
    assert done.code == 6
    assert "in use by another `runbus up`" in done.err


async def test_a_service_can_be_run_by_its_name(tmp_path: Path) -> None:
    command = Command({"RUNBUS_STATE_DIR": str(tmp_path), "RUNBUS_HEALTH_PORT": "no number"})
    done = await command("services", "run", "state-watcher")
    assert done.code == 2
    assert "RUNBUS_HEALTH_PORT='no number'" in done.err


async def test_a_defaults_file_that_is_refused_is_told_before_anything_starts(
    tmp_path: Path,
) -> None:
    defaults = tmp_path / "defaults.yaml"
    defaults.write_text("defalts: {}\n")
    command = Command({"RUNBUS_STATE_DIR": str(tmp_path / "state")})
    done = await command("up", "-q", "--defaults", str(defaults))
    assert done.code == 3
    assert "/defalts: unknown key" in done.err


async def test_defaults_of_a_kept_bus_win_over_the_file_and_up_says_so(tmp_path: Path) -> None:
    kept, file = tmp_path / "kept", tmp_path / "defaults.yaml"
    file.write_text("limits: {concurrent_runs: 3}\n")
    first = await asyncio.to_thread(Up, tmp_path, "--persist", str(kept), "--defaults", str(file))
    stored = await first.command("defaults", "set", "-f", "-", stdin="limits: {}\n")
    code, said = await asyncio.to_thread(first.stop)
    assert (stored.code, code, "has no effect" in said) == (0, 0, False)

    again = await asyncio.to_thread(Up, tmp_path, "--persist", str(kept), "--defaults", str(file))
    doctor = await again.command("doctor")
    code, said = await asyncio.to_thread(again.stop)
    assert (code, f"{file} has no effect: the bus has defaults, revision 1" in said) == (0, True)
    assert "revision 1, stored" in doctor.out


async def test_nothing_is_left_when_an_up_is_killed(tmp_path: Path) -> None:
    killed = await asyncio.to_thread(Up, tmp_path)
    await killed.command("submit", "-f", "-", stdin=a_document("orphan", seconds=1000))
    await killed.command("watch", "orphan", "--timeout", "3s")
    pids, folder = killed.pids(), Path(killed.ready["dir"])
    killed.process.kill()
    killed.process.communicate()

    def nothing_left() -> bool:
        return not any(is_there(pid) for pid in pids) and not folder.exists()

    assert await asyncio.to_thread(wait_until, nothing_left, 20.0)
    assert await asyncio.to_thread(processes_of, folder) == []
    told = await killed.command("list")
    assert told.code == 6
    assert "is gone" in told.err


async def test_the_demo_meets_every_fate_and_ends_by_itself(tmp_path: Path) -> None:
    command = Command({"RUNBUS_STATE_DIR": str(tmp_path / "state")})
    started = time.monotonic()
    done = await command("demo", timeout_s=120)
    assert done.code == 0, done.out + done.err
    assert time.monotonic() - started < 120
    for word in ("completed", "rejected", "aborted", "every run met its fate"):
        assert word in done.out
