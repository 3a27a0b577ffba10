"""``python -m runbus.localcluster``: which part to run, and how it ends."""

import asyncio
import sys
from collections.abc import Sequence

from runbus.localcluster.options import Options, parse_options
from runbus.localcluster.parts.life import living, the_only_one
from runbus.localcluster.process_logs import configure_logs


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until SIGTERM or SIGINT."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parse_options(given)
    configure_logs(options.log_level)
    if options.part == "all":
        _supervise(options, given)
    else:
        _run_part(options)


def _supervise(options: Options, given: Sequence[str]) -> None:
    from runbus.localcluster.parts.supervisor import PartFailedError, Supervisor, own_folder

    with own_folder(options.dir):
        try:
            asyncio.run(Supervisor(options, given).run())
        except PartFailedError as error:
            sys.stderr.write(f"{error}\n")
            sys.exit(error.code)


def _run_part(options: Options) -> None:
    import uvloop

    options.dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (
        the_only_one(options.dir, options.part),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_live(options))


async def _live(options: Options) -> None:
    async with living(options.supervised) as life:
        if options.part == "api":
            from runbus.localcluster.parts.api_part import run_api

            await run_api(options, life)
        else:
            from runbus.localcluster.parts.agents_part import run_agents

            await run_agents(options, life)


if __name__ == "__main__":
    main()
