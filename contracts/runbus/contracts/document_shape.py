"""The shape of a document, checked against its Structs: keys, types, single values, entries.

A check is made once per Struct from its type information, so that the Structs stay the only
truth. It answers with a cleaned copy: without nulls that mean "not given", and without what was
refused, so that whatever follows sees only what is right. The input is never changed.
It must not know levels or defaults.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import Any

from msgspec import Struct, inspect

from runbus.contracts.document import EnvVariable, KeyReference, V3io
from runbus.contracts.document_findings import LIST, MAPPING, TEXT, Findings, did_you_mean
from runbus.contracts.document_kinds import NuclioStream, SeekTo
from runbus.contracts.document_parameters import parameters_check
from runbus.contracts.document_rules import rule_of
from runbus.contracts.document_scalars import (
    BAD,
    Check,
    boolean,
    duration_check,
    enum_check,
    integer_check,
    plain_text,
    quantity,
    text_check,
)
from runbus.contracts.grammars import Grammar
from runbus.contracts.violations import NOT_SHOWN, ViolationCode, is_credential_name, pointer

# Words of other systems that have no place here, with the way out.
_WORD_HINTS: dict[type[Enum], dict[str, str]] = {
    SeekTo: dict.fromkeys(
        ("time", "sequence"),
        "the function's runtime begins at latest or earliest only: take one of these",
    )
}
_LITERAL_KEY_HINT = (
    "an access key has no place in a document: put it into a Secret, and give `secret: NAME`"
)
_STREAM_KEY_HINT = (
    "an access key has no place in a document: give the variable V3IO_ACCESS_KEY from a Secret"
)
# What to do about keys that sound like credentials, where there are no keys of that sort.
_CREDENTIAL_HINTS: dict[type[Struct], str] = {
    V3io: _LITERAL_KEY_HINT,
    NuclioStream: _STREAM_KEY_HINT,
}
# What people write instead of a list of entries, by the entry's type.
_LIST_HINTS: dict[type[Struct], str] = {
    EnvVariable: "write a list of entries: [{name: NAME, value: '1'}]",
}


@cache
def check_of(struct: type[Struct]) -> Check:
    """Return the check for a Struct: a mapping in, a cleaned mapping out."""
    info = inspect.type_info(struct)
    if not isinstance(info, inspect.StructType):
        text = f"{struct.__name__} is no Struct"
        raise TypeError(text)
    check_entries = _entries_check(struct, info)
    required = [field.encode_name for field in info.fields if field.required]
    rule = rule_of(struct)

    def check(given: Any, path: str, findings: Findings) -> Any:
        if not isinstance(given, dict):
            findings.wrong_type(path, _shown(struct, given), MAPPING, _mapping_hint(required))
            return BAD
        given = _with_text_for_true(given, struct)
        cleaned = check_entries(given, path, findings)
        missing = [key for key in required if key not in cleaned]
        for key in missing:
            if given.get(key) is None:
                findings.add(f"{path}/{key}", ViolationCode.REQUIRED, hint=f"give {key}")
        if rule is not None:
            rule(given, cleaned, path, findings)
        return BAD if missing else cleaned

    return _hiding_credentials(check) if struct is EnvVariable else check


def _entries_check(
    struct: type[Struct], info: inspect.StructType
) -> Callable[[dict[Any, Any], str, Findings], dict[str, Any]]:
    """Return the check of a mapping's keys, each with its value."""
    checks = {field.encode_name: _check_for(field.type) for field in info.fields}
    refuses_null = {field.encode_name for field in info.fields if not _may_be_null(field.type)}
    unknown = _unknown_key_check(tuple(checks), _CREDENTIAL_HINTS.get(struct))

    def check(given: dict[Any, Any], path: str, findings: Findings) -> dict[str, Any]:
        cleaned: dict[str, Any] = {}
        for key, value in given.items():
            if not findings.may_go_on(path):
                break
            check_value = checks.get(key)
            if check_value is None:
                unknown(key, path, findings)
            elif value is not None:
                found = check_value(value, f"{path}/{key}", findings)
                if found is not BAD:
                    cleaned[key] = found
            elif key in refuses_null:
                _refuse_null(f"{path}/{key}", findings)
        return cleaned

    return check


def _with_text_for_true(given: dict[Any, Any], struct: type[Struct]) -> dict[Any, Any]:
    """Return a mapping whose key `on` is text again: YAML 1.1 readers make it true."""
    if True not in given or "on" in given or "on" not in struct.__struct_encode_fields__:
        return given
    return {("on" if key is True else key): value for key, value in given.items()}


def _shown(struct: type[Struct], given: object) -> object:
    """Return what may be told of a wrong value: in place of a reference a secret may stand."""
    return NOT_SHOWN if struct is KeyReference and isinstance(given, str) else given


def _mapping_hint(required: list[str]) -> str | None:
    return f"write {{{', '.join(f'{key}: …' for key in required)}}}" if required else None


def _hiding_credentials(check: Check) -> Check:
    """Keep the value of a variable that sounds like a credential out of its findings."""

    def check_hidden(given: Any, path: str, findings: Findings) -> Any:
        start = len(findings.found)
        cleaned = check(given, path, findings)
        if isinstance(given, dict) and is_credential_name(given.get("name")):
            findings.hide_values_since(start, f"{path}/name")
        return cleaned

    return check_hidden


