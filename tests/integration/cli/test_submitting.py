"""Runs described on the command line, run again, and explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.commands import Command
from support.ups import Up, a_document

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes in /proc"),
]

FLAGS = ("-p", "nlp", "-i", "python:3.12")


async def test_a_run_can_be_submitted_without_a_file(up: Up) -> None:
    done = await up.command(
        *("submit", *FLAGS, "-n", "flags", "--env", "WHO=world", "--param", "greeting=hello"),
        *("--cpu", "100m", "--threshold", "running=60s", "--label", "team=a", "--wait"),
        *("--", "python", "-c", "import os, sys; print(sys.argv[1], os.environ['WHO'])"),
        "{greeting}",
    )
    assert done.code == 0, done.err
    assert (await up.command("logs", "flags")).out == "hello world\n"


async def test_what_flags_say_wins_over_the_file_and_set_wins_over_flags(up: Up) -> None:
    done = await up.command(
        *("submit", "-f", "-", "--dry-run", "-o", "json", "-n", "flagged"),
        *("--threshold", "running=5s", "--set", "state_thresholds.running=9s"),
        *("--set", "args[1]=print(1)", "--set-string", "labels.version=1.10"),
        stdin=a_document("filed"),
    )
    assert done.code == 0, done.err
    document = done.json
    assert document["name"] == "flagged"
    assert document["args"] == ["-c", "print(1)"]
    assert document["state_thresholds"] == {"image_pull_backoff": "2s", "running": "9s"}
    assert document["labels"] == {"version": "1.10"}


async def test_a_mistake_in_set_is_told_by_the_verdict_with_its_path(up: Up) -> None:
    done = await up.command(
        "submit", "-f", "-", "--set", "resources.requests.cpu=much", stdin=a_document("wrong")
    )
    assert done.code == 3
    assert "/resources/requests/cpu" in done.err


async def test_a_dry_run_needs_no_bus_and_what_it_prints_can_be_submitted(tmp_path: Path) -> None:
    command = Command({"RUNBUS_STATE_DIR": str(tmp_path), "RUNBUS_NATS_URL": "nats://127.0.0.1:1"})
    printed = await command("submit", "--dry-run", *FLAGS, "-n", "dry", "--retry-on", "user")
    assert printed.code == 0, printed.err
    assert (await command("lint", "-f", "-", stdin=printed.out)).code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("submit",), "there is nothing to submit"),
        (("submit", "--set", "image"), "there is no `=`"),
        (("submit", *FLAGS, "--env", "A"), "write it as NAME=VALUE"),
        (("submit", "-f", "{file}", "--set", "args[9]=x"), "the next one is args[0]"),
        (("submit", "-f", "{file}", "--set", "image.tag=3"), "set image as a whole"),
        (("submit", "{file}"), "give each file as -f FILE"),
    ],
)
async def test_arguments_that_lead_nowhere_are_wrong_usage_with_the_way_out(
    arguments: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    file = tmp_path / "job.yaml"
    file.write_text("project: nlp\nname: x\nkind: job\nimage: x:1\nargs: []\n")
    command = Command({"RUNBUS_STATE_DIR": str(tmp_path)})
    done = await command(*(each.format(file=file) for each in arguments))
    assert (done.code, done.out) == (2, "")
    assert told in done.err


async def test_a_credential_in_plain_text_is_pointed_out(tmp_path: Path) -> None:
    command = Command({"RUNBUS_STATE_DIR": str(tmp_path)})
    done = await command("submit", "--dry-run", *FLAGS, "-n", "x", "-e", "HF_TOKEN=abc")
    assert done.code == 0
    assert "HF_TOKEN: --env-secret hides it" in done.err


async def test_a_run_is_submitted_again_with_changes_that_are_shown(up: Up) -> None:
    first = await up.command(
        *("submit", "-f", "-", "-o", "name", "--annotation", "note=first", "--wait"),
        stdin=a_document("again"),
    )
    ref = first.out.splitlines()[0]
    done = await up.command("rerun", ref, "--set", "args[1]=print('new')", "--wait")
    assert done.code == 0, done.err
    assert f"--- {ref}" in done.err
    assert "+- print('new')" in done.err
    run = done.out.splitlines()[1].split()[2]
    assert (await up.command("logs", run)).out == "new\n"
    explained = (await up.command("explain", run, "annotations", "-o", "json")).json
    assert {each["setting"]: each["value"] for each in explained} == {
        "annotations.note": "first",
        'annotations["runbus.dev/rerun-of"]': ref,
    }


async def test_a_rerun_asks_for_what_the_run_was_asked_for_and_not_for_defaults(up: Up) -> None:
    await up.command("submit", "-f", "-", stdin=a_document("plain"))
    done = await up.command("rerun", "plain", "--dry-run", "-o", "json")
    assert done.code == 0, done.err
    assert "the same document as nlp/" in done.err
    document = done.json
    assert document["state_thresholds"] == {"image_pull_backoff": "2s", "running": "60s"}
    assert not {"log_level", "preemption_mode", "user"} & set(document)


async def test_a_rejected_run_has_no_document_to_submit_again(up: Up) -> None:
    refused = await up.command(
        "submit", "-f", "-", "-o", "json", stdin="project: nlp\nname: bad\nkind: job\n"
    )
    run = refused.json[0]["run_id"]
    done = await up.command("rerun", run)
    assert (done.code, done.out) == (3, "")
    assert "of a rejected run no document is kept" in done.err
    assert "/image: required" in done.err
    assert (await up.command("rerun", "no-such-run")).code == 4


async def test_a_run_is_explained_with_the_level_of_each_setting(up: Up) -> None:
    await up.command("submit", "-f", "-", stdin=a_document("explained"))
    done = await up.command("explain", "explained", "state_thresholds.running", "-o", "json")
    assert done.json == [
        {
            "setting": "state_thresholds.running",
            "path": "/state_thresholds/running",
            "value": "60s",
            "level": "run",
            "overrode": [{"level": "shipped", "value": "24h"}],
        }
    ]
    page = (await up.command("explain", "explained")).out
    assert page.splitlines()[0].split() == ["SETTING", "VALUE", "LEVEL", "OVERRODE"]
    assert "user" in [line.split()[0] for line in page.splitlines() if "request" in line]
    wrong = await up.command("explain")
    assert wrong.code == 2


async def test_a_file_is_explained_without_a_bus_under_the_defaults_given(tmp_path: Path) -> None:
    command = Command({"RUNBUS_STATE_DIR": str(tmp_path)})
    defaults = tmp_path / "defaults.yaml"
    defaults.write_text("defaults: {state_thresholds: {running: 6h}, labels: {team: a}}\n")
    documents = f"{a_document('one')}---\nproject: nlp\nname: two\nkind: job\nimage: x:1\n"
    done = await command(
        *("explain", "-f", "-", "state_thresholds.running", "-o", "json"),
        *("--defaults", str(defaults)),
        stdin=documents,
    )
    assert done.code == 0, done.err
    assert [(each["document"][:17], each["level"]) for each in done.json] == [
        ("stdin, document 1", "run"),
        ("stdin, document 2", "service"),
    ]
    refused = await command("explain", "-f", "-", stdin="project: nlp\n")
    assert (refused.code, "/image: required" in refused.err) == (3, True)


async def test_a_dotenv_file_gives_variables_and_flags_win_over_it(tmp_path: Path) -> None:
    command = Command({"RUNBUS_STATE_DIR": str(tmp_path)})
    path = tmp_path / "run.env"
    path.write_text('# of the run\nA=1\nexport B="two words"\nAPI_TOKEN=s3cr3t\nHOME_OF=${HOME}\n')
    done = await command(
        *("submit", "--dry-run", "-o", "json", *FLAGS, "-n", "dotenv", "--env", "A=2"),
        *("--env-file", str(path)),
    )
    assert done.code == 0, done.err
    assert done.json["env"] == [
        {"name": "A", "value": "2"},
        {"name": "B", "value": "two words"},
        {"name": "API_TOKEN", "value": "s3cr3t"},
        {"name": "HOME_OF", "value": "${HOME}"},
    ]
    assert "reads API_TOKEN: --env-secret hides it" in done.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("A=1\nB\n", "run.env, line 2: B has no `=`"),
        ('A="open\n', "run.env, line 1: the quote that A begins with has no end"),
    ],
)
async def test_a_line_of_a_dotenv_file_that_is_no_setting_is_told(
    tmp_path: Path, text: str, told: str
) -> None:
    command = Command({"RUNBUS_STATE_DIR": str(tmp_path)})
    path = tmp_path / "run.env"
    path.write_text(text)
    done = await command("submit", "--dry-run", *FLAGS, "-n", "dotenv", "--env-file", str(path))
    assert done.code == 2
    assert told in done.err
