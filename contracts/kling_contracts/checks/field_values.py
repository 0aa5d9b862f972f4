"""The valid values of fields that requests combine with each other, and the values that a body has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple, assert_never, cast

from kling_contracts.cases.images import distinct
from kling_contracts.cases.invalid import minimal_value
from kling_contracts.checks.request_features import VALID, features_of, limit_feature
from kling_contracts.composite_fields import AnyField
from kling_contracts.constraints import ExactlyOne, RequiredWhen
from kling_contracts.fields import Choice, Integer
from kling_contracts.image_fields import Picture, PictureList
from kling_contracts.operations import Operation
from kling_contracts.verify import parts
from kling_contracts.verify.bodies import Body, Feature, count_feature
from kling_contracts.verify.budget import RESULTS, images_in

ABSENT: Final = "absent"
GIVEN: Final = "given"
# The smallest number of results above 1; a create with more of them has the same value.
_SEVERAL: Final = 2
_SEVERAL_RESULTS: Final = "above 1"
# The beginning of a JPEG in base64.
_JPEG: Final = "/9j/"


class Value(NamedTuple):
    """A value of a field, by a name that is unique within the field."""

    field: str
    tag: str

    def __str__(self) -> str:
        return self.tag if self.tag.startswith(self.field) else f"{self.field} {self.tag}"


@cache
def values_of(operation: Operation) -> Mapping[Value, Feature]:
    """The values of every field, each with the fields of a body that has it; none for an absent field.

    External ids and callback URLs are given or absent: a run has its own. So are the numbers of results above
    1, because one request of a run has the largest.
    """
    found: dict[Value, Feature] = {}
    for field in operation.fields:
        if field.name == parts.CALLBACK and not parts.calls_back(operation):
            continue
        different: list[Feature] = []
        for feature in (*_absent(operation, field), *_given(operation, field), *_aliases(field)):
            # An integer equals the same number with a decimal point.
            if all(feature.fields != each.fields for each in different):
                different.append(feature)
        for feature in different:
            if images_in(feature.fields) == 1 or field.name == RESULTS:
                found[Value(field.name, feature.tag)] = feature
    return found


def _absent(operation: Operation, field: AnyField) -> Iterator[Feature]:
    if not field.required and field.name != operation.selector:
        yield Feature(field.name, ABSENT, {})


def _given(operation: Operation, field: AnyField) -> Iterator[Feature]:
    if field.name in (parts.EXTERNAL_ID, parts.CALLBACK):
        yield Feature(field.name, GIVEN, {field.name: minimal_value(field)})
    elif isinstance(field, Integer) and field == parts.number_of_results(operation):
        yield limit_feature(field, field.minimum)
        if field.maximum.value >= _SEVERAL:
            yield Feature(VALID, _SEVERAL_RESULTS, {field.name: _SEVERAL})
    elif isinstance(field, PictureList):
        low, high = field.minimum.value, field.maximum.value
        for count in range(low, high + 1):
            yield count_feature(operation, count, *distinct(high))
    else:
        yield from features_of(field)


def _aliases(field: AnyField) -> Iterator[Feature]:
    """The optional field under another name, which a server may ignore as it ignores unknown fields."""
    for alias in () if field.required else field.aliases:
        yield Feature("unknown_fields", f"as {alias}", {alias: minimal_value(field)})


def values_in(operation: Operation, body: Mapping[str, object]) -> frozenset[Value]:
    """The values that a body has. A value that no other request has, such as an empty list, has no name."""
    found: list[Value] = []
    for field, known in _by_field(operation):
        given = any(body.get(name) not in (None, "") for name in field.names)
        value = known.get(_tag(operation, field, body, known) if given else ABSENT)
        if value is not None:
            found.append(value)
    return frozenset(found)


@cache
def _by_field(operation: Operation) -> Sequence[tuple[AnyField, Mapping[str, Value]]]:
    values = values_of(operation)
    return [
        (field, {value.tag: value for value in values if value.field == field.name})
        for field in operation.fields
    ]


def _tag(
    operation: Operation, field: AnyField, body: Mapping[str, object], known: Mapping[str, Value]
) -> str:
    given = body.get(field.name)
    if given is None or given == "":
        return next((f"as {alias}" for alias in field.aliases if alias in body), "")
    if field.name in (parts.EXTERNAL_ID, parts.CALLBACK):
        return GIVEN
    if field.name == RESULTS and _SEVERAL_RESULTS in known:
        several = isinstance(given, int) and given >= _SEVERAL
        return _SEVERAL_RESULTS if several else f"{RESULTS} {given}"
    if isinstance(field, PictureList):
        return f"{len(cast('list[object]', given))} pictures" if isinstance(given, list) else ""
    if isinstance(field, Picture):
        form = str(given)
        url = form.startswith("http")
        return f"{field.full_name} as a {'URL' if url else 'JPEG' if form.startswith(_JPEG) else 'PNG'}"
    if isinstance(field, Choice):
        return given if isinstance(given, str) else ""
    values = values_of(operation)
    return next((it.tag for it in known.values() if values[it].fields.get(field.name) == given), "")


@cache
def constrained(operation: Operation) -> frozenset[str]:
    """The fields that a constraint on several fields is about; values of other fields never break one."""
    names: set[str] = set()
    for constraint in operation.constraints:
        match constraint:
            case ExactlyOne():
                names.update(constraint.names)
            case RequiredWhen():
                names.update((constraint.field, constraint.when))
            case _:
                assert_never(constraint)
    return frozenset(names)


def body_with(body: Body, feature: Feature, field: AnyField) -> Body:
    """The body with one value of a field instead of the value that it has, if any."""
    return {name: value for name, value in body.items() if name not in field.names} | dict(feature.fields)
