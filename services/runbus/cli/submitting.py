"""What `runbus submit` does: send each document, tell each verdict, follow what was accepted."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from msgspec import Struct

from runbus.cli.connection import connected
from runbus.cli.documents import Document
from runbus.cli.exits import Exit, worst
from runbus.cli.options import Format
from runbus.cli.output import printing
from runbus.cli.output.tables import table
from runbus.cli.output.violations import refusal, violation_lines
from runbus.cli.problems import CliError
from runbus.cli.running import detached, limited, run_async
from runbus.cli.setting_flags import SubmitFlags
from runbus.cli.timeouts import timeout_of
from runbus.cli.waiting import wait_and_tell
from runbus.cli.watching import Watching
from runbus.contracts.replies import SubmitReply
from runbus.contracts.structure import check, missing_required
from runbus.contracts.violations import Violation, ViolationCode
from runbus.sdk.client import VERDICT_TIMEOUT_S, Client
from runbus.sdk.errors import BusTimeoutError, BusUnreachableError
from runbus.sdk.submissions import Sent, UnusableDocumentError, prepared

_HEADERS = ("PROJECT", "NAME", "RUN", "VERDICT")


class Told(Struct, frozen=True, kw_only=True):
    """What became of one document."""

    document: Document
    name: str
    reply: SubmitReply
    verdict: str
    sent: Sent | None = None


class Submitting(Struct, kw_only=True):
    """How documents are submitted, and what happens then. `refs` fills as runs become known."""

    key: str | None
    is_waiting: bool
    is_watching: bool
    with_verdict: bool
    timeout_s: float | None
    output: Format
    with_headers: bool
    refs: list[str] = []

    async def run(self, client: Client, documents: Sequence[Document]) -> Exit:
        """Submit, tell, and follow if asked to."""
        if self.key is not None and len(documents) != 1:
            raise CliError(
                f"--key names one run, and there are {len(documents)} documents",
                way_out="submit them one by one, each with its own key",
            )
        told: list[Told] = []
        for document in documents:
            told.append(await self._submit(client, document))
        accepted = [each for each in told if each.reply.accepted]
        self.refs.extend(f"{each.reply.project}/{each.reply.run_id}" for each in accepted)
        self._tell(told)
        fates = [Exit.REFUSED for each in told if not each.reply.accepted]
        if accepted and (self.is_waiting or self.is_watching):
            async with limited(self.timeout_s, ", ".join(self.refs)):
                runs = [await _run_of(client, each) for each in accepted]
                fates.append(await self._follow(client, runs))
        return worst(fates)

    def if_interrupted(self) -> str:
        """Return what Ctrl-C answers."""
        if len(self.refs) == 1:
            return detached(self.refs[0])
        return "detached, the runs go on: runbus list -w" if self.refs else "nothing was awaited"

    async def _submit(self, client: Client, document: Document) -> Told:
        if document.violations:
            return _refused(document, document.violations)
        try:
            prepared(document.content)
        except UnusableDocumentError as error:
            return _refused(document, _why_unusable(document, error))
        name = str(document.content.get("name") or "-")
        if not self.with_verdict:
            sent = await client.send(document.content, key=self.key)
            reply = SubmitReply(accepted=True, project=sent.project, run_id=sent.run_id)
            return Told(document=document, name=name, reply=reply, verdict="stored", sent=sent)
        reply = await self._verdict(client, document)
        verdict = "accepted" if reply.accepted else "rejected"
        if reply.duplicate:
            verdict += " before"
        return Told(document=document, name=name, reply=reply, verdict=verdict)

    async def _verdict(self, client: Client, document: Document) -> SubmitReply:
        timeout_s = min(self.timeout_s or VERDICT_TIMEOUT_S, VERDICT_TIMEOUT_S)
        try:
            return await client.submit(document.content, key=self.key, timeout_s=timeout_s)
        except BusTimeoutError as error:
            again = "with the same --key" if self.key else "with a --key, to be sure of one run"
            raise CliError(
                f"{document.place}: no verdict within {timeout_s:g} s",
                why="spec-validator is slow or gone; the run may have been made all the same",
                way_out=f"look at `runbus list`, or submit again {again}",
                code=Exit.UNREACHABLE,
            ) from error
        except BusUnreachableError as error:
            raise CliError(
                "no spec-validator answers on this bus",
                why=str(error),
                way_out="start one (`runbus services run spec-validator`), or submit with"
                " --no-verdict: the request is stored until one comes",
                code=Exit.UNREACHABLE,
            ) from error

    async def _follow(self, client: Client, runs: Sequence[tuple[str, str]]) -> Exit:
        if not self.is_watching:
            return await wait_and_tell(client, runs, self.output)
        watching = Watching(nats_url=None, output=self.output)
        if len(runs) == 1:
            return await watching.run(client, *runs[0])
        return worst(await watching.several(client, runs))

    def _tell(self, told: Sequence[Told]) -> None:
        match self.output:
            case "json":
                printing.out(printing.json_text([each.reply for each in told]))
            case "jsonl":
                printing.out("".join(printing.json_line(each.reply) for each in told))
            case "yaml":
                printing.out(printing.yaml_text([each.reply for each in told]))
            case "name":
                printing.out("".join(f"{ref}\n" for ref in self.refs))
            case "table" | "wide":
                rows = [
                    (each.reply.project, each.name, each.reply.run_id or "-", each.verdict)
                    for each in told
                ]
                width = printing.width_of(sys.stdout)
                printing.out(table(_HEADERS, rows, with_headers=self.with_headers, width=width))
        for each in told:
            for line in _talk(each):
                printing.say(line)


def submitting_of(flags: SubmitFlags) -> Submitting:
    """Return what the arguments ask for.

    Raises:
        CliError: they cannot be used together, or a time cannot be read.

    """
    return Submitting(
        key=flags.key,
        is_waiting=flags.wait,
        is_watching=flags.watch,
        with_verdict=not flags.no_verdict,
        timeout_s=timeout_of(flags.timeout),
        output=flags.output,
        with_headers=not flags.no_headers,
    )


def submit_documents(documents: Sequence[Document], flags: SubmitFlags) -> Exit:
    """Submit documents, or print them if that is all that was asked for; returns the worst fate."""
    submitting = submitting_of(flags)
    if flags.dry_run:
        return show_documents(documents, flags.output)

    async def work() -> Exit:
        async with connected(flags.nats_url) as client:
            return await submitting.run(client, documents)

    return run_async(work(), if_interrupted=submitting.if_interrupted)


def show_documents(documents: Sequence[Document], output: Format) -> Exit:
    """Print documents as they would be sent; says whether all could be read."""
    readable = [each for each in documents if not each.violations]
    match output:
        case "json":
            for each in readable:
                printing.out(printing.json_text(each.raw))
        case "jsonl":
            printing.out("".join(printing.json_line(each.raw) for each in readable))
        case _:
            printing.out("---\n".join(printing.yaml_text(each.raw) for each in readable))
    for each in documents:
        if each.violations:
            printing.say(f"error: {refusal(each.place, each.violations)}")
            for line in violation_lines(each.violations):
                printing.say(line)
    return Exit.DONE if len(readable) == len(documents) else Exit.REFUSED


async def _run_of(client: Client, told: Told) -> tuple[str, str]:
    """Return project and run id to follow: of a stored request, once its verdict is known."""
    if told.sent is None:
        return told.reply.project, told.reply.run_id
    event = await client.verdict(told.sent)
    return event.project, event.run_id


def _talk(told: Told) -> list[str]:
    lines: list[str] = []
    if not told.reply.accepted:
        lines.append(f"error: {refusal(told.document.place, told.reply.violations)}")
        lines += violation_lines(told.reply.violations)
    if told.reply.warnings:
        lines.append(f"warning: {told.document.place}:")
        lines += violation_lines(told.reply.warnings)
    return lines


def _why_unusable(document: Document, error: UnusableDocumentError) -> tuple[Violation, ...]:
    """Return everything that is wrong with a document that cannot even be sent.

    An image that is missing may come from the operator's defaults.
    """
    checked = check(document.content)
    missing = missing_required(checked.document, checked.violations)
    found = (*(each for each in missing if each.path != "/image"), *checked.violations)
    if any(each.path == "/project" for each in found):
        return found
    return (Violation(path="/", code=ViolationCode.INVALID_VALUE, hint=str(error)),)


def _refused(document: Document, violations: tuple[Violation, ...]) -> Told:
    fields = document.content
    reply = SubmitReply(
        accepted=False, project=str(fields.get("project") or "-"), violations=violations
    )
    return Told(
        document=document, name=str(fields.get("name") or "-"), reply=reply, verdict="refused"
    )
