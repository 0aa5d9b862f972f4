"""Callbacks: each change, in order, not early, again after a failure and not again after a success.

What each of them says is judged in `callback_messages`.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from kling_contracts.checks.callback_messages import judge_bare, judge_body, judge_key, judge_type
from kling_contracts.checks.conduct import is_steady, is_worded
from kling_contracts.checks.deliveries import PATIENCE, called, deliveries_to, due, repeated
from kling_contracts.checks.refusing import REFUSE
from kling_contracts.checks.valid_requests import STUBBORN
from kling_contracts.gateways import Gateway
from kling_contracts.messages import TaskMessage
from kling_contracts.verify.check import Check, Hearing
from kling_contracts.verify.evidence import Evidence, Sighting
from kling_contracts.verify.exchange import Delivery, Exchange
from kling_contracts.verify.parts import calls_back
from kling_contracts.vocabulary import ASSUMED, KLING_CALLBACK, SEED, TaskStatus

# At least once is not for ever.
_REPEATS: Final = 4
_ORDER: Final = [TaskStatus.SUBMITTED, TaskStatus.PROCESSING, TaskStatus.SUCCEED, TaskStatus.FAILED]


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


def _judge_changes(evidence: Evidence, hearing: Hearing) -> None:
    if not _waited(evidence):
        return
    for token, trace in called(evidence).items():
        came = deliveries_to(evidence, token)
        told = {task.task_status for _, task in came}
        # What came in another shape is another finding.
        if len(came) < len([each for each in evidence.deliveries if each.token == token]) or not due(trace):
            continue
        if not all(isinstance(word, TaskStatus) for word in told) or not is_steady(trace):
            continue
        missing = due(trace) - told
        hearing.expect(
            not missing,
            f"no callback told that the task was {', '.join(sorted(missing))}",
            expected=", ".join(sorted(due(trace))),
            actual=", ".join(str(task.task_status) for _, task in came) or "no callback",
            shown=(trace.created, *(each for each, _ in came)),
        )


def _waited(evidence: Evidence) -> bool:
    """Whether a receiver was there: then requests gave its URL."""
    return any("callback_url" in each.asked_object for each in evidence.of(REFUSE)) or bool(called(evidence))


def _judge_order(evidence: Evidence, hearing: Hearing) -> None:
    for token in called(evidence):
        first = dict.fromkeys(str(task.task_status) for _, task in deliveries_to(evidence, token))
        ranks = [_ORDER.index(TaskStatus(word)) for word in first if word in set(_ORDER)]
        if len(ranks) > 1:
            hearing.expect(
                ranks == sorted(ranks),
                "callbacks came in another order than the changes",
                expected="submitted, processing, the end",
                actual=", ".join(first),
                shown=[each for each, _ in deliveries_to(evidence, token)],
            )


def _judge_early(evidence: Evidence, hearing: Hearing) -> None:
    for token, trace in called(evidence).items():
        if not is_steady(trace) or not is_worded(trace):
            continue
        for delivery, task in deliveries_to(evidence, token):
            if task.task_id != trace.id or task.task_status not in set(_ORDER):
                continue
            positions = (at for at, it in enumerate(trace.reads) if _is_behind(it, delivery, task))
            at = next(positions, None)
            looks = () if at is None else trace.reads[max(at - 1, 0) : at + 1]
            hearing.expect(
                not looks,
                f"a callback said {task.task_status}, and a query after it still said an earlier state",
                expected=f"{task.task_status} in queries from then on",
                actual=looks[-1].shown.shown if looks else "",
                shown=(trace.created, delivery, *(each.shown for each in looks)),
            )


def _is_behind(read: Sighting, delivery: Delivery, task: TaskMessage) -> bool:
    """Whether a query that was sent after a callback had come shows an earlier state."""
    sent_at = read.shown.sent_at if isinstance(read.shown, Exchange) else 0.0
    ranks = [_ORDER.index(TaskStatus(status)) for status in (read.task.task_status, task.task_status)]
    return sent_at >= delivery.received_at and ranks[0] < ranks[1] and ranks[0] < 2


def _judge_retry(evidence: Evidence, hearing: Hearing) -> None:
    if STUBBORN not in called(evidence):
        return
    came = deliveries_to(evidence, STUBBORN)
    if came and came[0][0].replied >= 500:
        hearing.expect(
            repeated(came),
            f"a callback answered with 500 did not come again within {PATIENCE:.0f} seconds",
            expected="the same callback again",
            actual=", ".join(str(task.task_status) for _, task in came),
            shown=[each for each, _ in came],
        )


def _judge_stops(evidence: Evidence, hearing: Hearing) -> None:
    for token in called(evidence):
        taken = [(each, task) for each, task in deliveries_to(evidence, token) if each.replied < 300]
        times = Counter(f"{task.task_id} {task.task_status}" for _, task in taken)
        if times:
            hearing.expect(
                max(times.values()) <= _REPEATS,
                "a callback came again and again, although it was taken",
                expected=f"at most {_REPEATS} times",
                actual=", ".join(f"{word} {count} times" for word, count in times.items()),
                shown=[each for each, _ in taken[: _REPEATS + 1]],
            )
