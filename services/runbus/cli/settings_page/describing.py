"""What the contracts say of a setting, in words: its type, what is allowed, what it is for. Pure.

The words for what is allowed are those of the refusals, asked of the checks themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct, inspect

from runbus.contracts.export.schemas import FALLBACK
from runbus.contracts.grammars import Grammar
from runbus.contracts.names import problem_of
from runbus.contracts.placement import Affinity

# Kubernetes' own page describes it better than a table of forty rows.
_NOT_TAKEN_APART = frozenset({Affinity})
# No grammar takes it, so that each says what it would take.
_WRONG_EVERYWHERE = "\x00 /~:"
_MAPPINGS = frozenset({Grammar.NODE_SELECTOR, Grammar.PARAMETERS})
_NUMBERS_TOO = frozenset({Grammar.QUANTITY})


class Described(Struct, frozen=True, kw_only=True):
    """One setting: its keys from the document's root, and what is known of it.

    `[]` after a key stands for an entry of its list. `inner` is the Struct below, if there is one.
    """

    keys: tuple[str, ...]
    type_words: str
    allowed: str
    description: str
    inner: type[Struct] | None = None
    is_required: bool = False

    @property
    def path(self) -> str:
        """The setting as people write it."""
        return ".".join(self.keys)


def described(struct: type[Struct], below: tuple[str, ...] = ()) -> Iterator[Described]:
    """Yield the settings of a Struct, in its order, without those below them."""
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    for field in info.fields:
        unwrapped, extra, schema = _unwrapped(field.type)
        words, allowed, inner, is_list = _words(unwrapped, extra, schema)
        yield Described(
            keys=(*below, field.encode_name + ("[]" if is_list and inner else "")),
            type_words=words,
            allowed=allowed,
            description=str(schema.get("description", "")),
            inner=inner,
            is_required=field.required,
        )


def taken_apart(found: Described) -> Iterator[Described]:
    """Yield the settings below one, each before those below it."""
    if found.inner is None or found.inner in _NOT_TAKEN_APART:
        return
    for each in described(found.inner, found.keys):
        yield each
        yield from taken_apart(each)


def _words(
    type_: inspect.Type, extra: dict[str, Any], schema: dict[str, Any]
) -> tuple[str, str, type[Struct] | None, bool]:
    """Return the words for a type, for what is allowed, the Struct below, and if it is a list."""
    grammar = extra.get("grammar")
    if grammar in _MAPPINGS:
        is_any = grammar is Grammar.PARAMETERS
        return ("any JSON" if is_any else "labels by key"), "", None, False
    match type_:
        case inspect.StructType(cls=cls):
            return "mapping", "", cls, False
        case inspect.EnumType(cls=cls):
            members = [each.value for each in cls if each.value != FALLBACK]
            return "word", _listed(members), None, False
        case inspect.VarTupleType(item_type=item):
            words, allowed, inner, _ = _words(*_unwrapped(item))
            return f"list of {_plural(words)}", allowed, inner, True
        case inspect.DictType(value_type=value):
            words, allowed, inner, _ = _words(*_unwrapped(value))
            return f"{_plural(words)} by key", allowed, inner, False
        case inspect.IntType():
            bounds = f"{schema['minimum']} to {schema['maximum']}" if "minimum" in schema else ""
            return "whole number", bounds, None, False
        case inspect.BoolType():
            return "true or false", "", None, False
        case inspect.UnionType() if grammar not in _NUMBERS_TOO:
            return "text, or list of texts", "", None, False
    return _text_words(grammar)


def _text_words(grammar: Grammar | None) -> tuple[str, str, type[Struct] | None, bool]:
    if grammar is None:
        return "text", "", None, False
    words = "quantity" if grammar is Grammar.QUANTITY else "text"
    if grammar in (Grammar.DURATION, Grammar.DURATION_OR_INFINITE):
        words = "duration"
    problem = problem_of(grammar, _WRONG_EVERYWHERE)
    allowed = problem.allowed if problem is not None else None
    return words, _listed(allowed) if isinstance(allowed, list) else allowed or "", None, False


def _plural(words: str) -> str:
    return {"word": "words", "text": "texts", "quantity": "quantities", "mapping": "mappings"}.get(
        words, words
    )


def _listed(words: list[str]) -> str:
    return ", ".join(f"`{each}`" if " " not in each else each for each in words)


def _unwrapped(type_: inspect.Type) -> tuple[inspect.Type, dict[str, Any], dict[str, Any]]:
    """Return a type without None and metadata, and what the metadata say."""
    extra: dict[str, Any] = {}
    schema: dict[str, Any] = {}
    while True:
        if isinstance(type_, inspect.Metadata):
            extra = {**(type_.extra or {}), **extra}
            schema = {**(type_.extra_json_schema or {}), **schema}
            type_ = type_.type
        elif isinstance(type_, inspect.UnionType):
            inner = [each for each in type_.types if not isinstance(each, inspect.NoneType)]
            if len(inner) != 1:
                return type_, extra, schema
            type_ = inner[0]
        else:
            return type_, extra, schema
