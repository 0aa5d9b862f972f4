"""Callbacks: each change, in order, not early, again after a failure and not again after a success.

The body is the bare task, in JSON, as a query says it, and never the key.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from kling_contracts.checks.histories import (
    called,
    deliveries_to,
    due,
    is_steady,
    is_worded,
    repeated,
    token_of,
)
from kling_contracts.checks.responses import holds_key
from kling_contracts.gateways import Gateway
from kling_contracts.messages import TaskMessage
from kling_contracts.verify.evidence import Evidence, Observation, TaskHistory
from kling_contracts.verify.exchange import Delivery, Exchange
from kling_contracts.verify.model import Check, CheckContext, Requirement, Stage, Step
from kling_contracts.verify.parts import calls_back
from kling_contracts.verify.probes import Label, ProbeKind
from kling_contracts.verify.session import Session
from kling_contracts.vocabulary import ASSUMED, KLING_CALLBACK, SEED, TaskStatus

# At least once is not for ever.
_REPEATS: Final = 4
_ORDER: Final = [TaskStatus.SUBMITTED, TaskStatus.PROCESSING, TaskStatus.SUCCEED, TaskStatus.FAILED]

# How long after the tasks have ended callbacks may still come, and what is given to a second attempt.
PATIENCE: Final = 15.0
_PAUSE: Final = 0.1


def checks(gateway: Gateway) -> tuple[Check, ...]:
    if not calls_back(gateway.main):
        return ()
    return (
        Check(
            id="callbacks.each_change",
            sentence="each change of the status is posted to callback_url",
            source=SEED,
            judge=_judge_changes,
        ),
        Check(
            id="callbacks.bare",
            sentence="the body of a callback is the bare task, in JSON",
            source=KLING_CALLBACK,
            judge=judge_bare,
        ),
        Check(
            id="callbacks.body",
            sentence="a callback says what a query says",
            source=KLING_CALLBACK,
            judge=judge_body,
        ),
        Check(
            id="callbacks.order",
            sentence="callbacks of a task come in the order of its changes",
            source=ASSUMED,
            judge=_judge_order,
        ),
        Check(
            id="callbacks.not_early",
            sentence="a callback comes when the status has changed, not before",
            source=SEED,
            judge=_judge_early,
        ),
        Check(
            id="callbacks.retry",
            sentence="a callback that was answered with 500 comes again",
            source=ASSUMED,
            judge=_judge_retry,
        ),
        Check(
            id="callbacks.stops",
            sentence="a callback that was taken does not come again and again",
            source=ASSUMED,
            judge=_judge_stops,
        ),
        Check(
            id="callbacks.content_type",
            sentence="a callback says that it is JSON",
            source=KLING_CALLBACK,
            judge=judge_type,
        ),
        Check(
            id="callbacks.no_key",
            sentence="no callback holds the key",
            source=ASSUMED,
            judge=judge_key,
        ),
    )


def _judge_changes(evidence: Evidence, context: CheckContext) -> None:
    if not _waited(evidence):
        return
    for token, history in called(evidence).items():
        came = deliveries_to(evidence, token)
        told = {task.task_status for _, task in came}
        # A callback in another shape does not show which change it is about.
        if len(came) < len([each for each in evidence.deliveries if each.token == token]) or not due(history):
            continue
        if not all(isinstance(word, TaskStatus) for word in told) or not is_steady(history):
            continue
        missing = due(history) - told
        context.expect(
            not missing,
            f"no callback told that the task was {', '.join(sorted(missing))}",
            expected=", ".join(sorted(due(history))),
            actual=", ".join(str(task.task_status) for _, task in came) or "no callback",
            shown=(history.created, *(each for each, _ in came)),
        )


def _waited(evidence: Evidence) -> bool:
    """Whether a receiver was there: then requests gave its URL."""
    return any("callback_url" in each.asked_object for each in evidence.of(ProbeKind.REFUSE)) or bool(
        called(evidence)
    )


def _judge_order(evidence: Evidence, context: CheckContext) -> None:
    for token in called(evidence):
        first = dict.fromkeys(str(task.task_status) for _, task in deliveries_to(evidence, token))
        ranks = [_ORDER.index(TaskStatus(word)) for word in first if word in set(_ORDER)]
        if len(ranks) > 1:
            context.expect(
                ranks == sorted(ranks),
                "callbacks came in another order than the changes",
                expected="submitted, processing, the end",
                actual=", ".join(first),
                shown=[each for each, _ in deliveries_to(evidence, token)],
            )


def _judge_early(evidence: Evidence, context: CheckContext) -> None:
    for token, history in called(evidence).items():
        if not is_steady(history) or not is_worded(history):
            continue
        for delivery, task in deliveries_to(evidence, token):
            if task.task_id != history.id or task.task_status not in set(_ORDER):
                continue
            positions = (at for at, it in enumerate(history.reads) if _is_behind(it, delivery, task))
            at = next(positions, None)
            looks = () if at is None else history.reads[max(at - 1, 0) : at + 1]
            context.expect(
                not looks,
                f"a callback said {task.task_status}, and a query after it still said an earlier state",
                expected=f"{task.task_status} in queries from then on",
                actual=looks[-1].shown.shown if looks else "",
                shown=(history.created, delivery, *(each.shown for each in looks)),
            )


def _is_behind(read: Observation, delivery: Delivery, task: TaskMessage) -> bool:
    """Whether a query that was sent after a callback had come shows an earlier state."""
    sent_at = read.shown.sent_at if isinstance(read.shown, Exchange) else 0.0
    ranks = [_ORDER.index(TaskStatus(status)) for status in (read.task.task_status, task.task_status)]
    return sent_at >= delivery.received_at and ranks[0] < ranks[1] and ranks[0] < 2


def _judge_retry(evidence: Evidence, context: CheckContext) -> None:
    if Label.STUBBORN not in called(evidence):
        return
    came = deliveries_to(evidence, Label.STUBBORN)
    if came and came[0][0].replied >= 500:
        context.expect(
            repeated(came),
            f"a callback answered with 500 did not come again within {PATIENCE:.0f} seconds",
            expected="the same callback again",
            actual=", ".join(str(task.task_status) for _, task in came),
            shown=[each for each, _ in came],
        )


def _judge_stops(evidence: Evidence, context: CheckContext) -> None:
    for token in called(evidence):
        taken = [(each, task) for each, task in deliveries_to(evidence, token) if each.replied < 300]
        times = Counter(f"{task.task_id} {task.task_status}" for _, task in taken)
        if times:
            context.expect(
                max(times.values()) <= _REPEATS,
                "a callback came again and again, although it was taken",
                expected=f"at most {_REPEATS} times",
                actual=", ".join(f"{word} {count} times" for word, count in times.items()),
                shown=[each for each, _ in taken[: _REPEATS + 1]],
            )


def _each(
    holds: Callable[[Delivery], bool], sentence: str, expected: str
) -> Callable[[Evidence, CheckContext], None]:
    """A judge of every callback by itself."""

    def judge(evidence: Evidence, context: CheckContext) -> None:
        for delivery in evidence.deliveries:
            context.expect(
                holds(delivery), sentence, expected=expected, actual=delivery.shown, shown=(delivery,)
            )

    return judge


def _is_bare(delivery: Delivery) -> bool:
    return delivery.task is not None


def _says_json(delivery: Delivery) -> bool:
    return (delivery.header("content-type") or "").partition(";")[0].strip().lower() == "application/json"


def _keyless(delivery: Delivery) -> bool:
    return not holds_key(delivery.body, delivery.headers) and delivery.header("authorization") is None


judge_bare = _each(_is_bare, "the body of a callback is no bare task", '{"task_id", "task_status", ...}')
judge_type = _each(_says_json, "a callback does not say that it is JSON", "application/json")
judge_key = _each(_keyless, "a callback holds the key", "no key, no Authorization")


def judge_body(evidence: Evidence, context: CheckContext) -> None:
    """Whether a callback agrees with what queries showed in the same state."""
    for delivery, task, history in _tasks(evidence):
        if not is_steady(history):
            continue
        if not isinstance(task.task_status, TaskStatus) and is_worded(history):
            context.expect(
                False,
                "a callback has a status that is no word of this API",
                expected="submitted, processing, succeed or failed",
                actual=delivery.shown,
                shown=(history.created, delivery),
            )
            continue
        same = [each for each in history.observations if each.task.task_status == task.task_status]
        if not same and task.task_id == history.id:
            continue  # a state that no query saw
        seen = same[-1] if same else history.observations[0]
        context.expect(
            task.task_id == history.id and _told(task) == _told(seen.task),
            "a callback says something else than a query",
            expected=json.dumps(seen.task.to_wire())[:200],
            actual=delivery.shown,
            shown=(history.created, delivery, seen.shown),
        )


def _tasks(evidence: Evidence) -> Iterator[tuple[Delivery, TaskMessage, TaskHistory]]:
    """What came, and the task that it should be about."""
    for token, history in called(evidence).items():
        # Where a create was refused and sent again, or a duplicate was accepted, several have one URL.
        mine = {each.id: each for each in evidence.histories() if token_of(each) == token}
        for delivery, task in deliveries_to(evidence, token):
            yield delivery, task, mine.get(task.task_id, history)


def _told(task: TaskMessage) -> tuple[object, ...]:
    """What both have to say: older callbacks leave out task_info and what was deducted."""
    return (task.created_at, task.updated_at, task.results, task.task_status_msg)


def steps(gateway: Gateway) -> tuple[Step, ...]:
    if not calls_back(gateway.main):
        return ()
    return (
        Step(
            name="callbacks",
            stage=Stage.ENDING,
            description="waits for the callbacks of three tasks, one of which is answered with 500 at first",
            run=_wait,
            requests=0,
            checks=("callbacks.*", "invalid_requests.no_callback"),
            requires=frozenset({Requirement.RECEIVER}),
        ),
    )


def _wait(session: Session) -> None:
    until = session.waiter.now() + min(PATIENCE, max(session.time_left, 0))
    while True:
        session.collect()
        if _all_came(session.evidence) or session.waiter.now() >= until:
            return
        session.waiter.sleep(_PAUSE)


def _all_came(evidence: Evidence) -> bool:
    for token, history in called(evidence).items():
        came = deliveries_to(evidence, token)
        if not due(history) <= {task.task_status for _, task in came}:
            return False
        if token == Label.STUBBORN and not repeated(came):
            return False
    return True
