"""What `runbus render` does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from runbus.cli.documents import read_documents
from runbus.cli.exits import Exit
from runbus.cli.functions import function_in
from runbus.cli.output import printing
from runbus.cli.output.violations import refusal, violation_lines
from runbus.cli.problems import CliError
from runbus.contracts import subjects
from runbus.contracts.identity import shard_of
from runbus.pod_launcher.manifest import render
from runbus.settings.defaults import Defaults
from runbus.settings.model import Resolved
from runbus.settings.resolve import resolve


def render_files(
    files: Sequence[str],
    defaults: Defaults,
    functions: Path | None = None,
    *,
    run_id: str,
    attempt: int,
    output: Literal["yaml", "json"],
) -> Exit:
    """Print the objects of every document of files; says whether none was refused.

    Raises:
        CliError: the run id cannot be one, or a file cannot be read.

    """
    if not subjects.is_run_id(run_id):
        raise CliError(f"--run-id {run_id!r} cannot be a run id", way_out="12 of a-z and 0-9")
    objects: list[dict[str, object]] = []
    fate = Exit.DONE
    for document in read_documents(files):
        violations = document.violations
        if not violations:
            found = resolve(
                document.raw,
                project=None,
                defaults=defaults,
                default_user="",
                function=function_in(functions, document.raw),
            )
            if isinstance(found, Resolved):
                objects += render(
                    found.document,
                    run_id=run_id,
                    attempt=attempt,
                    shard=shard_of(run_id),
                    namespace=found.namespace,
                    platform=found.platform,
                )
                continue
            violations = found.violations
        fate = Exit.REFUSED
        printing.say(f"error: {refusal(document.place, violations)}")
        for line in violation_lines(violations):
            printing.say(line)
    if fate is Exit.DONE or objects:
        printing.out(_text(objects, output))
    return fate


def _text(objects: list[dict[str, object]], output: Literal["yaml", "json"]) -> str:
    if output == "json":
        return printing.json_text({"apiVersion": "v1", "kind": "List", "items": objects})
    return "---\n".join(printing.yaml_text(each) for each in objects)
