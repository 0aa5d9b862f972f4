"""Field kinds that contain other fields (objects and lists), and the union of all field kinds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias, cast

from kling_contracts.fields import JSON, Array, CallbackUrl, Choice, Field, Flag, Integer, Number, Text
from kling_contracts.image_fields import Picture, PictureList
from kling_contracts.rules import Rule, ValidationResult


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Nested(Field):
    """An object of fields.

    Unknown keys are ignored, as in the body. The normalised value includes the defaults.
    """

    fields: tuple[AnyField, ...]

    json_type = "object"

    def __post_init__(self) -> None:
        inner = f"{self.full_name}."
        object.__setattr__(self, "fields", tuple(field.within(inner) for field in self.fields))

    @cached_property
    def keys(self) -> frozenset[str]:
        """Every known key of the object: names and aliases."""
        return frozenset(name for field in self.fields for name in field.names)

    @cached_property
    def defaults(self) -> Mapping[str, object]:
        """The values of fields that are not given."""
        return {field.name: field.default for field in self.fields if field.default is not None}

    @property
    def rules(self) -> tuple[Rule, ...]:
        return (*super().rules, *(rule for field in self.fields for rule in field.rules))

    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        if not isinstance(value, dict):
            return self._wrong_type(value, path, reading)
        given = cast("dict[str, object]", value)
        values = dict(self.defaults)
        prefix = f"{path}."
        for field in self.fields:
            read_field(field, given, reading, values, prefix)
        if not given.keys() <= self.keys:
            reading.ignore_unknown(given, self.keys, path)
        return values

    def schema(self) -> JSON:
        return object_schema(self.fields, {field.name: property_schema(field) for field in self.fields})


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ListOf(Array):
    """A list of items of one kind. An item must not be null or the empty string.

    With a `minimum` of 0 the list may be empty. In the normalised list an inline picture is None.
    """

    item: AnyField

    def __post_init__(self) -> None:
        item = replace(self.item, required=True)
        object.__setattr__(self, "item", item.within(f"{self.full_name}."))

    @property
    def rules(self) -> tuple[Rule, ...]:
        counts = (self.too_few, self.too_many) if self.minimum.value else (self.too_many,)
        return (*super().rules, *counts, *self.item.rules)

    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        if not isinstance(value, list):
            return self._wrong_type(value, path, reading)
        items = cast("list[object]", value)
        self._check_count(items, path, reading)
        # Items beyond the limit are refused already.
        count = len(items) if self.too_many.id in reading.lifted else self.maximum.value
        return [self._read_item(item, f"{path}[{at}]", reading) for at, item in enumerate(items[:count])]

    def _read_item(self, item: object, path: str, reading: ValidationResult) -> object:
        if not item and reading.absent(item):
            return self.item.violate_missing(path, item, reading, given=True)
        return self.item.read(item, path, reading)

    def schema(self) -> JSON:
        return self._schema_of({"description": self.item.doc, **self.item.schema()})


# Every field kind, for `match` statements that end in `assert_never`. The case of CallbackUrl must precede
# that of Text, its base class.
AnyField: TypeAlias = (
    CallbackUrl | Text | Choice | Integer | Number | Flag | Picture | PictureList | Nested | ListOf
)


def read_field(
    field: Field,
    given: Mapping[str, object],
    reading: ValidationResult,
    values: dict[str, object],
    prefix: str = "",
) -> None:
    """Validate one field of an object; a valid value is added to `values` under the declared name.

    `prefix` is the dotted path of the object, with a trailing dot.
    """
    name = field.name
    value = given.get(name)
    for alias in field.aliases:
        if alias not in given:
            continue
        path = prefix + alias
        if reading.absent(value) or name not in given:
            name, value = alias, given[alias]
            reading.notes.append(f"{path} used as {field.full_name}")
        else:
            reading.ignore(path, alias, given[alias], f"{path} ignored: {field.full_name} is given")
    # Only falsy values can mean absence.
    if not value and (name not in given or reading.absent(value)):
        if field.required:
            field.violate_missing(prefix + name, value, reading, given=name in given)
        return
    read = field.read(value, prefix + name if prefix else name, reading)
    if read is not None:
        values[field.name] = read


def property_schema(field: Field) -> dict[str, object]:
    """JSON Schema of a key's value, including null and the empty string if the field is optional."""
    schema: dict[str, object] = {"description": field.doc}
    if field.required and not field.aliases:
        schema.update(field.schema())
    else:
        schema["anyOf"] = _or_absent(field)
    if field.default is not None:
        schema["default"] = field.default
    return schema


def object_schema(fields: Iterable[Field], properties: Mapping[str, object]) -> dict[str, object]:
    """JSON Schema of an object of fields; `properties` maps declared names to schemas."""
    described: dict[str, object] = {}
    conditions: list[object] = []
    needed: list[str] = []
    for field in fields:
        described[field.name] = properties[field.name]
        if field.required and not field.aliases:
            needed.append(field.name)
        elif field.required:
            conditions.append(is_given(field))
        for at, alias in enumerate(field.aliases, 1):
            described[alias] = {
                "description": f"Alias of `{field.name}`; ignored if `{field.name}` is given.",
                "x-alias-of": field.name,
            }
            conditions.append(
                {
                    "if": _any_given(field.names[:at]),
                    "else": {"properties": {alias: {"anyOf": _or_absent(field)}}},
                }
            )
    schema: dict[str, object] = {"type": "object", "required": needed, "properties": described}
    return schema | ({"allOf": conditions} if conditions else {})


def is_given(field: Field) -> dict[str, object]:
    """JSON Schema of an object in which the field has a value, under any of its names."""
    return _any_given(field.names)


def _any_given(names: Sequence[str]) -> dict[str, object]:
    schemas: list[dict[str, object]] = [
        {"required": [name], "properties": {name: {"not": {"enum": [None, ""]}}}} for name in names
    ]
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _or_absent(field: Field) -> list[dict[str, object]]:
    return [dict(field.schema()), {"type": "null"}, {"const": ""}]
