"""`runbus submit`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from runbus.cli.options import Files
from runbus.cli.setting_flags import ContainerCommand, Flags, SettingFlags, Submission, SubmitFlags


def submit(
    *command: ContainerCommand,
    file: Annotated[Files | None, Parameter(name=["-f", "--file"])] = None,
    submission: Submission = SubmitFlags(),  # noqa: B008 - frozen
    flags: Flags = SettingFlags(),  # noqa: B008 - frozen
) -> int:
    """Submit run documents: every one in every file, or one that flags describe.

    As in: runbus submit -p nlp -n hello -i python:3.12 --cpu 500m -- python -c "print('hi')".
    What flags say wins over the files. Exit code 3 if a document was refused.
    """
    from runbus.cli.changing import Asked, documents_of, readable_credentials
    from runbus.cli.output.printing import say
    from runbus.cli.submitting import submit_documents

    documents = documents_of(Asked(files=tuple(file or ()), flags=flags, command=command))
    for name in readable_credentials(flags):
        say(f"note: everybody who may read the run's events reads {name}: --env-secret hides it")
    return submit_documents(documents, submission)
