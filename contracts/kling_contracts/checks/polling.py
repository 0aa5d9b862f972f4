"""Polling: queries until all tasks have ended, and long after that; they do not move a task.

What the steps see here is judged by the checks whose ids begin with `life_cycle`, and by others.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from kling_contracts.checks.histories import ended, is_steady, lasted
from kling_contracts.gateways import Gateway
from kling_contracts.verify.credentials import Credential
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
# So many queries in vain, and so many that got no answer at all, and a task is given up.
_MOST_POLLS: Final = 20
_MOST_LOST: Final = 3
# A task is stuck when it is so many times as old as the slowest that has ended, and this old at least.
_STUCK_FACTOR: Final = 10
_STUCK_AGE: Final = 10.0
# The same where none has ended: the slowest that was captured took 41 seconds.
_ALL_STUCK_AGE: Final = 90.0

_BURST: Final = 10
# By then the others are long done: so many times as long as the slowest took, and a second.
_PATIENCE: Final = 1.5
_MARGIN: Final = 1.0
_JUST_NOW: Final = 0.4
_LOOK_PAUSE: Final = 0.25


def steps(gateway: Gateway) -> tuple[Step, ...]:
    return (*_poll_steps(gateway), *_look_steps(gateway))


def _poll_steps(gateway: Gateway) -> tuple[Step, ...]:
    fed = (
        "lifecycle.*",
        "polling.*",
        "result_images.*",
        "callbacks.*",
        "lists.*",
        "external_ids.echoed",
        "outcomes.*",
        "responses.*",
    )
    return (
        Step(
            name="tasks: until they end",
            stage=Stage.ENDING,
            description="queries for all tasks in turn, but one that nobody watches",
            run=_poll,
            requests=100,
            checks=fed,
        ),
        Step(
            name="tasks: after their end",
            stage=Stage.ENDED,
            description="queries for all tasks, long after they have ended",
            run=_poll_again,
            requests=(_AGAIN_ROUNDS + 1) * 11,
            checks=("lifecycle.*", "responses.*"),
        ),
    )


def is_unwatched(history: TaskHistory) -> bool:
    """Whether a task is left alone until the others have ended; one that ends with its create never is."""
    return history.created.probe.about == Label.UNWATCHED and not history.synchronous


def key_of(session: Session, history: TaskHistory) -> Credential | None:
    """The credential that a task was created with."""
    return session.keys.second if history.created.credential == "second" else session.keys.first


def patience_with(histories: Sequence[TaskHistory]) -> tuple[float, float]:
    """How long the slowest took that has ended, and the age in seconds at which others count as stuck."""
    done = [lasted(history) for history in histories if ended(history)]
    return (max(done), max(max(done) * _STUCK_FACTOR, _STUCK_AGE)) if done else (0.0, _ALL_STUCK_AGE)


def _poll(session: Session) -> None:
    for history in session.evidence.histories():
        if history.synchronous and session.time_left > 0:  # ended or not, it has to be found
            session.query(ProbeKind.POLL, history.id, key=key_of(session, history))
    pause = _FIRST_PAUSE
    while session.time_left > 0:
        histories = [history for history in session.evidence.histories() if not is_unwatched(history)]
        waiting = [
            history
            for history in histories
            if not ended(history) and not _hopeless(session.evidence, history)
        ]
        _, patience = patience_with(histories)
        now = session.waiter.now()
        stuck = [history for history in waiting if now - history.created.received_at > patience]
        if len(waiting) == len(stuck):
            for history in stuck:  # a last look at the age at which they count as stuck
                session.query(ProbeKind.POLL, history.id, key=key_of(session, history))
            return
        for history in waiting:
            if session.time_left > 0:
                session.query(ProbeKind.POLL, history.id, key=key_of(session, history))
        session.waiter.sleep(min(pause, max(session.time_left, 0)))
        pause = min(pause * 1.25, _LONGEST_PAUSE)


def _hopeless(evidence: Evidence, history: TaskHistory) -> bool:
    """Whether nothing more can be learnt: queries fail, or a status that is no word of the API never ends."""
    asked = [
        each
        for each in evidence.exchanges
        if each.probe.kind == ProbeKind.POLL and each.probe.about == history.id
    ]
    if sum(not each.answered for each in asked) > _MOST_LOST or len(asked) - len(history.reads) > _MOST_POLLS:
        return True
    words = {str(each.task.task_status) for each in history.reads}
    return len(history.reads) > _MOST_POLLS and not words & {status.value for status in TaskStatus}


def _poll_again(session: Session) -> None:
    """One after another, three times, then all at once: answers must not get mixed up."""
    for _ in range(_AGAIN_ROUNDS):
        for history in session.evidence.histories():
            if ended(history) and session.time_left > 0:
                session.query(ProbeKind.AGAIN, history.id, key=key_of(session, history))
        session.waiter.sleep(min(0.2, max(session.time_left, 0)))
    done = [history for history in session.evidence.histories() if ended(history)]
    with ThreadPoolExecutor(_PARALLEL) as pool:
        for history in done:
            pool.submit(session.query, ProbeKind.AGAIN, history.id, "at once", key_of(session, history))


def checks(gateway: Gateway) -> tuple[Check, ...]:
    if gateway.main.synchronous:
        return ()
    return (
        Check(
            id="polling.no_observer_effect",
            sentence="the state of a task does not depend on how often somebody looks",
            source=SEED,
            judge=_judge_pace,
        ),
        Check(
            id="polling.no_timestamp_effect",
            sentence="updated_at is when the task changed, not when somebody looked",
            source=KLING_LIVE,
            judge=_judge_stamp,
        ),
    )


def _look_steps(gateway: Gateway) -> tuple[Step, ...]:
    if gateway.main.synchronous:
        return ()
    return (
        Step(
            name="the task that nobody watched",
            stage=Stage.ENDING,
            description="a first look, when the others are long done, then many at once",
            run=_look,
            requests=1 + _BURST,
            checks=("polling.*", "lifecycle.*", "responses.*"),
        ),
    )


def _unwatched(evidence: Evidence) -> TaskHistory | None:
    return next((history for history in evidence.histories() if is_unwatched(history)), None)


def _slowest(evidence: Evidence) -> float:
    return max(
        (lasted(history) for history in evidence.histories() if not is_unwatched(history)), default=0.0
    )


def _look(session: Session) -> None:
    history = _unwatched(session.evidence)
    if history is None:
        return
    due = history.created.received_at + _slowest(session.evidence) * _PATIENCE + _MARGIN
    session.waiter.sleep(min(max(due - session.waiter.now(), 0), max(session.time_left, 0)))
    key = key_of(session, history)
    session.query(ProbeKind.FIRST_LOOK, history.id, key=key)
    for _ in range(_BURST):
        session.query(ProbeKind.LOOK, history.id, key=key)
    while session.time_left > 0:
        now = _unwatched(session.evidence)
        age = session.waiter.now() - history.created.received_at
        if now is None or ended(now) or age > max(_slowest(session.evidence) * 10, 20):
            return
        session.waiter.sleep(_LOOK_PAUSE)
        session.query(ProbeKind.POLL, history.id, key=key)


def _judge_pace(evidence: Evidence, context: CheckContext) -> None:
    history = _unwatched(evidence)
    if history is None or not _slowest(evidence) or not is_steady(history):
        return
    kinds = (ProbeKind.FIRST_LOOK, ProbeKind.LOOK)
    looks = [
        each for each in history.reads if isinstance(each.shown, Exchange) and each.shown.probe.kind in kinds
    ]
    if not looks:
        return
    moved = next((each for each in looks if each.task.task_status != looks[0].task.task_status), None)
    context.expect(
        moved is None,
        f"{len(looks)} looks within moments moved a task that had long stood still",
        expected=f"{looks[0].task.task_status} at each of them",
        actual=" ".join(str(each.task.task_status) for each in looks),
        shown=(history.created, looks[0].shown, *([moved.shown] if moved else [])),
    )


def _judge_stamp(evidence: Evidence, context: CheckContext) -> None:
    history = _unwatched(evidence)
    slowest = _slowest(evidence)
    if history is None or history.end is None or not slowest:
        return
    end = history.end
    if end is not history.reads[0]:
        return  # it went on for longer than all others; nothing can be said
    age = end.at - history.created.received_at
    just_now = age - lasted(history) < _JUST_NOW and lasted(history) > slowest * 1.2
    context.expect(
        not just_now,
        f"the first look came after {age:.1f} s, and the task says that it ended just then",
        expected=f"an end after about {slowest:.1f} s, as for the others",
        actual=f"updated_at is {lasted(history):.1f} s after created_at",
        shown=(history.created, end.shown),
    )
