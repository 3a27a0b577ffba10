"""The grammar of single values: names, keys, paths, labels, quantities and durations as text.

One function per grammar, each answering with what is wrong, or None. It must not know where in
a document a value stands. Sources: Kubernetes' validation of names and labels, the page on
settings.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

from runbus.contracts.document_findings import did_you_mean
from runbus.contracts.durations import DurationError, parse_duration
from runbus.contracts.grammars import (
    CONFIG_KEY,
    DNS_LABEL,
    DNS_LABEL_CHARACTERS_MAX,
    DNS_SUBDOMAIN,
    DNS_SUBDOMAIN_CHARACTERS_MAX,
    ENV_NAME,
    NAME_CHARACTERS_MAX,
    RUN_NAME,
    Grammar,
)
from runbus.contracts.locations import (
    function_reference_problem,
    host_name_problem,
    stream_path_problem,
    v3io_path_problem,
)
from runbus.contracts.problems import Problem
from runbus.contracts.quantities import QuantityError, parse_quantity
from runbus.contracts.states import OBJECT_STATES, OutcomeClass, Reason
from runbus.contracts.violations import ViolationCode

TextCheck = Callable[[str], Problem | None]

_LABEL_NAME = re.compile(r"(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_DNS_LABEL = re.compile(DNS_LABEL.strip("^$"))
_RUN_NAME = re.compile(RUN_NAME.strip("^$"))
_DNS_SUBDOMAIN = re.compile(DNS_SUBDOMAIN.strip("^$"))
_ENV_NAME = re.compile(ENV_NAME.strip("^$"))
_CONFIG_KEY = re.compile(CONFIG_KEY.strip("^$"))
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_REASON = re.compile(r"[A-Z][A-Za-z0-9]{1,62}")
_FIELD_WITH_KEY = re.compile(r"metadata\.(?:labels|annotations)\['([^']+)'\]")
_HUGE_PAGES = re.compile(r"(?:hugepages|HugePages)-[0-9]+[KMGT]i")
_QUALIFIED = re.compile(r"(?P<prefix>[^/]+)/(?P<name>[^/]+)")

_FIELDS = [
    *("metadata.name", "metadata.namespace", "metadata.uid"),
    *("spec.nodeName", "spec.serviceAccountName"),
    *("status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"),
]
_RESOURCES = ["cpu", "memory", "ephemeral-storage"]
_RESOURCE_WORDS = {"mem": "memory", "ram": "memory", "cpus": "cpu", "disk": "ephemeral-storage"}
_GPU_HINT = "GPUs stand beside requests and limits: `gpus: {type: nvidia.com/gpu, count: 1}`"
_MEDIA = ["Memory", "HugePages"]

_CAUSE_CLASSES = [OutcomeClass.USER.value, OutcomeClass.INFRASTRUCTURE.value]
# The states in which an attempt can end.
_CAUSE_STATES = sorted(each.value for each in OBJECT_STATES)
_NEVER_RETRIED = frozenset(
    {Reason.ABORTED_BY_USER.value, Reason.IMAGE_NEVER_PULLABLE.value, Reason.INTERNAL_ERROR.value}
)

_DNS_WORDS = "lower-case letters, digits and dashes, at the ends letters or digits"
_LABEL_WORDS = "letters, digits, '-', '_' and '.', at the ends letters or digits, at most 63"
_KEY_WORDS = f"a name of {_LABEL_WORDS}; before it may stand a DNS name and a slash"


def problem_of(grammar: Grammar, text: str) -> Problem | None:
    """Return what is wrong with a text by its grammar, or None."""
    return _CHECKS[grammar](text)


def label_value_problem(text: str) -> Problem | None:
    """Return what is wrong with the value of a label; an empty value is right."""
    if not text:
        return None
    if len(text) <= DNS_LABEL_CHARACTERS_MAX and _LABEL_NAME.fullmatch(text):
        return None
    return Problem(ViolationCode.INVALID_LABEL, f"empty, or {_LABEL_WORDS}")


def label_key_problem(text: str) -> Problem | None:
    """Return what is wrong with the key of a label or annotation."""
    prefix, slash, name = text.rpartition("/")
    name_right = len(name) <= DNS_LABEL_CHARACTERS_MAX and _LABEL_NAME.fullmatch(name)
    if name_right and (not slash or _is_subdomain(prefix)):
        return None
    return Problem(ViolationCode.INVALID_LABEL, _KEY_WORDS)


def _taint_key(text: str) -> Problem | None:
    return label_key_problem(text) if text else None


def is_extended_resource(name: str) -> bool:
    """Say whether a resource is counted in whole devices and can never be overcommitted."""
    return "/" in name or name.startswith("hugepages-")


def _is_subdomain(text: str) -> bool:
    return len(text) <= DNS_SUBDOMAIN_CHARACTERS_MAX and bool(_DNS_SUBDOMAIN.fullmatch(text))


def _name(pattern: re.Pattern[str], most: int, words: str) -> TextCheck:
    allowed = f"{words}; 1 to {most} characters"

    def check(text: str) -> Problem | None:
        if len(text) <= most and pattern.fullmatch(text):
            return None
        if len(text) > most:
            hint = f"it has {len(text)} characters, {most} are possible"
            return Problem(ViolationCode.INVALID_NAME, allowed, hint)
        mended = re.sub(r"[ _]+", "-", text.strip().lower())
        hint_mended = f"did you mean {mended}?" if pattern.fullmatch(mended) else None
        return Problem(ViolationCode.INVALID_NAME, allowed, hint_mended)

    return check


def _text(text: str) -> Problem | None:
    if not text.strip():
        return Problem(ViolationCode.EMPTY, "text that is not empty", "leave it out, or fill it in")
    if len(text) > DNS_SUBDOMAIN_CHARACTERS_MAX:
        return Problem(ViolationCode.OUT_OF_RANGE, "at most 253 characters")
    if _CONTROL.search(text):
        return Problem(ViolationCode.INVALID_VALUE, "one line of text")
    return None


def _image(text: str) -> Problem | None:
    if not text.strip():
        return Problem(ViolationCode.EMPTY, "an image, like registry.example.com/team/train:3")
    if len(text.split()) > 1 or text != text.strip() or _CONTROL.search(text):
        hint = "take the spaces out: the program and its arguments are `command` and `args`"
        return Problem(ViolationCode.INVALID_VALUE, "an image without spaces", hint)
    return None


def _config_key(text: str) -> Problem | None:
    right = len(text) <= DNS_SUBDOMAIN_CHARACTERS_MAX and _CONFIG_KEY.fullmatch(text)
    if right and not _names_a_folder(text):
        return None
    return Problem(ViolationCode.INVALID_NAME, "letters, digits, '-', '_' and '.'; at most 253")


def _names_a_folder(text: str) -> bool:
    return text == "." or text.startswith("..")


def _field_path(text: str) -> Problem | None:
    if text in _FIELDS:
        return None
    keyed = _FIELD_WITH_KEY.fullmatch(text)
    if keyed is not None and label_key_problem(keyed[1]) is None:
        return None
    allowed = [*_FIELDS, "metadata.labels['KEY']", "metadata.annotations['KEY']"]
    return Problem(ViolationCode.INVALID_VALUE, allowed, did_you_mean(text, _FIELDS))


def _absolute_path(text: str) -> Problem | None:
    if not text.startswith("/"):
        hint = f"did you mean /{text[:60]}?" if text.strip() else None
        return Problem(ViolationCode.INVALID_PATH, "an absolute path: it starts with /", hint)
    if _CONTROL.search(text) or ".." in text.split("/"):
        return Problem(ViolationCode.INVALID_PATH, "an absolute path without '..'")
    return None


def _mount_path(text: str) -> Problem | None:
    problem = _absolute_path(text)
    if problem is not None:
        return problem
    if ":" in text:
        return Problem(ViolationCode.INVALID_PATH, "an absolute path without ':'")
    path = text.rstrip("/")
    if not path:
        hint = "mount it below, like /data: at / it would hide the image"
        return Problem(ViolationCode.INVALID_PATH, "an absolute path below /", hint)
    normal = posixpath.normpath(path)
    if normal != path:
        hint = f"did you mean {normal.replace('//', '/')[:100]}?"
        return Problem(ViolationCode.INVALID_PATH, "an absolute path without '.' and '//'", hint)
    return None


def _relative_path(text: str) -> Problem | None:
    inside = bool(text) and not text.startswith("/") and ".." not in text.split("/")
    if inside and not _CONTROL.search(text):
        return None
    return Problem(ViolationCode.INVALID_PATH, "a path inside the volume, without '..'")


def _quantity(text: str) -> Problem | None:
    try:
        parse_quantity(text)
    except QuantityError as error:
        allowed = "a quantity of Kubernetes, like 500m, 4, 1Gi or 1.5G"
        hint = error.problem + (f": {error.hint}" if error.hint else "")
        return Problem(ViolationCode.INVALID_QUANTITY, allowed, hint)
    return None


def _resource_name(text: str) -> Problem | None:
    if text in _RESOURCES or _HUGE_PAGES.fullmatch(text):
        return None
    if "/" in text:
        return _gpu_type(text)
    allowed = [*_RESOURCES, "hugepages-SIZE", "DOMAIN/NAME"]
    hint = (
        _GPU_HINT
        if "gpu" in text.lower()[:40]
        else did_you_mean(_RESOURCE_WORDS.get(text.lower(), text), _RESOURCES)
    )
    return Problem(ViolationCode.UNKNOWN_KEY, allowed, hint)


def _gpu_type(text: str) -> Problem | None:
    found = _QUALIFIED.fullmatch(text)
    if found is not None and label_key_problem(text) is None:
        return None
    hint = f"did you mean {text[:40]}.com/gpu?" if text in {"nvidia", "amd"} else None
    return Problem(ViolationCode.INVALID_NAME, "a domain and a name, like nvidia.com/gpu", hint)


def _medium(text: str) -> Problem | None:
    if text in _MEDIA or not text or _HUGE_PAGES.fullmatch(text):
        return None
    return Problem(
        ViolationCode.INVALID_VALUE, [*_MEDIA, "HugePages-SIZE"], did_you_mean(text, _MEDIA)
    )


def _duration(allow_infinite: bool) -> TextCheck:
    def check(text: str) -> Problem | None:
        try:
            parse_duration(text, allow_infinite=allow_infinite)
        except DurationError as error:
            return duration_problem(error, allow_infinite=allow_infinite)
        return None

    return check


def duration_problem(error: DurationError, *, allow_infinite: bool) -> Problem:
    """Return what is wrong with a duration: the place counts from 1, for people."""
    allowed = "a duration in quotes, like '30s' or '1h30m'" + (
        "; '-1' is no limit" if allow_infinite else ""
    )
    return Problem(ViolationCode.INVALID_DURATION, allowed, str(error))


def _retry_cause(text: str) -> Problem | None:
    if text in _NEVER_RETRIED:
        return Problem(ViolationCode.INVALID_VALUE, hint=f"{text} is never retried: take it out")
    # The state `running` has a second name, here as among the thresholds.
    known = [*_CAUSE_CLASSES, *_CAUSE_STATES]
    if text in known or text == "executing" or _REASON.fullmatch(text):
        return None
    return Problem(
        ViolationCode.INVALID_VALUE, [*known, "a reason like OOMKilled"], did_you_mean(text, known)
    )


def _env_name(text: str) -> Problem | None:
    if _ENV_NAME.fullmatch(text) and not _names_a_folder(text):
        return None
    return Problem(
        ViolationCode.INVALID_NAME, "letters, digits, '_', '-' and '.', not starting with a digit"
    )


_object_name = _name(
    _DNS_SUBDOMAIN, DNS_SUBDOMAIN_CHARACTERS_MAX, f"{_DNS_WORDS}; parts may be joined by dots"
)

_CHECKS: dict[Grammar, TextCheck] = {
    Grammar.TEXT: _text,
    Grammar.PROJECT: _name(_DNS_LABEL, DNS_LABEL_CHARACTERS_MAX, _DNS_WORDS),
    Grammar.RUN_NAME: _name(
        _RUN_NAME, NAME_CHARACTERS_MAX, f"{_DNS_WORDS}; it starts with a letter"
    ),
    Grammar.VOLUME_NAME: _name(_DNS_LABEL, DNS_LABEL_CHARACTERS_MAX, _DNS_WORDS),
    Grammar.OBJECT_NAME: _object_name,
    Grammar.IMAGE: _image,
    Grammar.ENV_NAME: _env_name,
    Grammar.CONFIG_KEY: _config_key,
    Grammar.FIELD_PATH: _field_path,
    Grammar.ABSOLUTE_PATH: _absolute_path,
    Grammar.MOUNT_PATH: _mount_path,
    Grammar.RELATIVE_PATH: _relative_path,
    Grammar.LABEL_KEY: label_key_problem,
    Grammar.LABEL_VALUE: label_value_problem,
    Grammar.ANNOTATION_KEY: label_key_problem,
    Grammar.TAINT_KEY: _taint_key,
    Grammar.QUANTITY: _quantity,
    Grammar.RESOURCE_NAME: _resource_name,
    Grammar.GPU_TYPE: _gpu_type,
    Grammar.MEDIUM: _medium,
    Grammar.DURATION: _duration(allow_infinite=False),
    Grammar.DURATION_OR_INFINITE: _duration(allow_infinite=True),
    Grammar.RETRY_CAUSE: _retry_cause,
    Grammar.FUNCTION_REFERENCE: function_reference_problem,
    Grammar.HOST_NAME: host_name_problem,
    Grammar.STREAM_PATH: stream_path_problem,
    Grammar.V3IO_PATH: v3io_path_problem,
}
