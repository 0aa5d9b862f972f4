"""The JSON Schema of a create request, derived from the fields and constraints of an operation."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never, cast

from kling_contracts.composite_fields import is_given, object_schema, property_schema
from kling_contracts.constraints import Constraint, ExactlyOne, RequiredWhen
from kling_contracts.fields import Field
from kling_contracts.operations import Operation
from kling_contracts.rules import Effect, Rule
from kling_contracts.vocabulary import WATERMARK, Source

Document = dict[str, object]


def provenance(source: Source) -> Document:
    """The value of `x-source`: kind of evidence, document, confidence."""
    return {
        "origin": source.origin.value,
        "reference": source.reference,
        "confidence": source.confidence.value,
    }


def request_schema(operation: Operation) -> Document:
    """The schema of a body; null and the empty string are valid for optional fields."""
    schema = object_schema(operation.fields, {field.name: _property(field) for field in operation.fields})
    demands = [_demand(constraint, operation) for constraint in operation.constraints]
    if demands:
        schema["allOf"] = [*cast("list[object]", schema.get("allOf", [])), *demands]
    if operation.result.drawn and WATERMARK.value not in operation.keys:
        cast("Document", schema["properties"])[WATERMARK.value] = _watermark()
    return {
        "title": operation.title,
        "description": f"{operation.doc} Unknown fields are ignored.",
        **schema,
    }


def _watermark() -> Document:
    """The schema of a field that accepts every value, as unknown fields do."""
    return {
        "description": '`{"enabled": true}` adds `watermark_url` to each picture; other values are ignored.',
        "examples": [{"enabled": True}],
        "x-source": provenance(WATERMARK.source),
    }


def _property(field: Field) -> Document:
    rules = {"x-rules": [_rule(rule) for rule in field.rules], "x-source": provenance(field.source)}
    return property_schema(field) | rules


def _demand(constraint: Constraint, operation: Operation) -> Document:
    about: Document = {"x-rules": [_rule(constraint.rule)], "x-source": provenance(constraint.source)}
    match constraint:
        case ExactlyOne():
            fields = [operation.field(name) for name in constraint.names]
            return {"oneOf": [is_given(field) for field in fields]} | about
        case RequiredWhen():
            then = is_given(operation.field(constraint.field))
            return {"if": _condition(constraint, operation.field(constraint.when)), "then": then} | about
        case _:
            assert_never(constraint)


def _condition(constraint: RequiredWhen, field: Field) -> Document:
    """Schema of a body in which `field`, under the first of its names that is given, meets the condition."""
    if not constraint.values:
        return is_given(field)
    ways: list[Document] = []
    earlier: list[Document] = []
    for name in field.names:
        ways.append(
            {
                "required": [name],
                "properties": {name: {"enum": list(constraint.values)}},
                **({"not": {"anyOf": list(earlier)}} if earlier else {}),
            }
        )
        earlier.append(is_given(replace(field, name=name, aliases=())))
    if field.default in constraint.values:
        ways.append({"not": is_given(field)})
    return ways[0] if len(ways) == 1 else {"anyOf": ways}


def _rule(rule: Rule) -> Document:
    entry: Document = {"id": rule.id, "sentence": rule.sentence, "effect": rule.effect.value}
    if rule.effect is Effect.FAILS:
        entry["task_status_msg"] = rule.wording.template
    return entry | {"x-source": provenance(rule.source)}
