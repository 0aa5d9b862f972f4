"""Looking at a task does not move it: a task that nobody watches goes as fast as the others."""

from __future__ import annotations

from typing import Final

from kling_contracts.checks.conduct import is_steady
from kling_contracts.checks.endings import ended, lasted
from kling_contracts.checks.following import POLL, is_unwatched, key_of
from kling_contracts.gateways import Gateway
from kling_contracts.verify.check import Check, Hearing
from kling_contracts.verify.evidence import Evidence, Trace
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.session import Session
from kling_contracts.verify.step import Stage, Step
from kling_contracts.vocabulary import KLING_LIVE, SEED

FIRST_LOOK: Final = "first look"
LOOK: Final = "look"

_BURST: Final = 10
# By then the others are long done: so many times as long as the slowest took, and a second.
_PATIENCE: Final = 1.5
_MARGIN: Final = 1.0
_JUST_NOW: Final = 0.4
_PAUSE: Final = 0.25


def checks(gateway: Gateway) -> tuple[Check, ...]:
    if gateway.main.synchronous:
        return ()
    return (
        Check(
            id="looking.moves_nothing",
            sentence="the state of a task does not depend on how often somebody looks",
            source=SEED,
            judge=_judge_pace,
        ),
        Check(
            id="looking.stamps_nothing",
            sentence="updated_at is when the task changed, not when somebody looked",
            source=KLING_LIVE,
            judge=_judge_stamp,
        ),
    )


def steps(gateway: Gateway) -> tuple[Step, ...]:
    if gateway.main.synchronous:
        return ()
    return (
        Step(
            name="the task that nobody watched",
            stage=Stage.ENDING,
            does="a first look, when the others are long done, then many at once",
            run=_look,
            requests=1 + _BURST,
            feeds=("looking.*", "life_cycle.*", "answers.*"),
        ),
    )


def _unwatched(evidence: Evidence) -> Trace | None:
    return next((trace for trace in evidence.traces() if is_unwatched(trace)), None)


def _slowest(evidence: Evidence) -> float:
    return max((lasted(trace) for trace in evidence.traces() if not is_unwatched(trace)), default=0.0)


def _look(session: Session) -> None:
    trace = _unwatched(session.evidence)
    if trace is None:
        return
    due = trace.created.received_at + _slowest(session.evidence) * _PATIENCE + _MARGIN
    session.waiter.sleep(min(max(due - session.waiter.now(), 0), max(session.time_left, 0)))
    key = key_of(session, trace)
    session.query(FIRST_LOOK, trace.id, key=key)
    for _ in range(_BURST):
        session.query(LOOK, trace.id, key=key)
    while session.time_left > 0:
        now = _unwatched(session.evidence)
        age = session.waiter.now() - trace.created.received_at
        if now is None or ended(now) or age > max(_slowest(session.evidence) * 10, 20):
            return
        session.waiter.sleep(_PAUSE)
        session.query(POLL, trace.id, key=key)


def _judge_pace(evidence: Evidence, hearing: Hearing) -> None:
    trace = _unwatched(evidence)
    if trace is None or not _slowest(evidence) or not is_steady(trace):
        return
    kinds = (FIRST_LOOK, LOOK)
    looks = [
        each for each in trace.reads if isinstance(each.shown, Exchange) and each.shown.probe.kind in kinds
    ]
    if not looks:
        return
    moved = next((each for each in looks if each.task.task_status != looks[0].task.task_status), None)
    hearing.expect(
        moved is None,
        f"{len(looks)} looks within moments moved a task that had long stood still",
        expected=f"{looks[0].task.task_status} at each of them",
        actual=" ".join(str(each.task.task_status) for each in looks),
        shown=(trace.created, looks[0].shown, *([moved.shown] if moved else [])),
    )


def _judge_stamp(evidence: Evidence, hearing: Hearing) -> None:
    trace = _unwatched(evidence)
    slowest = _slowest(evidence)
    if trace is None or trace.end is None or not slowest:
        return
    end = trace.end
    if end is not trace.reads[0]:
        return  # it went on for longer than all others; nothing can be said
    age = end.at - trace.created.received_at
    just_now = age - lasted(trace) < _JUST_NOW and lasted(trace) > slowest * 1.2
    hearing.expect(
        not just_now,
        f"the first look came after {age:.1f} s, and the task says that it ended just then",
        expected=f"an end after about {slowest:.1f} s, as for the others",
        actual=f"updated_at is {lasted(trace):.1f} s after created_at",
        shown=(trace.created, end.shown),
    )