def _unknown_key_check(
    known: tuple[str, ...], credential_hint: str | None
) -> Callable[[object, str, Findings], None]:
    allowed = sorted(known)

    def check(key: object, path: str, findings: Findings) -> None:
        if findings.is_full:  # the nearest known key is dear to find
            return
        place = pointer(path, key)
        if isinstance(key, str):
            is_credential = credential_hint is not None and is_credential_name(_snake(key))
            hint = credential_hint if is_credential else did_you_mean(key, known)
            findings.add(place, ViolationCode.UNKNOWN_KEY, key, allowed=allowed, hint=hint)
        else:
            findings.wrong_type(place, key, "a key that is text", "put the key in quotes")

    return check


def _snake(key: str) -> str:
    """Return a key of camelCase as it would stand here."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key[:100]).lower()


def _refuse_null(path: str, findings: Findings) -> None:
    hint = 'leave the key out to inherit, or write "" for an empty text, "-1" for no limit'
    findings.add(path, ViolationCode.NULL_VALUE, allowed="text in quotes", hint=hint)


def _check_for(type_: inspect.Type) -> Check:
    """Return the check for a type, with None and the layers of metadata taken off."""
    type_, extra = _unwrapped(type_)
    grammar = extra.get("grammar")
    if grammar is not None:
        return _grammar_check(grammar)
    match type_:
        case inspect.StructType(cls=cls):
            return check_of(cls)
        case inspect.EnumType(cls=cls):
            return enum_check(cls, _WORD_HINTS.get(cls))
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            return _list_check(_check_for(item), _list_hint(item))
        case inspect.DictType(key_type=key, value_type=value):
            return _mapping_check(_check_for(key), _check_for(value))
        case inspect.UnionType():
            return _text_or_list
        case inspect.IntType():
            return integer_check(extra.get("least"), extra.get("most"))
        case inspect.BoolType():
            return boolean
        case inspect.StrType():
            return plain_text
    text = f"no check is known for {type_}"
    raise TypeError(text)


def _grammar_check(grammar: Grammar) -> Check:
    match grammar:
        case Grammar.PARAMETERS:
            return parameters_check
        case Grammar.NODE_SELECTOR:
            return _mapping_check(text_check(Grammar.LABEL_KEY), text_check(Grammar.LABEL_VALUE))
        case Grammar.QUANTITY:
            return quantity
        case Grammar.DURATION | Grammar.DURATION_OR_INFINITE:
            return duration_check(grammar)
    return text_check(grammar)


def _unwrapped(type_: inspect.Type) -> tuple[inspect.Type, dict[str, Any]]:
    extra: dict[str, Any] = {}
    while True:
        if isinstance(type_, inspect.Metadata):
            extra = {**(type_.extra or {}), **extra}
            type_ = type_.type
        elif isinstance(type_, inspect.UnionType):
            inner = [each for each in type_.types if not isinstance(each, inspect.NoneType)]
            if len(inner) != 1:
                return type_, extra
            type_ = inner[0]
        else:
            return type_, extra


def _may_be_null(type_: inspect.Type) -> bool:
    return bool(_unwrapped(type_)[1].get("null", True))


def _list_hint(item: inspect.Type) -> str | None:
    unwrapped = _unwrapped(item)[0]
    return _LIST_HINTS.get(unwrapped.cls) if isinstance(unwrapped, inspect.StructType) else None


def _list_check(item: Check, mapping_hint: str | None = None) -> Check:
    def check(given: Any, path: str, findings: Findings) -> Any:
        if not isinstance(given, list | tuple):
            findings.wrong_type(path, given, LIST, mapping_hint if given else None)
            return BAD
        cleaned = []
        for position, value in enumerate(given):
            if not findings.may_go_on(path):
                break
            found = item(value, f"{path}/{position}", findings)
            if found is not BAD:
                cleaned.append(found)
        return cleaned

    return check


def _mapping_check(key_check: Check, value_check: Check) -> Check:
    def check(given: Any, path: str, findings: Findings) -> Any:
        if not isinstance(given, dict):
            findings.wrong_type(path, given, MAPPING)
            return BAD
        cleaned = {}
        for key, value in given.items():
            place = pointer(path, key)
            if not findings.may_go_on(path):
                break
            sound = key_check(key, place, findings) is not BAD
            if value is None:
                continue
            found = value_check(value, place, findings)
            if sound and found is not BAD:
                cleaned[key] = found
        return cleaned

    return check


def _text_or_list(given: Any, path: str, findings: Findings) -> Any:
    """Check a container command: one text, which is one element and never split, or a list."""
    elements = [given] if isinstance(given, str) else given
    if not isinstance(elements, list | tuple):
        findings.wrong_type(path, given, f"{TEXT} (one element), or a list of texts")
        return BAD
    if elements and isinstance(elements[0], str) and not elements[0].strip():
        hint = "leave it out for the image's own"
        findings.add(path, ViolationCode.EMPTY, given, allowed="a program", hint=hint)
        return BAD
    if isinstance(given, str):
        text = plain_text(given, path, findings)
        return BAD if text is BAD else [text]
    return _text_list(elements, path, findings)


_text_list = _list_check(plain_text)
