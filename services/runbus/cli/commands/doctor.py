"""`runbus doctor`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from runbus.cli.options import Kubeconfig, NatsUrl

DoctorFormat = Literal["table", "json", "yaml", "jsonl"]


def doctor(
    *,
    namespace: Annotated[
        list[str] | None,
        Parameter(
            negative="",
            help="Ask for rights in this namespace, not everywhere. Can be repeated.",
        ),
    ] = None,
    service_accounts: Annotated[
        str | None,
        Parameter(
            help="Ask for the rights of the chart's accounts, not for yours: NAMESPACE of the"
            " release, or NAMESPACE/RELEASE where the release is not called runbus."
        ),
    ] = None,
    no_cluster: Annotated[bool, Parameter(negative="", help="Look at the bus only.")] = False,
    output: Annotated[
        DoctorFormat, Parameter(name=["-o", "--output"], help="json: a list of all findings.")
    ] = "table",
    kubeconfig: Kubeconfig = None,
    nats_url: NatsUrl = None,
) -> int:
    """Look at everything runbus needs, and say what is wrong and the way out. Changes nothing.

    Bus, streams, services, cluster, rights, and runs: dead letters, deadlines long passed, and
    what must always hold. Exit code 0 if fine (warnings are), 1 for problems, 6 if bus or cluster
    do not answer.
    """
    import sys

    import msgspec

    from runbus.cli.doctor.examining import Examination
    from runbus.cli.doctor.findings import Finding, exit_of
    from runbus.cli.doctor.rights import accounts_of
    from runbus.cli.output import printing
    from runbus.cli.output.findings import finding_lines, summary
    from runbus.cli.running import run_async

    examination = Examination(
        nats_url=nats_url,
        kubeconfig=kubeconfig,
        namespaces=tuple(namespace or ()),
        accounts=accounts_of(service_accounts) if service_accounts else None,
        with_cluster=not no_cluster,
    )

    async def work() -> list[Finding]:
        found: list[Finding] = []
        is_coloured = printing.has_colours(sys.stdout)
        async for finding in examination.findings():
            found.append(finding)
            if output == "table":
                printing.out("\n".join(finding_lines(finding, is_coloured=is_coloured)) + "\n")
            elif output == "jsonl":
                printing.out(printing.json_line(finding))
        return found

    findings = run_async(work())
    match output:
        case "json":
            printing.out(printing.json_text(findings))
        case "yaml":
            printing.out(printing.yaml_text(msgspec.to_builtins(findings)))
        case "table":
            printing.say(summary(findings))
        case "jsonl":
            pass
    return exit_of(findings)
