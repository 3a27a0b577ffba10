"""`runbus get`."""

from __future__ import annotations

from runbus.cli.options import NatsUrl, NoHeaders, Output, RunName


def get(
    run: RunName,
    /,
    *,
    output: Output = "table",
    no_headers: NoHeaders = False,
    nats_url: NatsUrl = None,
) -> int:
    """Show everything about a run: state, reason, limits, pods, and the evidence that was kept."""
    from datetime import UTC, datetime

    import msgspec

    from runbus.cli.connection import connected
    from runbus.cli.listing import listed
    from runbus.cli.output import printing
    from runbus.cli.output.describe import run_text
    from runbus.cli.output.runs import run_data
    from runbus.cli.running import run_async
    from runbus.contracts.evidence import RunEvidence
    from runbus.sdk.runs import RunRecord

    async def work() -> tuple[RunRecord, list[RunEvidence]]:
        async with connected(nats_url) as client:
            record = await client.find(run)
            return record, await client.evidence(record.status.project, record.status.run_id)

    record, evidence = run_async(work())
    match output:
        case "table":
            printing.out(run_text(record, evidence, datetime.now(UTC)))
        case "wide" | "name":
            printing.out(listed([record], output, with_headers=not no_headers))
        case "json" | "yaml" | "jsonl":
            data = {**run_data(record), "evidence": msgspec.to_builtins(evidence)}
            text = {
                "json": printing.json_text,
                "yaml": printing.yaml_text,
                "jsonl": printing.json_line,
            }[output]
            printing.out(text(data))
    return 0
