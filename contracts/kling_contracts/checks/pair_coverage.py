"""The share of the pairs of values of two fields that the requests of a plan cover.

A pair is a broken rule, or a valid value, with a valid value of another field.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from kling_contracts.checks.combined_faults import values_of_fault, values_with
from kling_contracts.checks.combined_requests import requests_of
from kling_contracts.checks.covering_array import UncoveredPairs
from kling_contracts.checks.field_values import Value, values_in, values_of
from kling_contracts.checks.invalid_bodies import families_of, sent_by
from kling_contracts.checks.request_combinations import body_in
from kling_contracts.gateways import Gateway
from kling_contracts.verify import parts
from kling_contracts.verify.model import Requirement
from kling_contracts.verify.plan import Planned


class Coverage(NamedTuple):
    """The number of pairs that some requests cover, and of those that any request can cover."""

    covered: int
    total: int

    @property
    def share(self) -> float:
        return self.covered / self.total if self.total else 1.0


def pairs_covered(gateway: Gateway, planned: Sequence[Planned]) -> Coverage:
    """The pairs that a plan covers. Without a receiver of callbacks those of a callback URL do not count."""
    steps = {each.step.name for each in planned if each.missing is None}
    receiver = not any(each.missing is Requirement.RECEIVER for each in planned)
    known = [value for value in values_of(gateway.main) if receiver or value.field != parts.CALLBACK]
    refused, valid = _refused_pairs(gateway, steps, known), _valid_pairs(gateway, steps, known)
    return Coverage(refused.covered + valid.covered, refused.total + valid.total)


def _refused_pairs(gateway: Gateway, steps: Collection[str], known: Collection[Value]) -> Coverage:
    operation = gateway.main
    total = {
        (family[0].rule.id, value)
        for family in families_of(gateway)
        for value in values_with(operation, family)
        if value in known
    }
    sent = sent_by(gateway, steps)
    covered = {(each.rule.id, value) for each in sent for value in values_of_fault(operation, each)}
    return Coverage(len(covered & total), len(total))


def _valid_pairs(gateway: Gateway, steps: Collection[str], known: Collection[Value]) -> Coverage:
    """The pairs of the creates; all creates together have every pair that is possible."""
    planned, possible = UncoveredPairs(known), UncoveredPairs(known)
    every = len(possible)
    for request in requests_of(gateway):
        values = values_in(gateway.main, body_in(gateway.main, request))
        possible.cover(values)
        if request.step_name in steps:
            planned.cover(values)
    return Coverage(every - len(planned), every - len(possible))
