"""Every check and every step, in order. Which there are depends on what a gateway offers."""

from __future__ import annotations

from functools import cache

from kling_contracts.checks import (
    accepting,
    accounts,
    authentication,
    callbacks,
    conduct,
    create_errors,
    deliveries,
    envelopes,
    external_ids,
    following,
    leaks,
    leftovers,
    life_cycle,
    lists,
    looking,
    malformed,
    near_ids,
    new_tasks,
    outcomes,
    page_bounds,
    pictures,
    queries,
    refusing,
    stray_callbacks,
    strays,
    unknown_ids,
)
from kling_contracts.gateways import Gateway
from kling_contracts.verify.model import Check, Step

# What only sends has no checks, and what only judges has no steps.
_CHECKING = (
    envelopes,
    leaks,
    create_errors,
    strays,
    authentication,
    malformed,
    unknown_ids,
    page_bounds,
    lists,
    leftovers,
    refusing,
    external_ids,
    accepting,
    accounts,
    near_ids,
    new_tasks,
    queries,
    conduct,
    life_cycle,
    looking,
    outcomes,
    pictures,
    callbacks,
    stray_callbacks,
)
_SENDING = (
    strays,
    authentication,
    malformed,
    unknown_ids,
    page_bounds,
    lists,
    leftovers,
    refusing,
    external_ids,
    accepting,
    near_ids,
    accounts,
    outcomes,
    following,
    looking,
    pictures,
    deliveries,
)


@cache
def checks_of(gateway: Gateway) -> tuple[Check, ...]:
    """The checks that apply to a gateway, by group."""
    return tuple(check for group in _CHECKING for check in group.checks(gateway))


@cache
def steps_of(gateway: Gateway) -> tuple[Step, ...]:
    """What a run does, in order: what is free comes first, what costs most last."""
    steps = [step for group in _SENDING for step in group.steps(gateway)]
    return tuple(sorted(steps, key=lambda step: step.stage))
