"""`runbus list`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from runbus.cli import completing
from runbus.cli.options import NatsUrl, NoHeaders, Output


def list_(
    *,
    project: Annotated[
        str | None, Parameter(name=["-p", "--project"], help="Only this project's runs.")
    ] = None,
    state: Annotated[
        list[str] | None,
        Parameter(
            name=["-s", "--state"],
            negative="",
            help="Only runs in this state, such as running. Can be repeated.",
            completer=completing.states,
        ),
    ] = None,
    watch: Annotated[
        bool, Parameter(name=["-w", "--watch"], negative="", help="Go on showing changes.")
    ] = False,
    output: Output = "table",
    no_headers: NoHeaders = False,
    nats_url: NatsUrl = None,
) -> int:
    """List runs: those that are not over first, with the time left to each one's next limit."""
    from runbus.cli.listing import Listing, states_of
    from runbus.cli.running import run_async

    _check_project(project)
    listing = Listing(
        nats_url=nats_url,
        project=project,
        states=states_of(state or ()),
        output=output,
        with_headers=not no_headers,
    )
    run_async(listing.follow() if watch else listing.once())
    return 0


def _check_project(project: str | None) -> None:
    from runbus.cli.problems import CliError
    from runbus.contracts.subjects import is_project

    if project is not None and not is_project(project):
        text = f"--project {project!r} cannot be a project"
        raise CliError(text, way_out="lower-case letters, digits and dashes")
