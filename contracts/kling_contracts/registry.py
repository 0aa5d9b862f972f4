"""The registry of checks: every check and every step in order, and what runs and judges with all of them.

It stands above `verify`, which knows no check, and `checks`, which know neither runs nor reports.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

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
from kling_contracts.gateways import GATEWAYS, Gateway
from kling_contracts.verify.known_deviations import Deviation
from kling_contracts.verify.model import Check, Step, Suite
from kling_contracts.verify.plan import Options
from kling_contracts.verify.recorder import Recorder
from kling_contracts.verify.report import Report

if TYPE_CHECKING:
    from kling_contracts.verify.runner import Progress

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


SUITE: Final = Suite(checks_of, steps_of)


def verify(options: Options, *, progress: Progress | None = None, recorder: Recorder | None = None) -> Report:
    """Verify a server with all checks. Raises Unreachable, ValueError, LookupError as `runner.run` does."""
    from kling_contracts.verify.runner import run

    return run(options, SUITE, progress=progress, recorder=recorder)


def judge_recording(
    path: Path,
    *,
    only: Sequence[str] = (),
    known: Sequence[Deviation] = (),
    gateways: Sequence[Gateway] = GATEWAYS,
) -> Report:
    """The report on a recording, with no network. Raises BadRecording, OSError.

    `only` replaces the choice that the run was made with. `gateways` are those that it may be about.
    """
    from kling_contracts.verify.recording import judge

    return judge(path, SUITE, only=only, known=known, gateways=gateways)
