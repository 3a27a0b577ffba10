"""What no node could start, seen beforehand: arguments and variables too long, odd image names.

Sources: Linux' execve (one argument or variable has 128 KiB, MAX_ARG_STRLEN), the reference
grammar of container images. It must not know levels or where a value comes from.
"""

from __future__ import annotations

import re

from runbus.contracts.document import RunDocument
from runbus.contracts.document_findings import nearest
from runbus.contracts.parameters import filled
from runbus.contracts.violations import Violation, ViolationCode, shortened

ARGUMENT_BYTES_MAX = 128 * 1024 - 1  # a NUL ends it
_IMAGE_CHARACTERS_MAX = 512

_IMAGE_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    r"(?:(?:[A-Za-z0-9](?:[-A-Za-z0-9.]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?/)?"
    rf"{_IMAGE_PART}(?:/{_IMAGE_PART})*"
    r"(?::[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?"
    r"(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,})?"
)
_PLACE = re.compile(r"\{([^{}\s]{1,64})\}")


def unstartable(document: RunDocument) -> list[Violation]:
    """Return the arguments and variables that no program can be started with."""
    return [*_arguments(document), *_variables(document)]


def doubtful(document: RunDocument) -> list[Violation]:
    """Return what will probably not do what was meant: warnings."""
    return [*_image(document), *_unfilled(document)]


def _arguments(document: RunDocument) -> list[Violation]:
    hint = "with the parameters filled in it is longer: let the program read RUNBUS_PARAMETERS"
    return [
        _too_long(f"/args/{position}", hint)
        for position, text in enumerate(filled(document.args or (), document.parameters))
        if _is_longer(text, ARGUMENT_BYTES_MAX)
    ]


def _variables(document: RunDocument) -> list[Violation]:
    hint = "put it into a ConfigMap or Secret, and mount it as a file"
    return [
        _too_long(f"/env/{position}/value", hint)
        for position, each in enumerate(document.env or ())
        if each.value is not None and _is_longer(f"{each.name}={each.value}", ARGUMENT_BYTES_MAX)
    ]


def _is_longer(text: str, most: int) -> bool:
    return len(text) * 4 > most and len(text.encode()) > most


def _too_long(path: str, hint: str) -> Violation:
    allowed = f"at most {ARGUMENT_BYTES_MAX} bytes"
    return Violation(path, ViolationCode.TOO_LARGE.value, allowed=allowed, hint=hint)


def _image(document: RunDocument) -> list[Violation]:
    image = document.image
    if image is None or (len(image) <= _IMAGE_CHARACTERS_MAX and _IMAGE.fullmatch(image)):
        return []
    allowed = "[REGISTRY[:PORT]/]PATH[:TAG][@DIGEST], the path in lower case"
    hint = "nodes will probably call it InvalidImageName, and the run will be aborted"
    return [Violation("/image", ViolationCode.INVALID_VALUE.value, shortened(image), allowed, hint)]


def _unfilled(document: RunDocument) -> list[Violation]:
    """Return the places in arguments whose name is nearly, and not quite, a parameter's."""
    parameters = document.parameters
    if not isinstance(parameters, dict) or not document.args:
        return []
    found = []
    for position, text in enumerate(document.args):
        for name in _PLACE.findall(text.replace("{{", ""))[:8]:
            meant = None if name in parameters else nearest(name, parameters)
            if meant is not None:
                hint = f"{{{name}}} stays as it is: did you mean {{{meant}}}?"
                code = ViolationCode.INVALID_VALUE.value
                found.append(Violation(f"/args/{position}", code, f"{{{name}}}", hint=hint))
    return found
