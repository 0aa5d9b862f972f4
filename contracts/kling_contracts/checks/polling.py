"""Polling: queries until all tasks have ended, and after that; a query must not change a task.

The observations are judged here and by the checks whose ids begin with `lifecycle`.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from kling_contracts.checks.histories import ended, is_consistent
from kling_contracts.gateways import Gateway
from kling_contracts.verify.evidence import Evidence, TaskHistory
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.model import Check, CheckContext, Stage, Step
from kling_contracts.verify.probes import Label, ProbeKind
from kling_contracts.verify.session import Session
from kling_contracts.vocabulary import KLING_LIVE, SEED, TaskStatus

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0
_AGAIN_ROUNDS: Final = 3
_PARALLEL: Final = 6
# Stop polling a task after this many answers without the task, or this many transport failures.
_MOST_POLLS: Final = 20
_MOST_LOST: Final = 3
# A task is stuck at this multiple of the slowest task's duration, but not before this age in seconds.
_STUCK_FACTOR: Final = 10
_STUCK_AGE: Final = 10.0
# The age in seconds if no task has ended; the slowest captured task of the service took 41 seconds.
_ALL_STUCK_AGE: Final = 90.0

_BURST: Final = 10
# First poll of the unpolled task: 1.5 x the slowest task's duration, plus one second.
_PATIENCE: Final = 1.5
_MARGIN: Final = 1.0
_JUST_NOW: Final = 0.4
_POLL_PAUSE: Final = 0.25


def steps(gateway: Gateway) -> tuple[Step, ...]:
    return (*_poll_steps(gateway), *_unpolled_steps(gateway))


def _poll_steps(gateway: Gateway) -> tuple[Step, ...]:
    fed = (
        "lifecycle.*",
        "polling.*",
        "result_images.*",
        "callbacks.*",
        "concurrency.*",
        "lists.*",
        "external_ids.echoed",
        "outcomes.*",
        "requests.repeated_name",
        "responses.*",
    )
    return (
        Step(
            name="tasks: until they end",
            stage=Stage.ENDING,
            description="queries for all tasks in turn, except one that is not polled",
            run=_poll,
            requests=100,
            checks=fed,
        ),
        Step(
            name="tasks: after their end",
            stage=Stage.ENDED,
            description="queries for all tasks after they have ended",
            run=_poll_again,
            requests=(_AGAIN_ROUNDS + 1) * 11,
            checks=("lifecycle.*", "responses.*"),
        ),
    )


def is_unpolled(history: TaskHistory) -> bool:
    """Whether a task is not polled until the others have ended; never true for synchronous tasks."""
    return history.created.probe.about == Label.UNPOLLED and not history.synchronous


def stuck_after(histories: Sequence[TaskHistory]) -> tuple[float, float]:
    """The duration of the slowest ended task, and the age at which others count as stuck, in seconds."""
    done = [history.duration for history in histories if ended(history)]
    return (max(done), max(max(done) * _STUCK_FACTOR, _STUCK_AGE)) if done else (0.0, _ALL_STUCK_AGE)


def _poll(session: Session) -> None:
    for history in session.evidence.histories():
        if history.synchronous and session.time_left > 0:  # a query must find it, though it has ended
            session.query(ProbeKind.POLL, history.id, key=session.key_of(history))
    pause = _FIRST_PAUSE
    while session.time_left > 0:
        histories = [history for history in session.evidence.histories() if not is_unpolled(history)]
        waiting = [
            history for history in histories if not ended(history) and not _is_lost(session.evidence, history)
        ]
        _, patience = stuck_after(histories)
        now = session.waiter.now()
        stuck = [history for history in waiting if now - history.created.received_at > patience]
        if len(waiting) == len(stuck):
            for history in stuck:  # a last poll after the age at which they count as stuck
                session.query(ProbeKind.POLL, history.id, key=session.key_of(history))
            return
        for history in waiting:
            if session.time_left > 0:
                session.query(ProbeKind.POLL, history.id, key=session.key_of(history))
        session.waiter.sleep(min(pause, max(session.time_left, 0)))
        pause = min(pause * 1.25, _LONGEST_PAUSE)


def _is_lost(evidence: Evidence, history: TaskHistory) -> bool:
    """Whether polling is pointless: queries fail, or the task keeps a status that the API does not have."""
    asked = evidence.sent(ProbeKind.POLL, history.id)
    if sum(not each.answered for each in asked) > _MOST_LOST or len(asked) - len(history.reads) > _MOST_POLLS:
        return True
    words = {str(each.task.task_status) for each in history.reads}
    return len(history.reads) > _MOST_POLLS and not words & {status.value for status in TaskStatus}


def _poll_again(session: Session) -> None:
    """Query ended tasks three times in sequence, then concurrently, which must not mix up answers."""
    for _ in range(_AGAIN_ROUNDS):
        for history in session.evidence.histories():
            if ended(history) and session.time_left > 0:
                session.query(ProbeKind.AGAIN, history.id, key=session.key_of(history))
        session.waiter.sleep(min(0.2, max(session.time_left, 0)))
    done = [history for history in session.evidence.histories() if ended(history)]
    with ThreadPoolExecutor(_PARALLEL) as pool:
        for history in done:
            pool.submit(session.query, ProbeKind.AGAIN, history.id, "at once", session.key_of(history))


def checks(gateway: Gateway) -> tuple[Check, ...]:
    if gateway.main.synchronous:
        return ()
    return (
        Check(
            id="polling.no_observer_effect",
            sentence="the state of a task does not depend on the number of polls",
            source=SEED,
            judge=_judge_pace,
        ),
        Check(
            id="polling.no_timestamp_effect",
            sentence="updated_at is the time of the change, not of the poll that first shows it",
            source=KLING_LIVE,
            judge=_judge_stamp,
        ),
    )


def _unpolled_steps(gateway: Gateway) -> tuple[Step, ...]:
    if gateway.main.synchronous:
        return ()
    return (
        Step(
            name="the unpolled task",
            stage=Stage.ENDING,
            description=f"the first poll after the other tasks have ended, then {_BURST} in quick succession",
            run=_poll_unpolled,
            requests=1 + _BURST,
            checks=("polling.*", "lifecycle.*", "responses.*"),
        ),
    )


def _unpolled(evidence: Evidence) -> TaskHistory | None:
    return next((history for history in evidence.histories() if is_unpolled(history)), None)


def _slowest(evidence: Evidence) -> float:
    return max(
        (history.duration for history in evidence.histories() if not is_unpolled(history)), default=0.0
    )


def _poll_unpolled(session: Session) -> None:
    history = _unpolled(session.evidence)
    if history is None:
        return
    due = history.created.received_at + _slowest(session.evidence) * _PATIENCE + _MARGIN
    session.waiter.sleep(min(max(due - session.waiter.now(), 0), max(session.time_left, 0)))
    key = session.key_of(history)
    session.query(ProbeKind.FIRST_POLL, history.id, key=key)
    for _ in range(_BURST):
        session.query(ProbeKind.BURST, history.id, key=key)
    while session.time_left > 0:
        now = _unpolled(session.evidence)
        age = session.waiter.now() - history.created.received_at
        if now is None or ended(now) or age > max(_slowest(session.evidence) * 10, 20):
            return
        session.waiter.sleep(_POLL_PAUSE)
        session.query(ProbeKind.POLL, history.id, key=key)


def _judge_pace(evidence: Evidence, context: CheckContext) -> None:
    history = _unpolled(evidence)
    if history is None or not _slowest(evidence) or not is_consistent(history):
        return
    kinds = (ProbeKind.FIRST_POLL, ProbeKind.BURST)
    polls = [
        each for each in history.reads if isinstance(each.shown, Exchange) and each.shown.probe.kind in kinds
    ]
    if not polls:
        return
    moved = next((each for each in polls if each.task.task_status != polls[0].task.task_status), None)
    context.expect(
        moved is None,
        f"{len(polls)} polls in quick succession changed a task's state",
        expected=f"{polls[0].task.task_status} in each answer",
        actual=" ".join(str(each.task.task_status) for each in polls),
        shown=(history.created, polls[0].shown, *([moved.shown] if moved else [])),
    )


def _judge_stamp(evidence: Evidence, context: CheckContext) -> None:
    history = _unpolled(evidence)
    slowest = _slowest(evidence)
    if history is None or history.end is None or not slowest:
        return
    end = history.end
    if end is not history.reads[0]:
        return  # the task took longer than all others, so the times cannot be compared
    age = end.at - history.created.received_at
    just_now = age - history.duration < _JUST_NOW and history.duration > slowest * 1.2
    context.expect(
        not just_now,
        f"a task was first polled after {age:.1f} s, and its updated_at is the time of that poll",
        expected=f"updated_at about {slowest:.1f} s after created_at, as for the other tasks",
        actual=f"updated_at is {history.duration:.1f} s after created_at",
        shown=(history.created, end.shown),
    )
