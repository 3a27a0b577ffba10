"""`runbus submit`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from runbus.cli.options import Files, NatsUrl, NoHeaders, Output, Timeout


def submit(
    *,
    file: Files,
    key: Annotated[
        str | None,
        Parameter(help="Idempotency key: submitting again with it is the same run."),
    ] = None,
    wait: Annotated[
        bool, Parameter(negative="", help="Until the runs are over; exit code: the worst fate.")
    ] = False,
    watch: Annotated[
        bool, Parameter(name=["-w", "--watch"], negative="", help="As --wait, and show them.")
    ] = False,
    no_verdict: Annotated[
        bool,
        Parameter(
            name="--no-verdict",
            negative="",
            help="Store the request and return: no service needs to be up. The verdict will be an"
            " event.",
        ),
    ] = False,
    timeout: Timeout = None,
    output: Output = "table",
    no_headers: NoHeaders = False,
    nats_url: NatsUrl = None,
) -> int:
    """Submit run documents: every one in every file. Exit code 3 if one was refused."""
    from runbus.cli.running import detached, run_async
    from runbus.cli.submitting import Submitting
    from runbus.cli.timeouts import timeout_of

    submitting = Submitting(
        files=tuple(file),
        key=key,
        is_waiting=wait,
        is_watching=watch,
        with_verdict=not no_verdict,
        timeout_s=timeout_of(timeout),
        output=output,
        with_headers=not no_headers,
        nats_url=nats_url,
    )

    def interrupted() -> str:
        refs = submitting.refs
        return detached(refs[0]) if len(refs) == 1 else "detached, the runs go on: runbus list -w"

    return run_async(submitting.run(), if_interrupted=interrupted)
