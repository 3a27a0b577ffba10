"""How parameters reach the code of a run: as one JSON text, and filled in into its arguments.

Pure text work. It must not know documents or pods. Whoever shows a user what will be run calls
the same functions as the launcher.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

# `{{` first: what it encloses is not filled in. Names may hold anything but braces.
_PLACE = re.compile(r"\{\{([^{}]*)\}\}|\{\{|\{([^{}]+)\}")
# Kubernetes expands `$(NAME)` in arguments and reads `$$` as one dollar.
_DOLLAR = re.compile(r"\$(?=[$(]|\Z)")


def parameters_json(parameters: object) -> str:
    """Return the parameters as JSON text for an environment variable.

    A dollar is written as an escape of JSON: Kubernetes would expand `$(NAME)` in the value of a
    variable, and a program would read another text than the user wrote.
    """
    return msgspec.json.encode(parameters).decode().replace("$", "\\u0024")


def filled(args: Sequence[str], parameters: object) -> list[str]:
    """Return arguments with `{name}` filled in from parameters, and `{{` as a brace.

    Only names in the parameters are filled in; any other text in braces, such as JSON, stays as
    it is. A `}}` that closes a `{{` is one brace, any other stays. Texts are put in as they are,
    everything else as JSON; what is put in is not looked at again, by Kubernetes neither.
    """
    values = parameters if isinstance(parameters, Mapping) else {}
    return [_filled(each, values) for each in args]


def _filled(text: str, values: Mapping[str, object]) -> str:
    if "{" not in text:
        return text

    def value_of(found: re.Match[str]) -> str:
        enclosed, name = found[1], found[2]
        if enclosed is not None:
            return f"{{{enclosed}}}"
        if name is None:
            return "{"
        return _text(values[name]) if name in values else found[0]

    return _PLACE.sub(value_of, text)


def _text(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return _DOLLAR.sub("$$", text) if "$" in text else text
