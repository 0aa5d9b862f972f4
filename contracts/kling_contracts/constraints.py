"""Rules of an operation that concern several fields of its body."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

from kling_contracts.rules import EMPTY, Rule, ValidationResult, Wording
from kling_contracts.vocabulary import ASSUMED, Source

ONE_OF: Final = Wording("exactly one of {limit} must be given", ASSUMED)


@dataclass(frozen=True, kw_only=True)
class ExactlyOne:
    """Exactly one of some optional fields is given."""

    names: tuple[str, ...]
    source: Source

    @cached_property
    def rule(self) -> Rule:
        """The rule; its id is that of the first field: `video_id.exactly_one`."""
        listed = ", ".join(self.names)
        return Rule(
            id=f"{self.names[0]}.exactly_one",
            sentence=f"exactly one of {listed} is given",
            requirement=f"exactly one of {listed} must be given",
            source=self.source,
            wording=ONE_OF,
            limit=listed,
        )

    def check(
        self,
        given: Collection[str],
        reading: ValidationResult,
        defaults: Mapping[str, object],  # noqa: ARG002 -- all constraints are checked alike
    ) -> None:
        """Record a violation in `reading`, if there is one. `given`: names of the fields with a value."""
        found = [name for name in self.names if name in given]
        if len(found) != 1:
            listed = ", ".join(found)
            reading.violate(self.rule, self.names[0], listed or None, f"got {listed or 'none of them'}")


@dataclass(frozen=True, kw_only=True)
class RequiredWhen:
    """The optional field `field` must be given when the field `when` is given.

    With `values`, it must be given only when the value of `when`, or its default, is one of them.
    """

    field: str
    when: str
    source: Source
    values: tuple[str | float, ...] = ()

    @cached_property
    def rule(self) -> Rule:
        """The rule; its id is that of the required field: `duration.required_when`."""
        listed = " or ".join(each if isinstance(each, str) else json.dumps(each) for each in self.values)
        return Rule(
            id=f"{self.field}.required_when",
            sentence=f"{self.field} is given when {self.when} is {listed or 'given'}",
            requirement=f"must be given when {self.when} is {listed or 'given'}",
            source=self.source,
            wording=EMPTY,
        )

    def check(
        self, given: Collection[str], reading: ValidationResult, defaults: Mapping[str, object]
    ) -> None:
        """Record a violation in `reading`. `given` contains the declared names of the fields with a value."""
        if self.field not in given and self.applies(given, reading.values, defaults):
            reading.violate(self.rule, self.field, None, "it is missing")

    def applies(
        self, given: Collection[str], values: Mapping[str, object], defaults: Mapping[str, object]
    ) -> bool:
        """Whether the condition holds. `values` are normalised values; an invalid field has none."""
        if not self.values:
            return self.when in given
        return (values if self.when in given else defaults).get(self.when) in self.values


Constraint: TypeAlias = ExactlyOne | RequiredWhen
