"""Label and field selectors: parsed once, matched often.

Grammar and words: k8s.io/apimachinery/pkg/labels and pkg/fields.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from runbus.localcluster.rules.errors import bad_request
from runbus.localcluster.rules.names import check_label_value, check_qualified_name
from runbus.localcluster.rules.resources import EVENTS, PODS, Resource

_TOKEN = re.compile(r"\s*(?:(!=|==|=|!|\(|\)|,|>|<)|([^\s!=(),<>]+))")
_WHOLE = re.compile(r"[-+]?\d+", re.ASCII)
_NO_START = frozenset(("=", "==", "!=", "(", ")", ",", ">", "<"))
_OPERATORS = "in, notin, =, ==, !=, gt, lt"


class LabelRequirement(msgspec.Struct, frozen=True):
    """One requirement; ``operator`` is in, notin, exists, absent, gt or lt (of whole numbers)."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Say whether labels meet it; a missing key meets notin."""
        value = labels.get(self.key)
        match self.operator:
            case "in":
                return value in self.values
            case "notin":
                return value not in self.values
            case "exists":
                return value is not None
            case "gt" | "lt":
                return _compares(value, self.operator, min(self.values))
            case _:
                return value is None


def _compares(value: str | None, operator: str, limit: str) -> bool:
    if value is None or not _WHOLE.fullmatch(value):
        return False
    return int(value) > int(limit) if operator == "gt" else int(value) < int(limit)


class _Tokens:
    """A cursor over the tokens of one selector."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        end = len(text.rstrip())
        position = 0
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:  # cannot happen: every character is an operator or a word
                raise bad_request(f"unable to parse requirement: {text[position:]!r}")
            self._tokens.append(match.group(1) or match.group(2))
            position = match.end()
        self._next = 0

    def peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self._next += 1
        return token


def parse_label_selector(text: str) -> tuple[LabelRequirement, ...]:
    """Read a label selector; ``ApiError`` 400 in Kubernetes' words where it is none."""
    tokens = _Tokens(text)
    found: list[LabelRequirement] = []
    if tokens.peek() in _NO_START:
        raise bad_request(f"found '{tokens.peek()}', expected: !, identifier, or 'end of string'")
    while tokens.peek():
        found.append(_requirement(tokens))
        after = tokens.take()
        if after == "":
            break
        if after != ",":
            raise bad_request(f"found '{after}', expected: ',' or 'end of string'")
        if not tokens.peek():
            raise bad_request("found '', expected: identifier after ','")
    return tuple(found)


def _unparsable(why: str) -> Exception:
    return bad_request(f"unable to parse requirement: {why}")


def _requirement(tokens: _Tokens) -> LabelRequirement:
    negated = tokens.peek() == "!"
    if negated:
        tokens.take()
    key = tokens.take()
    if not key or key in "(),=!==<>":
        raise _unparsable(f"found '{key}', expected: identifier")
    if wrong := check_qualified_name(key):
        raise _unparsable(f'<nil>: Invalid value: "{key}": {wrong}')
    if negated:
        return LabelRequirement(key, "absent")
    if tokens.peek() in {"", ","}:
        return LabelRequirement(key, "exists")
    operator = tokens.take()
    match operator:
        case "in" | "notin":
            return LabelRequirement(key, operator, _value_set(tokens, key))
        case "=" | "==" | "!=":
            value = "" if tokens.peek() in {"", ","} else tokens.take()
            _check_value(key, value)
            return LabelRequirement(key, "notin" if operator == "!=" else "in", frozenset({value}))
        case ">" | "<":
            value = tokens.take()
            if not _WHOLE.fullmatch(value):
                why = "for 'Gt', 'Lt' operators, the value must be an integer"
                raise _unparsable(f'values[0][{key}]: Invalid value: "{value}": {why}')
            return LabelRequirement(key, "gt" if operator == ">" else "lt", frozenset({value}))
        case _:
            raise _unparsable(f"found '{operator}', expected: {_OPERATORS}")


