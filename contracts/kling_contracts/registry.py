"""The registry of checks: all checks and steps in order, and functions that verify a server with them.

It imports both `verify`, which does not depend on any check, and `checks`, which do not depend on runs or
reports.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kling_contracts.checks import (
    account_isolation,
    authentication,
    callbacks,
    concurrency,
    create_errors,
    external_ids,
    invalid_requests,
    lifecycle,
    lifecycle_rules,
    malformed_bodies,
    new_tasks,
    outcomes,
    pagination,
    polling,
    repeated_names,
    responses,
    result_images,
    routing,
    side_effects,
    task_queries,
    upgrade_offers,
    valid_requests,
)
from kling_contracts.checks.value_comparison import naming_values
from kling_contracts.gateways import GATEWAYS, Gateway
from kling_contracts.verify.known_deviations import Deviation
from kling_contracts.verify.model import Check, Step, Suite
from kling_contracts.verify.plan import Options
from kling_contracts.verify.recorder import Recorder
from kling_contracts.verify.report import Report

if TYPE_CHECKING:
    from kling_contracts.verify.runner import Progress

_CHECKS: Final = (
    responses.checks,
    create_errors.checks,
    routing.path_checks,
    authentication.checks,
    malformed_bodies.checks,
    upgrade_offers.checks,
    repeated_names.checks,
    routing.unknown_id_checks,
    pagination.checks,
    side_effects.list_checks,
    invalid_requests.checks,
    external_ids.checks,
    valid_requests.checks,
    account_isolation.checks,
    routing.near_id_checks,
    new_tasks.checks,
    task_queries.checks,
    lifecycle_rules.checks,
    lifecycle.checks,
    polling.checks,
    outcomes.checks,
    concurrency.checks,
    result_images.checks,
    callbacks.checks,
    side_effects.callback_checks,
)
_STEPS: Final = (
    routing.path_steps,
    authentication.steps,
    malformed_bodies.steps,
    upgrade_offers.steps,
    routing.unknown_id_steps,
    pagination.steps,
    side_effects.steps,
    invalid_requests.steps,
    external_ids.steps,
    valid_requests.steps,
    routing.near_id_steps,
    account_isolation.steps,
    repeated_names.steps,
    outcomes.steps,
    polling.steps,
    result_images.steps,
    callbacks.steps,
)


@cache
def checks_of(gateway: Gateway) -> tuple[Check, ...]:
    """The checks that apply to a gateway, in order of groups."""
    return tuple(naming_values(check) for checks in _CHECKS for check in checks(gateway))


@cache
def steps_of(gateway: Gateway) -> tuple[Step, ...]:
    """The steps of a run in order: free steps first, the most expensive last."""
    found = [step for steps in _STEPS for step in steps(gateway)]
    return tuple(sorted(found, key=lambda step: step.stage))


SUITE: Final = Suite(checks_of, steps_of)


def verify(options: Options, *, progress: Progress | None = None, recorder: Recorder | None = None) -> Report:
    """Verify a server with all checks. Raises Unreachable, ValueError, LookupError; see `runner.run`."""
    from kling_contracts.verify.runner import run

    return run(options, SUITE, progress=progress, recorder=recorder)


def judge_recording(
    path: Path,
    *,
    only: Sequence[str] = (),
    known: Sequence[Deviation] = (),
    gateways: Sequence[Gateway] = GATEWAYS,
    strict: bool = False,
) -> Report:
    """Judge a recording without network access. Raises BadRecording, OSError.

    `only` (check ids or patterns) replaces the selection of the recorded run. `gateways` are the gateways
    that the recording may name. `strict`: rules that no source settles count as well.
    """
    from kling_contracts.verify.recording import judge

    return judge(path, SUITE, only=only, known=known, gateways=gateways, strict=strict)
