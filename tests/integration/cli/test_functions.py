"""Functions of the catalogue from the command line, on a whole runbus and without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbus.cli.accepted import accepted_event
from runbus.contracts import codec, envelope, subjects
from runbus.contracts.events import RunAccepted
from runbus.contracts.replies import ExplainReply
from runbus.sdk.client import connect
from support.commands import Command
from support.ups import Up

FUNCTION = """\
kind: job
metadata: {{name: {name}, tag: {tag}}}
spec:
  image: python:3.12
  command: python
  args: ["-c", "print('hello')"]
  build: {{commands: [pip install x]}}
  env: [{{name: MODE, value: function}}]
"""
DOCUMENT = "{{project: nlp, name: {name}, function: 'hub://{function}'}}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of functions with one in it."""
    place = tmp_path / "functions" / "hello" / "1.2"
    place.mkdir(parents=True)
    (place / "function.yaml").write_text(FUNCTION.format(name="hello", tag="1.2"))
    return tmp_path / "functions"


async def test_a_function_is_resolved_from_a_folder_without_a_bus(folder: Path) -> None:
    command = Command({})
    document = DOCUMENT.format(name="a", function="hello:1.2")
    given = ("-f", "-", "--functions", str(folder))

    linted = await command("lint", *given, stdin=document)
    assert (linted.code, "/spec/build" in linted.err) == (0, True)
    rendered = await command("render", *given, stdin=document)
    assert "image: python:3.12" in rendered.out
    explained = await command("explain", *given, "image", "-o", "json", stdin=document)
    assert explained.json[0]["level"] == "function"

    missing = await command("lint", *given, stdin=DOCUMENT.format(name="a", function="hallo"))
    assert (missing.code, "did you mean hello?" in missing.out) == (3, True)
    unasked = await command("lint", "-f", "-", stdin=document)
    assert (unasked.code, "catalogue is not at hand" in unasked.out) == (3, True)


async def test_functions_are_stored_shown_and_listed(command: Command) -> None:
    stored = await command("function", "put", "-", stdin=FUNCTION.format(name="hello", tag="1.2"))
    assert (stored.code, "hub://hello:1.2 stored" in stored.out) == (0, True), stored.err
    assert "/spec/build" in stored.err

    assert (await command("function", "get", "hello:1.2")).out.startswith("kind: job\n")
    (listed,) = (await command("function", "list", "-o", "json")).json
    assert (listed["name"], listed["tag"], len(listed["hash"])) == ("hello", "1.2", 64)
    absent = await command("function", "get", "hello")
    assert (absent.code, "tags 1.2" in absent.err) == (4, True)


async def test_the_revisions_of_a_function_are_listed_and_can_be_shown(command: Command) -> None:
    first = FUNCTION.format(name="hello", tag="1.2")
    second = first.replace("3.12", "3.13")
    for text in (first, FUNCTION.format(name="other", tag="1.2"), second):
        assert (await command("function", "put", "-", stdin=text)).code == 0

    rows = (await command("function", "history", "hello:1.2", "-o", "json")).json
    assert [row["revision"] for row in rows] == [3, 1]
    assert [row["settings"]["image"] for row in rows] == ["python:3.13", "python:3.12"]
    shown = await command("function", "history", "hub://hello:1.2")
    assert shown.out.splitlines()[0].split() == ["REVISION", "STORED", "AUTHOR", "HASH"]
    assert rows[0]["hash"][:12] in shown.out.splitlines()[1]

    assert (await command("function", "get", "hello:1.2", "--revision", "1")).out == first
    assert (await command("function", "get", "hello:1.2")).out == second
    foreign = await command("function", "get", "hello:1.2", "--revision", "2")
    assert (foreign.code, "runbus function history hello:1.2" in foreign.err) == (4, True)
    absent = await command("function", "history", "hello")
    assert (absent.code, "tags 1.2" in absent.err) == (4, True)


async def test_a_function_that_is_refused_is_not_stored(command: Command) -> None:
    broken = "kind: job\nmetadata: {name: a}\nspec: {replicas: -1, image: ' '}"
    refused = await command("function", "put", "-", stdin=broken)
    assert refused.code == 3
    assert "/spec/replicas" in refused.err
    assert "/spec/image" in refused.err
    assert (await command("function", "list", "-o", "name")).out == ""


@pytest.mark.system
@pytest.mark.timeout(180)
async def test_a_run_is_what_its_function_says_and_records_its_hash(up: Up) -> None:
    await up.command("function", "put", "-", stdin=FUNCTION.format(name="hello", tag="latest"))
    (listed,) = (await up.command("function", "list", "-o", "json")).json
    document = DOCUMENT.format(name="from-function", function="hello")

    submitted = await up.command("submit", "-f", "-", "-o", "name", stdin=document)
    assert submitted.code == 0, submitted.err
    run = submitted.out.strip()
    waited = await up.command("wait", run)
    assert waited.code == 0, waited.err
    explained = await up.command("explain", run, "env", "-o", "json")
    assert explained.json[0]["level"] == "function"
    assert listed["hash"] == (await accepted_of(up, run)).function_hash

    by_run = await asked(up, b"", {envelope.RUN_ID: run.rpartition("/")[2]})
    by_document = await asked(up, b'{"name": "a", "function": "hub://hello"}', {})
    for reply in (by_run, by_document):
        image = next(each for each in reply.settings if each.path == "/image")
        assert (reply.accepted, image.level, image.value) == (True, "function", "python:3.12")
        assert reply.function_hash == listed["hash"]
    assert not (await asked(up, b"{}", {})).accepted

    absent = DOCUMENT.format(name="b", function="hallo")
    refused = await up.command("submit", "-f", "-", stdin=absent)
    assert (refused.code, "did you mean hello?" in refused.err) == (3, True), refused.err


async def accepted_of(up: Up, run: str) -> RunAccepted:
    """Return the accepted event of a run."""
    async with connect(up.nats_url) as client:
        return await accepted_event(client, await client.find(run))


async def asked(up: Up, body: bytes, headers: dict[str, str]) -> ExplainReply:
    """Return the answer to a request to explain."""
    async with connect(up.nats_url) as client:
        subject = subjects.api(subjects.API_EXPLAIN, "nlp")
        reply = await client.bus.request(subject, body, headers or None)
        return codec.decode(ExplainReply, reply.data)
