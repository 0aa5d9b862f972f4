"""An operation: the fields and constraints of its request, and the format of its task on the wire."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, assert_never, cast

from kling_contracts.composite_fields import AnyField, read_field
from kling_contracts.constraints import Constraint, ExactlyOne, RequiredWhen
from kling_contracts.image_fields import Picture, PictureList
from kling_contracts.rules import BODY_UNICODE, WRONG_TYPE, DecodeBase64, Rule, ValidationResult, typed
from kling_contracts.vocabulary import (
    KLING_IDS,
    SEED,
    SUCCESS_MESSAGE,
    UNITS_PER_IMAGE,
    Fact,
    IdStyle,
    ResultKind,
    Source,
)

BODY_TYPE: Final = Rule(
    id="body.type",
    sentence="the request body is a JSON object",
    requirement="must be a JSON object",
    source=SEED,
    wording=WRONG_TYPE,
    limit="object",
)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One kind of task: the fields of its request, and the format of its task and results on the wire.

    `tail` is the official last part of its path; a gateway may offer the operation at other paths too. If
    several operations share a path, the presence of the body key `selector` selects this one. `result` is the
    key of `task_result` that contains the results, `ids` the style of its task ids, `success_word` the
    `message` of a successful response. The create response of a `synchronous` operation contains the finished
    task with its results. `constraints` are rules about several optional fields at the top level of the body.
    """

    name: str
    title: str
    doc: str
    tail: str
    fields: tuple[AnyField, ...]
    source: Source
    constraints: tuple[Constraint, ...] = ()
    selector: str | None = None
    units_per_image: Fact[int] = UNITS_PER_IMAGE
    result: ResultKind = ResultKind.IMAGES
    ids: IdStyle = KLING_IDS
    success_word: Fact[str] = SUCCESS_MESSAGE
    synchronous: bool = False

    def __hash__(self) -> int:
        """That of the name: the hash of all fields takes 20 us, for each call of a cached function."""
        return hash(self.name)

    @cached_property
    def keys(self) -> frozenset[str]:
        """Every known key of the body: names and aliases."""
        return frozenset(key for field in self.fields for key in field.names)

    @cached_property
    def required_keys(self) -> frozenset[str]:
        """The keys that every valid body has."""
        return frozenset(field.name for field in self.fields if field.required and not field.aliases)

    @cached_property
    def _declared_names(self) -> Mapping[str, str]:
        """The declared name of a field by its name and aliases."""
        return {key: field.name for field in self.fields for key in field.names}

    @cached_property
    def rules(self) -> Mapping[str, Rule]:
        """Every rule by its id, in order of declaration."""
        of_fields = (rule for field in self.fields for rule in field.rules)
        of_several = (constraint.rule for constraint in self.constraints)
        return {rule.id: rule for rule in (BODY_TYPE, *of_fields, *of_several, BODY_UNICODE)}

    @cached_property
    def defaults(self) -> Mapping[str, object]:
        """The values of fields that are not given."""
        return {field.name: field.default for field in self.fields if field.default is not None}

    @cached_property
    def value_names(self) -> tuple[str, ...]:
        """The names of the fields other than pictures, in order of declaration."""
        return tuple(field.name for field in self.fields if not isinstance(field, Picture | PictureList))

    def field(self, name: str) -> AnyField:
        """The field with this name. Raises KeyError for an unknown one."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"{self.name} has no field {name!r}")

    def read(
        self,
        body: object,
        *,
        null_is_absent: bool = True,
        lifted: Collection[str] = (),
        decode_base64: DecodeBase64 | None = None,
    ) -> ValidationResult:
        """Validate a decoded JSON body: normalised values, pictures, all violations, notes. Pure.

        `lifted` are ids of limits that the caller does not enforce; lists are read beyond those. A faster
        `decode_base64` must agree with that of `image_fields`.
        """
        reading = ValidationResult(null_is_absent=null_is_absent, lifted=lifted, decode_base64=decode_base64)
        if not isinstance(body, dict):
            reading.violate(BODY_TYPE, "request body", body, f"got {typed(body)}")
            return reading
        given = cast("dict[str, object]", body)
        for field in self.fields:
            if field.name in given or field.required or field.aliases:
                read_field(field, given, reading, reading.values)
        if self.constraints:
            names = self.given(given, null_is_absent=null_is_absent)
            for constraint in self.constraints:
                constraint.check(names, reading, self.defaults)
        if not given.keys() <= self.keys:
            reading.ignore_unknown(given, self.keys)
        if reading.ignored:
            reading.finish()
        return reading

    def given(self, body: Mapping[str, object], *, null_is_absent: bool = True) -> frozenset[str]:
        """The declared names of the fields that have a value in the body, under any of their names."""
        absent, declared = ValidationResult(null_is_absent=null_is_absent).absent, self._declared_names
        return frozenset([declared[name] for name in declared.keys() & body.keys() if not absent(body[name])])

    def completed(
        self, body: Mapping[str, object], value_of: Callable[[AnyField], object], keep: str = ""
    ) -> dict[str, object]:
        """A copy of `body` (declared names), with fields added and removed to satisfy the constraints.

        `value_of` returns the values of added fields. Of fields that exclude each other, `keep` stays if it
        is one of them, else the first one that is given.
        """
        whole = dict(body)
        for constraint in self.constraints:
            given = self.given(whole)
            match constraint:
                case ExactlyOne(names=names):
                    kept = (
                        keep if keep in names else next((name for name in names if name in given), names[0])
                    )
                    if kept not in whole:
                        whole[kept] = value_of(self.field(kept))
                    for name in set(names) - {kept}:
                        whole.pop(name, None)
                case RequiredWhen(field=name):
                    if name not in given and constraint.applies(
                        given, self.read(whole).values, self.defaults
                    ):
                        whole[name] = value_of(self.field(name))
                case _:
                    assert_never(constraint)
        return whole
