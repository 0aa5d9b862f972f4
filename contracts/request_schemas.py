"""The JSON Schema of a create request, and example bodies, from the fields of an operation."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, assert_never, cast

from contracts.composite_fields import is_given, object_schema, property_schema
from contracts.constraints import Constraint, ExactlyOne, RequiredWhen
from contracts.fields import Field
from contracts.operations import Operation
from contracts.rules import Effect, Rule
from contracts.sample_pictures import encoded, jpeg
from contracts.vocabulary import INPUT_SIDE_MINIMUM, Source

Document = dict[str, object]

# The page's own example repeats this address four times.
_PAGE_URL: Final = "https://filesystem.site/cdn/20250814/goDW44JIf6eSuxAS7TNringhWjO9kW.png"
_LIST: Final = "subject_image_list"
# A value of every field there is; which of them an example has, its operation says.
_VALUES: Final[Document] = {
    _LIST: [{"subject_image": f"https://example.com/{name}.png"} for name in ("anna", "boat")],
    "prompt": "Anna in her boat at sea, la soirée, 夕焼け 🌅",
    "negative_prompt": "rain",
    "scence_image": "https://example.com/lamp.png",
    "scene_image": "https://example.com/lamp.png",
    "style_image": "https://example.com/tree.png",
    "image": "https://example.com/anna.png",
    "image_reference": "face",
    "image_fidelity": 0.5,
    "human_fidelity": 0.45,
    "resolution": "2k",
    "n": 2,
    "aspect_ratio": "3:2",
    "callback_url": "https://example.com/hooks/kling",
    "external_task_id": "poster-42",
}


def provenance(source: Source) -> Document:
    """Where something is known from: kind of evidence, document, how likely the service agrees."""
    return {
        "origin": source.origin.value,
        "reference": source.reference,
        "confidence": source.confidence.value,
    }


def request_schema(operation: Operation) -> Document:
    """The schema of a body. null and the empty string mean that an optional field is not given."""
    schema = object_schema(operation.fields, {field.name: _property(field) for field in operation.fields})
    demands = [_demand(constraint, operation) for constraint in operation.constraints]
    if demands:
        schema["allOf"] = [*cast("list[object]", schema.get("allOf", [])), *demands]
    return {
        "title": operation.title,
        "description": f"{operation.doc} Unknown fields are ignored.",
        **schema,
    }


def request_examples(operation: Operation) -> Document:
    """Bodies that the schema accepts: the page's own, every field, pictures inline, nothing optional."""
    listed = any(field.name == _LIST for field in operation.fields)
    # A JPEG: unlike a compressed PNG it comes out the same whatever zlib is installed.
    inline = encoded(jpeg(INPUT_SIDE_MINIMUM.value, INPUT_SIDE_MINIMUM.value))
    values = _VALUES | {"model_name": operation.defaults["model_name"]}
    full = {field.name: values[field.name] for field in operation.fields}
    required = {field.name: values[field.name] for field in operation.fields if field.required}
    optional = [field for field in operation.fields if not field.required]
    page: Document = {}
    if listed:
        page["page"] = _example("The example of the page: equal pictures count", _subjects([_PAGE_URL] * 4))
    pictures = _subjects([inline, inline]) if listed else {"image": inline}
    return page | {
        "full": _example("Every field", full),
        "inline": _example("Pictures as raw base64", required | pictures),
        "empty": _example(
            "null and the empty string mean absence",
            required | {field.name: None if at % 2 else "" for at, field in enumerate(optional)},
        ),
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
    """Whether the other field has one of the values: under the first of its names that is given."""
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


def _subjects(pictures: list[str]) -> Document:
    return {_LIST: [{"subject_image": picture} for picture in pictures]}


def _example(summary: str, body: Document) -> Document:
    return {"summary": summary, "value": body}
