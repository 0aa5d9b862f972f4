"""Pairs of field values: the requests of a run combine the values of different fields.

Some servers read or count one field differently if another one is given. Invalid requests cost nothing, so
each rule is broken together with every value of every other field; valid creates have values in the fields
that they leave free, and a larger budget has creates for the other pairs. Rules about the size of an image
are broken alone, because their requests have 14 MB.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Final, NamedTuple

from kling_contracts.checks.covering_array import OpenPairs
from kling_contracts.checks.field_values import GIVEN, Value, body_with, constrained, values_in, values_of
from kling_contracts.operations import Operation
from kling_contracts.rules import Rule
from kling_contracts.verify import parts
from kling_contracts.verify.bodies import Body, Fault, faults
from kling_contracts.verify.budget import images_in

_Used = Counter[tuple[str, Value]]


class Coverage(NamedTuple):
    """The number of pairs of a broken rule, or a valid value, with a valid value of another field."""

    covered: int
    total: int

    @property
    def share(self) -> float:
        return self.covered / self.total if self.total else 1.0


class CombinedFault(NamedTuple):
    """A fault with the values of other fields that were added to it.

    `marked`: the run adds an external id and a callback URL, if they are free.
    """

    plain: Fault
    fault: Fault
    values: tuple[Value, ...] = ()
    marked: bool = True

    @property
    def rule(self) -> Rule:
        return self.fault.rule


Family = Sequence[CombinedFault]
# Between the tag of a fault and those of the values of other fields.
TOGETHER: Final = "; together with "


def combined_faults(operation: Operation) -> Iterator[CombinedFault]:
    """The faults of an operation; all but the first of each rule with valid values of other fields."""
    seen = Counter[str]()
    used: _Used = Counter()
    for fault in faults(operation):
        seen[fault.rule.id] += 1
        if seen[fault.rule.id] == 1 or is_large(fault):
            yield CombinedFault(fault, fault)
        else:
            yield _combined(operation, fault, used)


def again(operation: Operation, families: Iterable[Family]) -> list[CombinedFault]:
    """The first fault of each family once more, with values that its rule has met least often."""
    used: _Used = Counter()
    for family in families:
        for each in family:
            used.update((each.rule.id, value) for value in values_of_fault(operation, each))
    return [
        family[0] if is_large(family[0].plain) else _combined(operation, family[0].plain, used)
        for family in families
    ]


def further(
    operation: Operation, families: Sequence[Family], others: Iterable[CombinedFault]
) -> tuple[list[CombinedFault], list[CombinedFault]]:
    """Faults for the pairs of a rule and a value that no other request covers, several pairs in each.

    The second list has those without the marks of the run, and those that ask for several images.
    """
    used = {(each.rule.id, value) for each in others for value in values_of_fault(operation, each)}
    cheap, rest = list[CombinedFault](), list[CombinedFault]()
    for family in families:
        covered = {value for each in family for value in values_of_fault(operation, each)}
        open_ = [
            value
            for value in values_with(operation, family)
            if value not in covered and (family[0].rule.id, value) not in used
        ]
        special = [value for value in open_ if _is_special(operation, value)]
        left = [value for value in open_ if value not in special]
        # The request for the special values has one of the others of each field as well.
        rest += (last := list(_covering(operation, family, special, left)))
        left = [value for value in left if not any(value in each.values for each in last)]
        cheap += _covering(operation, family, left)
    return cheap, rest


def _is_special(operation: Operation, value: Value) -> bool:
    fields = values_of(operation)[value].fields
    return value.field in (parts.EXTERNAL_ID, parts.CALLBACK) or images_in(fields) > 1


def _covering(
    operation: Operation, family: Family, values: Sequence[Value], more: Sequence[Value] = ()
) -> Iterator[CombinedFault]:
    """Faults of a family that have all of the values that are possible, and some `more`."""
    left = list(values)
    while left:
        wanted = (*left, *more)
        made = next(filter(None, (_with_some(operation, each.plain, wanted) for each in family)), None)
        if made is None or not set(left) & set(made.values):
            return
        yield made
        left = [value for value in left if value not in made.values]


def with_single_values(operation: Operation, each: CombinedFault) -> Iterator[CombinedFault]:
    """The fault with each of its values of other fields alone."""
    for value in each.values:
        body = body_with(each.plain.body, values_of(operation)[value], operation.field(value.field))
        yield _named(each.plain, body, [value], marked=value.field not in (parts.EXTERNAL_ID, parts.CALLBACK))


def values_of_fault(operation: Operation, each: CombinedFault) -> frozenset[Value]:
    """The values of a request, including those that the run adds."""
    marks = _marks(operation) if each.marked else {}
    return values_in(operation, marks | each.fault.body)


def _marks(operation: Operation) -> Body:
    names = [parts.EXTERNAL_ID] if parts.has(operation, parts.EXTERNAL_ID) else []
    names += [parts.CALLBACK] if parts.calls_back(operation) else []
    return dict.fromkeys(names, GIVEN)


def is_large(fault: Fault) -> bool:
    """Whether a body has an image of several megabytes."""
    return fault.rule.id.endswith(".max_bytes")


def _combined(operation: Operation, fault: Fault, used: _Used) -> CombinedFault:
    """The fault with the value of each free field that its rule has met least often, if that is valid."""
    by_field: dict[str, list[Value]] = {}
    for value, feature in values_of(operation).items():
        # The run has its own ids and URLs; the requests of a family cost one image if they are accepted.
        if feature.fields and value.tag != GIVEN and images_in(feature.fields) == 1:
            by_field.setdefault(value.field, []).append(value)
    body, added = dict(fault.body), list[Value]()
    for name, values in by_field.items():
        if name in body:
            continue
        for value in sorted(values, key=lambda it: used[fault.rule.id, it]):
            if _remains(operation, fault, body, value):
                body = body_with(body, values_of(operation)[value], operation.field(name))
                added.append(value)
                used[fault.rule.id, value] += 1
                break
            if used[fault.rule.id, value]:
                break
    return _named(fault, body, added)


def _named(fault: Fault, body: Body, added: Sequence[Value], *, marked: bool = True) -> CombinedFault:
    tag = f"{fault.tag}{TOGETHER}{', '.join(map(str, added))}" if added else fault.tag
    return CombinedFault(fault, fault._replace(body=body, tag=tag), tuple(added), marked)


def _with_some(operation: Operation, fault: Fault, left: Sequence[Value]) -> CombinedFault | None:
    """The fault with one of the values left of each field; None if none can be added."""
    body, added = dict(fault.body), list[Value]()
    marked = not any(value.field in (parts.EXTERNAL_ID, parts.CALLBACK) for value in left)
    for value in left:
        if value.field not in {it.field for it in added} and _remains(operation, fault, body, value):
            body = body_with(body, values_of(operation)[value], operation.field(value.field))
            added.append(value)
    return _named(fault, body, added, marked=marked) if added else None


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
    """The values of other fields that a rule can be broken together with; none for the size of an image."""
    rule_id = family[0].rule.id
    others = [value for value in values_of(operation) if value.field != _owner(operation, rule_id)]
    plain = [each.plain for each in family if not is_large(each.plain)]
    if not plain or not operation.constraints:
        return others if plain else []
    present = {value for each in family for value in values_in(operation, each.fault.body)}
    return [
        value
        for value in others
        if value in present or any(_remains(operation, fault, fault.body, value) for fault in plain)
    ]


def coverage(
    operation: Operation,
    families: Sequence[Family],
    refused: Iterable[CombinedFault],
    valid: Iterable[tuple[Body, bool]],
    *,
    receiver: bool,
) -> Coverage:
    """The pairs that some requests cover: invalid ones (their rule), and the bodies of valid ones.

    `valid` has every body of a plan with enough images, and whether it is sent. Without a `receiver` of
    callbacks no request has a callback URL, so its pairs do not count.
    """
    known = [value for value in values_of(operation) if receiver or value.field != parts.CALLBACK]
    total = {
        (family[0].rule.id, value)
        for family in families
        for value in values_with(operation, family)
        if value in known
    }
    broken = {(each.rule.id, value) for each in refused for value in values_of_fault(operation, each)} & total
    possible, left = OpenPairs(known), OpenPairs(known)
    every = len(possible)
    for body, sent in valid:
        values = values_in(operation, body)
        possible.cover(values)
        if sent:
            left.cover(values)
    impossible = len(possible)
    return Coverage(len(broken) + every - len(left), len(total) + every - impossible)
