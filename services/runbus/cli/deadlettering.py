"""What `runbus deadletters` does: list, show, retry and drop what could not be handled."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import Struct

from runbus.cli.exits import Exit
from runbus.cli.letters import Again, Letter, Never, attempt_again, body_of, letter_data
from runbus.cli.options import Format
from runbus.cli.output import printing
from runbus.cli.output.tables import table
from runbus.cli.output.times import moment_text, since
from runbus.cli.problems import CliError
from runbus.contracts import codec, subjects
from runbus.contracts.replies import DeadLetter
from runbus.contracts.streams import DEADLETTERS
from runbus.sdk.bus import MESSAGE_ID, StoredMessage
from runbus.sdk.client import Client
from runbus.sdk.deliveries import until_caught_up
from runbus.sdk.errors import BusRefusedError, NotFoundError
from runbus.sdk.follow import follow

HEADERS = ("ID", "AGE", "SERVICE", "RUN", "MESSAGE", "RETRY", "REASON")


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of one dead letter: `retried`, `dropped` or `kept`, and why."""

    id: int
    outcome: str
    why: str = ""
    way_out: str = ""


async def letters(client: Client, service: str | None = None) -> list[Letter]:
    """Return the dead letters (of one service), oldest first."""
    found: list[Letter] = []
    await client.bus.api(f"STREAM.INFO.{DEADLETTERS}")
    filters = [subjects.dead_letter(service or subjects.ANY)]
    async with follow(client.bus, DEADLETTERS, filters) as follower:
        async for message in until_caught_up(follower):
            found.append(_letter(message))
    return found


async def chosen(
    client: Client, numbers: Sequence[int], *, every: bool, service: str | None
) -> list[Letter]:
    """Return the dead letters of these numbers, or all.

    Raises:
        CliError: neither or both are asked for, or a number is none's.

    """
    if every == bool(numbers) or (service is not None and not every):
        raise CliError(
            "give either numbers, or --all (perhaps with --service)",
            way_out="`runbus deadletters list` shows them",
        )
    known = await letters(client, service)
    if every:
        return known
    by_number = {each.number: each for each in known}
    missing = [number for number in numbers if number not in by_number]
    if missing:
        raise CliError(
            f"there is no dead letter {missing[0]}",
            way_out="`runbus deadletters list` shows them",
            code=Exit.NO_SUCH_RUN,
        )
    return [by_number[number] for number in dict.fromkeys(numbers)]


async def retry(client: Client, letter: Letter) -> Outcome:
    """Publish the original message again, and remove the letter once that is stored."""
    again = attempt_again(letter)
    if isinstance(again, Never):
        return Outcome(id=letter.number, outcome="kept", why=again.why, way_out=again.way_out)
    once = f"retry-{letter.number}-{letter.content.set_aside_at.isoformat()}"
    try:
        await client.bus.publish(again.subject, again.body, {**again.headers, MESSAGE_ID: once})
    except BusRefusedError as error:
        return Outcome(id=letter.number, outcome="kept", why=f"the bus refused it: {error}")
    await _remove(client, letter)
    return Outcome(id=letter.number, outcome="retried")


async def drop(client: Client, letter: Letter) -> Outcome:
    """Remove a letter for good."""
    await _remove(client, letter)
    return Outcome(id=letter.number, outcome="dropped")


def show_list(found: Sequence[Letter], output: Format, *, with_headers: bool) -> None:
    """Print dead letters, a line each."""
    now = datetime.now(UTC)
    match output:
        case "table" | "wide":
            rows = [
                (
                    str(each.number),
                    since(each.content.set_aside_at, now),
                    each.content.service,
                    each.ref or "-",
                    each.what,
                    "yes" if isinstance(attempt_again(each), Again) else "no",
                    each.content.reason,
                )
                for each in found
            ]
            width = printing.width_of(sys.stdout) if output == "table" else None
            if rows:
                printing.out(table(HEADERS, rows, with_headers=with_headers, width=width))
            else:
                printing.say("no dead letters")
        case "name":
            printing.out("".join(f"{each.number}\n" for each in found))
        case _:
            show_data([letter_data(each, is_whole=False) for each in found], output)


def show_whole(letter: Letter, output: Format) -> None:
    """Print one dead letter with its headers and its body."""
    if output not in {"table", "wide"}:
        data = letter_data(letter, is_whole=True)
        show_data(data if output in {"json", "yaml"} else [data], output)
        return
    found = letter.content
    again = attempt_again(letter)
    lines = [
        f"ID:           {letter.number}",
        f"Set aside:    {moment_text(found.set_aside_at)} by {found.service}",
        f"Reason:       {found.reason}",
        f"Run:          {letter.ref or '-'}",
        f"Message:      {letter.what}, on {found.subject} ({found.sequence})",
        f"Deliveries:   {found.deliveries}",
    ]
    if isinstance(again, Never):
        lines.append(f"Retry:        no: {again.why}")
        lines += [f"              {again.way_out}"] if again.way_out else []
    else:
        lines.append(f"Retry:        runbus deadletters retry {letter.number}")
    lines += ["Headers:", *(f"  {name}: {text}" for name, text in found.headers.items())]
    body = body_of(found)
    text = body if isinstance(body, str) else printing.json_text(body)
    lines += ["Body:", *(f"  {line}" for line in text.splitlines())]
    printing.out("\n".join(lines) + "\n")


def show_outcomes(outcomes: Sequence[Outcome], output: Format) -> Exit:
    """Print what became of dead letters; says whether all that was asked for was done."""
    match output:
        case "table" | "wide":
            for each in outcomes:
                printing.out_line(
                    f"{each.id} {each.outcome}" + (f": {each.why}" if each.why else "")
                )
                if each.way_out:
                    printing.say(f"  -> {each.way_out}")
            if not outcomes:
                printing.say("no dead letters")
        case "name":
            done = (each for each in outcomes if each.outcome != "kept")
            printing.out("".join(f"{each.id}\n" for each in done))
        case _:
            show_data(outcomes, output)
    is_done = all(each.outcome != "kept" for each in outcomes)
    return Exit.DONE if is_done else Exit.REFUSED


def show_data(data: object, output: Format) -> None:
    """Print data as JSON, YAML or JSON lines."""
    if output == "yaml":
        printing.out(printing.yaml_text(data))
    elif output == "json" or not isinstance(data, list | tuple):
        printing.out(printing.json_text(data))
    else:
        printing.out("".join(printing.json_line(each) for each in data))


async def _remove(client: Client, letter: Letter) -> None:
    body = {"seq": letter.number, "no_erase": True}
    try:
        await client.bus.api(f"STREAM.MSG.DELETE.{DEADLETTERS}", body)
    except NotFoundError:
        return  # somebody else was faster
    except BusRefusedError as error:
        raise CliError(
            f"dead letter {letter.number} cannot be removed", why=str(error), code=Exit.UNREACHABLE
        ) from error


def _letter(message: StoredMessage) -> Letter:
    """Return a dead letter; one that cannot be read is shown as what it is."""
    try:
        content = codec.decode(DeadLetter, message.data)
    except codec.BrokenMessageError as error:
        content = DeadLetter(
            service=message.subject.rpartition(".")[2],
            subject=message.subject,
            reason=f"this dead letter cannot be read: {error}",
            body=message.data,
            set_aside_at=message.stored_at or datetime.now(UTC),
        )
    return Letter(number=message.sequence, content=content)
