"""The invalid requests of a run by rule, in the order in which they are sent."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache
from itertools import groupby
from typing import Final

from kling_contracts.checks.combined_faults import CombinedFault, Family, again, combined_faults, further
from kling_contracts.gateways import Gateway

REPEATED: Final = "refused: repeated"
OTHERS: Final = "refused: several images or no external id"


@cache
def _first_families(gateway: Gateway) -> tuple[Family, ...]:
    ordered = sorted(combined_faults(gateway.main), key=lambda fault: fault.rule.id)
    return tuple(tuple(family) for _, family in groupby(ordered, lambda fault: fault.rule.id))


@cache
def repeated_of(gateway: Gateway) -> list[CombinedFault]:
    """One fault of each rule, with other values of the other fields; not those of large bodies."""
    return again(gateway.main, _first_families(gateway))


@cache
def _further(gateway: Gateway) -> tuple[list[CombinedFault], list[CombinedFault]]:
    return further(gateway.main, _first_families(gateway), repeated_of(gateway))


@cache
def families_of(gateway: Gateway) -> tuple[Family, ...]:
    """The faults by rule, the last ones of each rule for values that its other faults do not have."""
    more = {rule: list(each) for rule, each in groupby(_further(gateway)[0], lambda each: each.rule.id)}
    return tuple((*family, *more.get(family[0].rule.id, ())) for family in _first_families(gateway))


def others_of(gateway: Gateway) -> list[CombinedFault]:
    """Faults for several images, or without an external id and a callback URL."""
    return _further(gateway)[1]


def step_of(family: Family) -> str:
    """The name of the step that sends a family."""
    return f"refused: {family[0].rule.id}"


def sent_by(gateway: Gateway, steps: Collection[str]) -> Iterator[CombinedFault]:
    """The invalid requests of some steps, by name."""
    for family in families_of(gateway):
        if step_of(family) in steps:
            yield from family
    yield from repeated_of(gateway) if REPEATED in steps else ()
    yield from others_of(gateway) if OTHERS in steps else ()
