"""Invalid requests with values of other fields: each rule is broken together with every other field's values.

Some servers read or count one field differently if another one is given. Invalid requests cost nothing.
Rules about the size of an image are broken alone, because their requests have 14 MB.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

from kling_contracts.checks.field_values import GIVEN, Value, body_with, constrained, values_in, values_of
from kling_contracts.operations import Operation
from kling_contracts.rules import Rule
from kling_contracts.verify import parts
from kling_contracts.verify.bodies import Body, Fault, faults
from kling_contracts.verify.budget import images_in

# The number of times that a rule was broken together with a value.
_Used = Counter[tuple[str, Value]]
# The fields that a run adds to invalid requests.
_ADDED: Final = (parts.EXTERNAL_ID, parts.CALLBACK)
# Between the tag of a fault and those of the values of other fields.
TOGETHER: Final = "; together with "


class CombinedFault(NamedTuple):
    """A fault, and its body with the values of other fields that were added to it."""

    plain: Fault
    body: Body
    values: tuple[Value, ...] = ()

    @property
    def rule(self) -> Rule:
        return self.plain.rule

    @property
    def tag(self) -> str:
        return self.plain.tag + (TOGETHER + ", ".join(map(str, self.values)) if self.values else "")

    @property
    def extended(self) -> bool:
        """Whether the run adds an external id and a callback URL, if the operation has these fields."""
        return not any(value.field in _ADDED for value in self.values)

    @property
    def large(self) -> bool:
        """Whether the body has an image of several megabytes."""
        return self.rule.id.endswith(".max_bytes")


# The faults of one rule.
Family = Sequence[CombinedFault]


def alone(fault: Fault) -> CombinedFault:
    """The fault without values of other fields."""
    return CombinedFault(fault, fault.body)


def combined_faults(operation: Operation) -> Iterator[CombinedFault]:
    """The faults of an operation; all but the first of each rule with valid values of other fields."""
    seen = Counter[str]()
    used: _Used = Counter()
    for fault in faults(operation):
        seen[fault.rule.id] += 1
        each = alone(fault)
        yield each if seen[fault.rule.id] == 1 or each.large else _with_rare_values(operation, fault, used)


def again(operation: Operation, families: Iterable[Family]) -> list[CombinedFault]:
    """The first fault of each rule once more, with values that it has met least often; not the large ones."""
    used: _Used = Counter()
    for family in families:
        for each in family:
            used.update((each.rule.id, value) for value in values_of_fault(operation, each))
    return [_with_rare_values(operation, family[0].plain, used) for family in families if not family[0].large]


def further(
    operation: Operation, families: Sequence[Family], others: Iterable[CombinedFault]
) -> tuple[list[CombinedFault], list[CombinedFault]]:
    """Faults for the pairs of a rule and a value that no other request covers, several pairs in each.

    The second list has those without the fields that the run adds, and those that ask for several images.
    """
    used = {(each.rule.id, value) for each in others for value in values_of_fault(operation, each)}
    cheap, rest = list[CombinedFault](), list[CombinedFault]()
    for family in families:
        covered = {value for each in family for value in values_of_fault(operation, each)}
        left = [
            value
            for value in values_with(operation, family)
            if value not in covered and (family[0].rule.id, value) not in used
        ]
        special = [value for value in left if _is_special(operation, value)]
        left = [value for value in left if value not in special]
        # The request for the special values has one of the others of each field as well.
        rest += (last := list(_covering(operation, family, special, left)))
        left = [value for value in left if not any(value in each.values for each in last)]
        cheap += _covering(operation, family, left)
    return cheap, rest


def _is_special(operation: Operation, value: Value) -> bool:
    return value.field in _ADDED or images_in(values_of(operation)[value].fields) > 1


def _covering(
    operation: Operation, family: Family, values: Sequence[Value], more: Sequence[Value] = ()
) -> Iterator[CombinedFault]:
    """Faults of a family that have all of the values that are possible, and some `more`."""
    left = list(values)
    while left:
        every = (_with_values(operation, each.plain, (*left, *more)) for each in family)
        made = next((each for each in every if each.values), None)
        if made is None or not set(left) & set(made.values):
            return
        yield made
        left = [value for value in left if value not in made.values]


def with_single_values(operation: Operation, each: CombinedFault) -> Iterator[CombinedFault]:
    """The fault alone, then with each of its values of other fields alone."""
    yield alone(each.plain)
    for value in each.values:
        body = body_with(each.plain.body, values_of(operation)[value], operation.field(value.field))
        yield CombinedFault(each.plain, body, (value,))


def values_of_fault(operation: Operation, each: CombinedFault) -> frozenset[Value]:
    """The values of a request, including those that the run adds."""
    names = [parts.EXTERNAL_ID] if parts.has(operation, parts.EXTERNAL_ID) else []
    names += [parts.CALLBACK] if parts.calls_back(operation) else []
    return values_in(operation, (dict.fromkeys(names, GIVEN) if each.extended else {}) | each.body)


def _with_rare_values(operation: Operation, fault: Fault, used: _Used) -> CombinedFault:
    """The fault with the value of each free field that its rule has met least often; counts them as used."""
    # The run has its own ids and URLs; the requests of a family cost one image if they are accepted.
    usual = [
        value
        for value, feature in values_of(operation).items()
        if value.field not in fault.body and value.tag != GIVEN and feature.fields
        if images_in(feature.fields) == 1
    ]
    by_field = (list(values) for _, values in groupby(usual, attrgetter("field")))
    rare = [it for values in by_field for it in sorted(values, key=lambda it: used[fault.rule.id, it])]
    made = _with_values(operation, fault, rare)
    used.update((fault.rule.id, value) for value in made.values)
    return made


def _with_values(operation: Operation, fault: Fault, values: Iterable[Value]) -> CombinedFault:
    """The fault with the first value of each field with which it still breaks its rule only."""
    body, added = fault.body, dict[str, Value]()
    for value in values:
        if value.field not in added and _remains(operation, fault, body, value):
            body = body_with(body, values_of(operation)[value], operation.field(value.field))
            added[value.field] = value
    return CombinedFault(fault, body, tuple(added.values()))


def _remains(operation: Operation, fault: Fault, body: Body, value: Value) -> bool:
    """Whether a body with the value still breaks the rule of the fault, and no other."""
    if _owner(operation, fault.rule.id) == value.field:
        return False
    if value.field not in constrained(operation):
        return True
    candidate = body_with(body, values_of(operation)[value], operation.field(value.field))
    return {each.rule.id for each in operation.read(candidate).violations} == {fault.rule.id}


@cache
def _owner(operation: Operation, rule_id: str) -> str:
    """The field that a rule is about; empty for a rule about several fields."""
    return next((it.name for it in operation.fields if any(rule.id == rule_id for rule in it.rules)), "")


def values_with(operation: Operation, family: Family) -> list[Value]:
    """The values of other fields that a rule can be broken together with; empty for the size of an image."""
    if family[0].large:
        return []
    owner = _owner(operation, family[0].rule.id)
    others = [value for value in values_of(operation) if value.field != owner]
    if not operation.constraints:
        return others
    present = {value for each in family for value in values_in(operation, each.body)}
    return [
        value
        for value in others
        if value in present or any(_remains(operation, each.plain, each.plain.body, value) for each in family)
    ]
