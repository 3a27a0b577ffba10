"""`runbus why`."""

from __future__ import annotations

from runbus.cli.options import Files, NoHeaders, Output


def why(*, file: Files, output: Output = "table", no_headers: NoHeaders = False) -> int:
    """Say which state pods are in, and why, as runbus reads them.

    Takes what `kubectl get pod -o yaml` (or json) prints: pods, lists of pods, several documents.
    Needs neither a bus nor a cluster.
    """
    from runbus.cli.documents import read_objects
    from runbus.cli.exits import Exit
    from runbus.cli.output import printing
    from runbus.cli.output.readings import answer_text
    from runbus.reading.why import why as read

    answers = [(source.name, read(source.documents)) for source in read_objects(file)]
    pods = [pod for _, answer in answers for pod in answer.pods]
    rows = [pod.row for pod in pods]
    match output:
        case "json":
            printing.out(printing.json_text(rows))
        case "yaml":
            printing.out(printing.yaml_text(rows))
        case "jsonl":
            printing.out("".join(printing.json_line(row) for row in rows))
        case "name":
            printing.out("".join(f"{row.name}\n" for row in rows))
        case "table" | "wide":
            printing.out(answer_text(pods, with_headers=not no_headers))
    problems = [(name, problem) for name, answer in answers for problem in answer.problems]
    for name, problem in problems:
        printing.say(f"error: {name}: {problem}")
    if not pods and not problems:
        printing.say("no pods")
    return Exit.REFUSED if problems else Exit.DONE
