"""`runbus init`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from runbus.cli.options import NatsUrl, NoHeaders, Output
from runbus.cli.output.printing import json_line, json_text, out, say, yaml_text
from runbus.cli.output.tables import table


def init(
    *,
    replicas: Annotated[
        int, Parameter(help="Of each stream: 1, or 3 on a cluster. Only for those it makes.")
    ] = 1,
    nats_url: NatsUrl = None,
    output: Output = "table",
    no_headers: NoHeaders = False,
) -> int:
    """Make or upgrade the streams, buckets and consumers on a bus.

    Can be repeated; changes what can be changed in place, and never deletes anything.
    """
    from runbus.cli.connection import connected
    from runbus.cli.running import run_async
    from runbus.sdk.provision import Provisioned, provision

    async def work() -> list[Provisioned]:
        async with connected(nats_url) as client:
            return await provision(client.bus, replicas=replicas)

    done = run_async(work())
    match output:
        case "json":
            out(json_text(done))
        case "yaml":
            out(yaml_text(done))
        case "jsonl":
            out("".join(json_line(each) for each in done))
        case "name":
            out("".join(f"{each.kind}/{each.name}\n" for each in done))
        case "table" | "wide":
            rows = [(each.kind, each.name, each.outcome) for each in done]
            out(table(("KIND", "NAME", "OUTCOME"), rows, with_headers=not no_headers))
            if all(each.outcome == "unchanged" for each in done):
                say("everything was there already")
    return 0
