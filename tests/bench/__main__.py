"""`python -m bench [NAME ...]`: runs benchmarks, prints tables, writes JSON.

A goal that is missed is shown loudly and, on a machine shared with others, means little: the exit
code is 1 only with --strict, or where a benchmark could not be carried out.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import msgspec
import uvloop

from bench.benchmarks import BENCHMARKS
from bench.conditions import conditions
from bench.figures import Goals, NotHereError, Report, judge, read_goals
from bench.settings import Scale, Setting
from bench.table import heading, summary, table

RESULTS = Path(".bench/results.json")


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for; returns the exit code."""
    options = _parsed(arguments)
    scale: Scale = options.scale
    names = options.names or list(BENCHMARKS)
    goals, machine = read_goals(), conditions(scale)
    _say(heading(machine))
    if scale is not Scale.FULL:
        _say("Smaller than the goals are about: for a look, not for a verdict.\n")
    reports: list[Report] = []
    for name in names:
        report = run_one(name, scale, goals)
        reports.append(report)
        _say(table(report))
        _write(options.json, {"conditions": machine, "benchmarks": reports})
    _say(summary(reports))
    _say(f"written to {options.json}")
    failed = any(report.failure is not None for report in reports)
    missed = any(each.ok is False for report in reports for each in report.figures)
    return 1 if failed or (missed and options.strict) else 0


def run_one(name: str, scale: Scale, goals: Goals) -> Report:
    """Run one benchmark in a folder and an event loop of its own."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"runbus-bench-{name}-") as folder:
        setting = Setting(scale=scale, folder=Path(folder), tell=_tell)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                outcome = runner.run(BENCHMARKS[name](setting))
        except NotHereError as error:
            return Report(name=name, took_s=time.monotonic() - started, skipped=str(error))
        except Exception as error:  # noqa: BLE001 - the others still have to be measured
            traceback.print_exception(error)
            return Report(name=name, took_s=time.monotonic() - started, failure=_first(error))
    return Report(
        name=name,
        took_s=time.monotonic() - started,
        conditions=outcome.conditions,
        figures=judge(outcome.figures, goals.get(name, {})),
    )


def _first(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description="Benchmarks of runbus.")
    listed = ", ".join(BENCHMARKS)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {listed}; none: all")
    parser.add_argument(
        "--scale",
        type=Scale,
        choices=list(Scale),
        default=Scale.FULL,
        help="full: what the goals are about; quick: a look; smoke: that it runs",
    )
    parser.add_argument("--quick", dest="scale", action="store_const", const=Scale.QUICK)
    parser.add_argument("--strict", action="store_true", help="exit 1 where a goal is missed")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where the results go")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}: there are {listed}")
    return options


def _write(path: Path, results: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _tell(line: str) -> None:
    sys.stderr.write(f"  ... {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
