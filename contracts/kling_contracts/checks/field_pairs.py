"""Pairs of field values: the requests of a run combine the values of different fields, at no further cost.

Some servers read or count one field differently if another one is given. Invalid requests cost nothing, so
each has valid values of other fields; valid creates have images in the fields that they leave free.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

from kling_contracts.checks.request_features import features_of
from kling_contracts.operations import Operation
from kling_contracts.verify import parts
from kling_contracts.verify.bodies import Fault, Feature, faults
from kling_contracts.verify.budget import RESULTS, images_in

# Fields that every request sets for purposes of the run, or that change the cost.
_SET_BY_THE_RUN = (parts.EXTERNAL_ID, parts.CALLBACK, RESULTS)
# Bodies above this size, in characters of their largest text, are sent as they are.
_LARGEST = 100_000


class Coverage(NamedTuple):
    """The number of pairs of a broken rule, or a valid value, with a valid value of another field."""

    covered: int
    total: int

    @property
    def share(self) -> float:
        return self.covered / self.total if self.total else 1.0


@cache
def _values(operation: Operation) -> dict[str, tuple[Feature, ...]]:
    """The valid values of each field that other requests may combine with their own."""
    return {
        field.name: tuple(each for each in features_of(field) if images_in(each.fields) == 1)
        for field in operation.fields
        if field.name not in _SET_BY_THE_RUN
    }


def combined_faults(operation: Operation) -> Iterator[Fault]:
    """The faults of an operation; all but the first of each rule with valid values of other fields."""
    seen = Counter[str]()
    used = Counter[tuple[str, str, str]]()
    for fault in faults(operation):
        seen[fault.rule.id] += 1
        plain = seen[fault.rule.id] == 1 or _is_large(fault.body)
        yield fault if plain else _combined(operation, fault, used)


def again(operation: Operation, families: Iterable[Sequence[Fault]]) -> list[Fault]:
    """The first fault of each family once more, with values that its rule has met least often."""
    used = Counter[tuple[str, str, str]]()
    for family in families:
        for fault in family:
            used.update(_pairs_of(operation, fault))
    return [
        family[0] if _is_large(family[0].body) else _combined(operation, family[0], used)
        for family in families
    ]


def _is_large(body: dict[str, object]) -> bool:
    return len(repr(body)) > _LARGEST


def _combined(operation: Operation, fault: Fault, used: Counter[tuple[str, str, str]]) -> Fault:
    """The fault with the value of each free field that its rule has met least often, if that is valid."""
    body, tags = dict(fault.body), list[str]()
    for name, features in _values(operation).items():
        if name in body:
            continue
        for feature in sorted(features, key=lambda it: used[fault.rule.id, name, it.tag]):
            candidate = body | dict(feature.fields)
            broken = {each.rule.id for each in operation.read(candidate).violations}
            if broken == {fault.rule.id}:
                body = candidate
                tags.append(feature.tag)
                used[fault.rule.id, name, feature.tag] += 1
                break
            if used[fault.rule.id, name, feature.tag]:
                break
    return fault._replace(body=body, tag=f"{fault.tag}; {', '.join(tags)}" if tags else fault.tag)


def _pairs_of(operation: Operation, fault: Fault) -> Iterator[tuple[str, str, str]]:
    for name, features in _values(operation).items():
        for feature in features:
            if name in fault.body and fault.body[name] == feature.fields[name]:
                yield fault.rule.id, name, feature.tag


def coverage(
    operation: Operation, families: Iterable[Sequence[Fault]], requests: Iterable[Sequence[Feature]]
) -> Coverage:
    """The pairs covered by a run with every step: by invalid requests (their rule), and by valid ones."""
    values = _values(operation)
    rules = {fault.rule.id: fault.rule for fault in faults(operation)}
    total = {
        (rule, name, feature.tag)
        for rule in rules
        for name, features in values.items()
        for feature in features
        if not rule.startswith(f"{name}.")
    }
    families = list(families)
    sent = [fault for family in (*families, again(operation, families)) for fault in family]
    covered = {pair for fault in sent for pair in _pairs_of(operation, fault)} & total
    valid = [feature for features in values.values() for feature in features]
    both = {
        frozenset((one.tag, two.tag))
        for one in valid
        for two in valid
        if one.fields.keys().isdisjoint(two.fields)
    }
    together = {
        frozenset((one.tag, two.tag)) for features in requests for one in features for two in features
    }
    return Coverage(len(covered) + len(both & together), len(total) + len(both))
