"""The task life cycle: a task is shown in processing, its changes have times of their own, and it ends."""

from __future__ import annotations

from itertools import pairwise
from typing import Final, cast

from kling_contracts.checks.histories import ended, ended_as, violations_of
from kling_contracts.checks.polling import is_unpolled, stuck_after
from kling_contracts.gateways import Gateway
from kling_contracts.verify.evidence import Evidence, Observation, TaskHistory
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.model import Check, CheckContext
from kling_contracts.vocabulary import KLING_LIVE, KLING_PAGE, SEED, TaskStatus

# A state observed for longer than this, in seconds, changed later than one tick of the server's clock.
_MOMENT: Final = 0.1

# With fewer closely polled tasks, a status that none of them showed may have been missed by chance.
_ENOUGH: Final = 2


def checks(gateway: Gateway) -> tuple[Check, ...]:
    moves = Check(
        id="lifecycle.time.moves",
        sentence="updated_at changes when the status changes",
        source=KLING_LIVE,
        judge=_judge_moves,
    )
    processing = Check(
        id="lifecycle.processing",
        sentence="a task is shown in status processing before it succeeds",
        source=SEED,
        judge=_judge_processing,
        unless=("lifecycle.status.word", "lifecycle.state.order"),
    )
    return (
        *(() if gateway.main.synchronous else (moves, processing)),
        Check(
            id="lifecycle.images.own",
            sentence="no two tasks share a result URL",
            source=KLING_PAGE,
            judge=_judge_urls,
        ),
        Check(
            id="lifecycle.ends",
            sentence="every task ends",
            source=SEED,
            judge=_judge_ends,
            unless=("lifecycle.status.word",),
        ),
    )


def _judge_processing(evidence: Evidence, context: CheckContext) -> None:
    """Judge tasks whose queries left little time for the status; one that shows it is enough."""
    histories = [each for each in evidence.histories() if ended_as(each, TaskStatus.SUCCEED)]
    callbacks = {it.task.task_status for it in evidence.deliveries if it.task is not None}
    shown = {observation.task.task_status for each in histories for observation in each.reads}
    if TaskStatus.PROCESSING in shown | callbacks:
        context.hold()
        return
    pairs = [pair for pair in map(_end_of_submitted, histories) if pair]
    if len(pairs) >= _ENOUGH:
        history, before, after = pairs[0]
        context.expect(
            False,
            f"{len(pairs)} tasks were polled closely, and none was shown in status processing",
            expected="submitted, processing, succeed",
            actual="submitted, succeed",
            shown=(history.created, before.shown, after.shown),
        )


def _end_of_submitted(history: TaskHistory) -> tuple[TaskHistory, Observation, Observation] | None:
    """The queries before and after the end, if at most half of the task's duration lies between them."""
    duration = history.duration
    for before, after in pairwise(history.reads):
        if after is history.end and before.task.task_status == TaskStatus.SUBMITTED:
            unseen = after.at - cast("Exchange", before.shown).sent_at
            return (history, before, after) if duration and unseen <= duration / 2 else None
    return None


def _judge_moves(evidence: Evidence, context: CheckContext) -> None:
    """Judge changes of a state that was observed for some time, so that the change must have a later time."""
    for history in evidence.histories():
        if any(each.rule.startswith(("state.", "time.unit")) for each in violations_of(history)):
            continue  # the timestamps are violations themselves, and cannot be compared
        since = history.observations[0]
        for before, after in pairwise(history.observations):
            if before.task.task_status != since.task.task_status:
                since = before
            if after.task.task_status == before.task.task_status:
                continue
            stood = cast("Exchange", before.shown).sent_at - since.at
            old, new = before.task.updated_at or 0, after.task.updated_at or 0
            # Some servers store whole seconds.
            if stood > (_MOMENT if old % 1000 or new % 1000 else _MOMENT + 1):
                was, became = before.task.task_status, after.task.task_status
                context.expect(
                    new != old,
                    f"a task was {was} for {stood:.1f} s, then {became}, but updated_at did not change",
                    expected="the time of the change",
                    actual=str(new),
                    shown=(history.created, before.shown, after.shown),
                )


def _judge_urls(evidence: Evidence, context: CheckContext) -> None:
    owners: dict[str, TaskHistory] = {}
    histories = [each for each in evidence.histories() if each.end and each.end.task.results]
    for history in histories if len(histories) > 1 else ():
        for url in {result.url for result in history.end.task.results} if history.end else ():
            owner = owners.setdefault(url, history)
            if owner.end is not None and history.end is not None:
                context.expect(
                    owner is history,
                    "two tasks have the same result URL",
                    expected="a URL for each image" if history.kind.drawn else "a URL for each result",
                    actual=url,
                    shown=(owner.created, owner.end.shown, history.created, history.end.shown),
                )


def _judge_ends(evidence: Evidence, context: CheckContext) -> None:
    histories = [history for history in evidence.histories() if not is_unpolled(history) and history.reads]
    slowest, patience = stuck_after(histories)
    for history in histories:
        age = history.reads[-1].at - history.created.received_at
        if ended(history) or age > patience:
            context.expect(
                ended(history),
                f"a task has not ended after {age:.0f} seconds; the slowest other task took {slowest:.1f}",
                expected="succeed or failed",
                actual=str(history.reads[-1].task.task_status),
                shown=(history.created, history.reads[-1].shown),
            )
