"""Documents as they will be submitted: read from files, or made of flags, with all changes in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from runbus.cli.changes.assigning import AssignError, Assignment, assigned
from runbus.cli.changes.flagged import changes_of, document_of
from runbus.cli.changes.paths import PathError
from runbus.cli.documents import Document, read_documents
from runbus.cli.problems import CliError
from runbus.cli.setting_flags import SettingFlags
from runbus.contracts.violations import is_credential_name
from runbus.sdk.functions.dotenv_files import DotenvError, read_env_file

FROM_FLAGS = "the run of these flags"
_FILE_ENDINGS = (".yaml", ".yml", ".json")


class Asked(Struct, frozen=True, kw_only=True):
    """What the arguments say of the documents to submit."""

    files: tuple[str, ...] = ()
    flags: SettingFlags = SettingFlags()
    command: tuple[str, ...] = ()


def documents_of(asked: Asked) -> list[Document]:
    """Return the documents of the files with the changes made; without files, one of the flags.

    Raises:
        CliError: a file cannot be read, or an argument leads nowhere.

    """
    check_command(asked.command)
    changes = changes_from(asked.flags, asked.command)
    if asked.files:
        return [changed(each, changes) for each in read_documents(asked.files)]
    if not changes:
        raise CliError(
            "there is nothing to submit",
            way_out="give -f FILE, or --project, --name and --image",
        )
    try:
        content = document_of(changes)
    except AssignError as error:
        raise CliError(str(error), way_out=error.way_out) from error
    return [Document(place=FROM_FLAGS, raw=content, content=content)]


def changes_from(flags: SettingFlags, command: Sequence[str] = ()) -> list[Assignment]:
    """Return the changes that the arguments ask for.

    Raises:
        CliError: one cannot be taken apart.

    """
    try:
        return changes_of(flags, command, variables_of(flags))
    except AssignError as error:
        raise CliError(str(error), way_out=error.way_out) from error
    except PathError as error:
        way_out = "`runbus submit --help` shows each; --set-string takes any text as it is"
        raise CliError(str(error), way_out=way_out) from error


def variables_of(flags: SettingFlags) -> dict[str, str]:
    """Return the variables of the dotenv files, a later file's over an earlier one's.

    Raises:
        CliError: a file cannot be read, or a line in it is no setting.

    """
    found: dict[str, str] = {}
    for path in flags.env_file:
        try:
            found.update(read_env_file(path))
        except DotenvError as error:
            raise CliError(f"--env-file {error}") from error
    return found


def changed(document: Document, changes: Sequence[Assignment]) -> Document:
    """Return a document with changes made; one that cannot be read stays as it is.

    Raises:
        CliError: a change leads nowhere in it.

    """
    if not changes or document.violations or not isinstance(document.raw, dict):
        return document
    try:
        content = assigned(document.content, changes)
    except AssignError as error:
        text = f"{document.place}: {error}"
        raise CliError(text, way_out=error.way_out) from error
    return msgspec.structs.replace(document, raw=content, content=content)


def check_command(command: Sequence[str]) -> None:
    """Refuse a file where the container command stands: it is a forgotten -f.

    Raises:
        CliError: as said.

    """
    first = command[0] if command else ""
    if first.lower().endswith(_FILE_ENDINGS) and Path(first).is_file():
        text = f"{first} is a file, and not after -f"
        raise CliError(text, way_out=f"give each file as -f FILE: -f {first}")


def readable_credentials(flags: SettingFlags) -> list[str]:
    """Return the variables given in plain text whose names sound like credentials."""
    names = dict.fromkeys((*variables_of(flags), *(text.partition("=")[0] for text in flags.env)))
    return [name for name in names if is_credential_name(name)]