def _value_set(tokens: _Tokens, key: str) -> frozenset[str]:
    opening = tokens.take()
    if opening != "(":
        raise _unparsable(f"found '{opening}' expected: '('")
    values: list[str] = []
    expecting = True
    while True:
        word = tokens.take()
        if word == ")":
            if expecting:
                values.append("")
            break
        if word == ",":
            if expecting:
                values.append("")
            expecting = True
        elif word and expecting:
            _check_value(key, word)
            values.append(word)
            expecting = False
        else:
            wanted = "',', ')' or identifier" if expecting else "',' or ')'"
            raise _unparsable(f"found '{word}', expected: {wanted}")
    return frozenset(values)


def _check_value(key: str, value: str) -> None:
    if wrong := check_label_value(value):
        raise _unparsable(f'values[0][{key}]: Invalid value: "{value}": {wrong}')


class FieldRequirement(msgspec.Struct, frozen=True):
    """One requirement on a field, given as its path."""

    path: tuple[str, ...]
    value: str
    negated: bool

    def matches(self, obj: Mapping[str, Any]) -> bool:
        """Say whether the object has (or has not) that value there; absent is ""."""
        here: Any = obj
        for step in self.path:
            here = here.get(step) if isinstance(here, Mapping) else None
        return (str(here if here is not None else "") != self.value) is self.negated


_FIELDS: dict[Resource, frozenset[str]] = {
    PODS: frozenset(
        (
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        )
    ),
    EVENTS: frozenset(
        (
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        )
    ),
}
_EXTRA = {
    "nodes": frozenset(("spec.unschedulable",)),
    "namespaces": frozenset(("status.phase",)),
    "secrets": frozenset(("type",)),
}
_COMMON = frozenset(("metadata.name", "metadata.namespace"))
_PART = re.compile(r"((?:[^\\=!,]|\\.)*?)\s*(!=|==|=)\s*((?:[^\\,]|\\.)*)")


def parse_field_selector(text: str, resource: Resource) -> tuple[FieldRequirement, ...]:
    """Read a field selector of a kind; ``ApiError`` 400 where a field cannot be selected by."""
    found: list[FieldRequirement] = []
    for part in filter(None, (each.strip() for each in re.split(r"(?<!\\),", text))):
        match = _PART.fullmatch(part)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        field, operator = match.group(1), match.group(2)
        known = _FIELDS.get(resource, frozenset()) | _EXTRA.get(resource.plural, frozenset())
        if field not in _COMMON and field not in known:
            raise _unsupported(text, field, resource)
        value = re.sub(r"\\(.)", r"\1", match.group(3))
        path = ("source", "component") if field == "source" else tuple(field.split("."))
        found.append(FieldRequirement(path, value, operator == "!="))
    return tuple(found)


def _unsupported(text: str, field: str, resource: Resource) -> Exception:
    if resource in _FIELDS or resource.plural in _EXTRA:
        why = f"field label not supported: {field}"
    else:
        why = f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"'
    return bad_request(
        f'Unable to find "{resource.api_version}, Resource={resource.plural}" that match '
        f'label selector "", field selector "{text}": {why}'
    )


class Selector(msgspec.Struct, frozen=True):
    """Both selectors and the namespace of one list or watch ("" is all namespaces)."""

    namespace: str = ""
    labels: tuple[LabelRequirement, ...] = ()
    fields: tuple[FieldRequirement, ...] = ()

    @property
    def everything(self) -> bool:
        """Whether it leaves nothing out within its namespace."""
        return not self.labels and not self.fields

    def matches(self, obj: Mapping[str, Any]) -> bool:
        """Say whether an object is selected (its namespace included)."""
        meta = obj["metadata"]
        if self.namespace and meta.get("namespace") != self.namespace:
            return False
        if self.labels:
            labels = meta.get("labels") or {}
            if not all(each.matches(labels) for each in self.labels):
                return False
        return all(each.matches(obj) for each in self.fields)
