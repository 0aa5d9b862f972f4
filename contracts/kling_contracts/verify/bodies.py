"""The request bodies of a run, derived from the operation: minimal, with one fault, at every limit.

They are the same in every run; the Hypothesis strategies explore beyond them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, assert_never

from kling_contracts.cases.images import LONG, SIDE, picture
from kling_contracts.cases.invalid import invalid_values, minimal_value, picture_items
from kling_contracts.constraints import ExactlyOne, RequiredWhen
from kling_contracts.image_fields import PictureList
from kling_contracts.operations import Operation
from kling_contracts.rules import Effect, Rule

Body = dict[str, object]


class Fault(NamedTuple):
    """A body that breaks one rule in one way."""

    rule: Rule
    tag: str
    body: Body


@dataclass(frozen=True)
class Feature:
    """Fields of a valid request with one value that a server must accept.

    `about` is the rule whose limit the value is at, or a name of the allowed value.
    """

    about: str
    tag: str
    fields: Mapping[str, object]


def subjects(operation: Operation, *pictures: str) -> list[dict[str, object]]:
    """The value of the list of subject images."""
    return picture_items(subject_list(operation), *pictures)


def subject_list(operation: Operation) -> PictureList:
    return next(field for field in operation.fields if isinstance(field, PictureList))


def minimal(operation: Operation) -> Body:
    """The smallest valid request: required fields, the selecting one, and those that constraints require."""
    needed = [field for field in operation.fields if field.required or field.name == operation.selector]
    return operation.completed({field.name: minimal_value(field) for field in needed}, minimal_value)


def with_field(operation: Operation, name: str, value: object) -> Body:
    """The smallest request with this value in the field, without fields that the field excludes."""
    return operation.completed(minimal(operation) | {name: value}, minimal_value, keep=name)


def faults(operation: Operation) -> Iterator[Fault]:
    """Bodies that break exactly one rule whose effect is a refusal, by rule in order of declaration."""
    for field in operation.fields:
        for rule, tag, value in invalid_values(field):
            if rule.effect is Effect.REFUSED:
                yield Fault(rule, tag, with_field(operation, field.name, value))
        if field.required:
            body = minimal(operation)
            del body[field.name]
            yield Fault(field.missing, "no key", body)
            for name in _other_spellings(field.name):
                if name not in operation.keys:
                    yield Fault(field.missing, f"as {name}", body | {name: minimal_value(field)})
    for constraint in operation.constraints:
        match constraint:
            case ExactlyOne():
                yield from _one_faults(constraint, operation)
            case RequiredWhen():
                yield from _needed_faults(constraint, operation)
            case _:
                assert_never(constraint)


def _other_spellings(name: str) -> list[str]:
    """The name in camel case, and in capitals; a server must not read a field under these."""
    first, *others = name.split("_")
    return [first + "".join(map(str.capitalize, others)), name.upper()]


def _one_faults(constraint: ExactlyOne, operation: Operation) -> Iterator[Fault]:
    first, *others = constraint.names
    body = with_field(operation, first, minimal_value(operation.field(first)))
    yield Fault(constraint.rule, "none", {name: value for name, value in body.items() if name != first})
    yield Fault(constraint.rule, "null", body | {first: None})
    for other in others:
        both = body | {other: minimal_value(operation.field(other))}
        yield Fault(constraint.rule, f"{first} and {other}", both)


def _needed_faults(constraint: RequiredWhen, operation: Operation) -> Iterator[Fault]:
    when = operation.field(constraint.when)
    for value in constraint.values or (minimal_value(when),):
        body = with_field(operation, when.name, value)
        del body[constraint.field]
        yield Fault(constraint.rule, f"{when.name} {value!r}"[:40], body)
        yield Fault(constraint.rule, f"{when.name} {value!r}, null"[:40], body | {constraint.field: None})
    if when.default in constraint.values:
        body = {name: value for name, value in minimal(operation).items() if name != constraint.field}
        yield Fault(constraint.rule, f"{when.name} by default", body)


def count_feature(operation: Operation, count: int, *pictures: str) -> Feature:
    """A list of `count` subjects that cycles through the images."""
    field = subject_list(operation)
    shown = [pictures[at % len(pictures)] for at in range(count)]
    return Feature(f"{field.name}.items", f"{count} pictures", {field.name: subjects(operation, *shown)})


def choice_feature(field: str, option: str) -> Feature:
    return Feature(f"{field}.enum", option, {field: option})


def broad_picture() -> str:
    """A valid image with the largest allowed aspect ratio."""
    return picture(LONG, SIDE)
