"""Callbacks: one for each change, in order, not early, repeated after a failure but not after a success.

The body is the bare task as JSON, equal to the answer to a query, and never contains the key.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import urlsplit

from kling_contracts.checks.histories import (
    deliveries_to,
    expected_statuses,
    has_known_statuses,
    is_consistent,
    repeated,
    tasks_with_callbacks,
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
from kling_contracts.vocabulary import ASSUMED, KLING_CALLBACK, SAFETY, SEED, TaskStatus

# The most deliveries of one callback that was accepted; at-least-once delivery allows some repeats.
_REPEATS: Final = 4
_ORDER: Final = [TaskStatus.SUBMITTED, TaskStatus.PROCESSING, TaskStatus.SUCCEED, TaskStatus.FAILED]

# Seconds that queries may be behind callbacks: a gateway may answer them from a copy that it refreshes.
_LAG: Final = 5.0
# Seconds between the clocks' readings that are no evidence.
_TOLERANCE: Final = 0.05

# Seconds to wait for callbacks, second attempts included, after the tasks have ended.
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
            id="callbacks.url",
            sentence="a callback is posted to the whole callback_url, with its query",
            source=SEED,
            judge=_judge_url,
        ),
        Check(
            id="callbacks.bare",
            sentence="the body of a callback is the bare task object as JSON",
            source=KLING_CALLBACK,
            judge=_judge_bare,
        ),
        Check(
            id="callbacks.body",
            sentence="a callback has the same content as a query",
            source=KLING_CALLBACK,
            judge=_judge_body,
        ),
        Check(
            id="callbacks.order",
            sentence="the callbacks of a task arrive in the order of its changes",
            source=ASSUMED,
            judge=_judge_order,
        ),
        Check(
            id="callbacks.not_early",
            sentence="a callback arrives after the change of the status, not before",
            source=SEED,
            judge=_judge_early,
        ),
        Check(
            id="callbacks.retry",
            sentence="a callback that was answered with 500 is sent again",
            source=ASSUMED,
            judge=_judge_retry,
        ),
        Check(
            id="callbacks.stops",
            sentence="a callback that was answered with 200 is not sent again repeatedly",
            source=ASSUMED,
            judge=_judge_stops,
        ),
        Check(
            id="callbacks.content_type",
            sentence="a callback has Content-Type application/json",
            source=KLING_CALLBACK,
            judge=_judge_type,
        ),
        Check(
            id="callbacks.no_key",
            sentence="no callback contains the key",
            source=SAFETY,
            judge=_judge_key,
        ),
    )


def _judge_changes(evidence: Evidence, context: CheckContext) -> None:
    if not _waited(evidence):
        return
    for token, history in tasks_with_callbacks(evidence).items():
        received = deliveries_to(evidence, token)
        reported = {task.task_status for _, task in received}
        # A callback in another shape does not identify its change.
        all_of_them = [each for each in evidence.deliveries if each.token == token]
        if len(received) < len(all_of_them) or not expected_statuses(history):
            continue
        if not all(isinstance(word, TaskStatus) for word in reported) or not is_consistent(history):
            continue
        missing = expected_statuses(history) - reported
        if not missing and TaskStatus.PROCESSING not in expected_statuses(history) | reported:
            continue  # nothing but the end was observed, so that a callback may be missing
        context.expect(
            not missing,
            f"no callback reported status {', '.join(sorted(missing))}",
            expected=", ".join(sorted(expected_statuses(history))),
            actual=", ".join(str(task.task_status) for _, task in received) or "no callback",
            shown=(history.created, *(each for each, _ in received)),
        )


def _judge_url(evidence: Evidence, context: CheckContext) -> None:
    for token, history in tasks_with_callbacks(evidence).items():
        query = urlsplit(str(history.created.asked_object.get("callback_url"))).query
        for delivery, _ in deliveries_to(evidence, token) if query else ():
            context.expect(
                delivery.query == query,
                "a callback was posted to a URL without the query of callback_url",
                expected=f"?{query}",
                actual=f"?{delivery.query}" if delivery.query else "no query",
                shown=(history.created, delivery),
            )


def _waited(evidence: Evidence) -> bool:
    """Whether the run had a receiver: its requests have a callback URL."""
    return any("callback_url" in each.asked_object for each in evidence.of(ProbeKind.REFUSE)) or bool(
        tasks_with_callbacks(evidence)
    )


def _judge_order(evidence: Evidence, context: CheckContext) -> None:
    for token in tasks_with_callbacks(evidence):
        first = dict.fromkeys(str(task.task_status) for _, task in deliveries_to(evidence, token))
        ranks = [_ORDER.index(TaskStatus(word)) for word in first if word in set(_ORDER)]
        if len(ranks) > 1:
            context.expect(
                ranks == sorted(ranks),
                "callbacks arrived in another order than the changes",
                expected="submitted, processing, then succeed or failed",
                actual=", ".join(first),
                shown=[each for each, _ in deliveries_to(evidence, token)],
            )


def _judge_early(evidence: Evidence, context: CheckContext) -> None:
    """Compare the arrival with the time of the change; queries may be behind, as caches of gateways are."""
    for token, history in tasks_with_callbacks(evidence).items():
        if not is_consistent(history) or not has_known_statuses(history):
            continue
        for delivery, task in deliveries_to(evidence, token):
            if task.task_id != history.id or task.task_status not in _ORDER[1:]:
                continue
            for shown in [it for it in history.reads if it.task.task_status == task.task_status][:1]:
                missing = _time_missing(history, delivery, shown)
                context.expect(
                    missing <= 0,
                    f"a callback reported {task.task_status} {missing:.1f} s before the task changed",
                    expected="the callback after updated_at",
                    actual=shown.shown.shown,
                    shown=(history.created, delivery, shown.shown),
                )
            for behind in [it for it in history.reads if _is_behind(it, delivery, task)][:1]:
                context.expect(
                    False,
                    f"a query {_LAG:.0f} s after the callback of {task.task_status} showed an earlier status",
                    expected=f"{task.task_status} in later queries",
                    actual=behind.shown.shown,
                    shown=(history.created, delivery, behind.shown),
                )


def _time_missing(history: TaskHistory, delivery: Delivery, shown: Observation) -> float:
    """The seconds by which a callback arrived before the change that a query showed; at most 0 if after."""
    task = shown.task
    created, changed = task.created_at or 0, task.updated_at or 0
    tolerance = _TOLERANCE if created % 1000 or changed % 1000 else _TOLERANCE + 1
    return (changed - created) / 1000 - (delivery.received_at - history.created.sent_at) - tolerance


def _is_behind(read: Observation, delivery: Delivery, task: TaskMessage) -> bool:
    """Whether a query that was sent long after a callback shows an earlier state."""
    sent_at = read.shown.sent_at if isinstance(read.shown, Exchange) else 0.0
    ranks = [_ORDER.index(TaskStatus(status)) for status in (read.task.task_status, task.task_status)]
    return sent_at >= delivery.received_at + _LAG and ranks[0] < ranks[1] and ranks[0] < 2


def _judge_retry(evidence: Evidence, context: CheckContext) -> None:
    if Label.RETRIED not in tasks_with_callbacks(evidence):
        return
    received = deliveries_to(evidence, Label.RETRIED)
    if received and received[0][0].replied >= 500:
        context.expect(
            repeated(received),
            f"a callback answered with 500 was not sent again within {PATIENCE:.0f} seconds",
            expected="the same callback again",
            actual=", ".join(str(task.task_status) for _, task in received),
            shown=[each for each, _ in received],
        )


def _judge_stops(evidence: Evidence, context: CheckContext) -> None:
    for token in tasks_with_callbacks(evidence):
        accepted = [(each, task) for each, task in deliveries_to(evidence, token) if each.replied < 300]
        times = Counter(f"{task.task_id} {task.task_status}" for _, task in accepted)
        if times:
            context.expect(
                max(times.values()) <= _REPEATS,
                "a callback was sent again repeatedly, although it was answered with 200",
                expected=f"at most {_REPEATS} deliveries",
                actual=", ".join(f"{word} {count} times" for word, count in times.items()),
                shown=[each for each, _ in accepted[: _REPEATS + 1]],
            )


def _each(
    holds: Callable[[Delivery], bool], sentence: str, expected: str
) -> Callable[[Evidence, CheckContext], None]:
    """A judge of each callback."""

    def judge(evidence: Evidence, context: CheckContext) -> None:
        for delivery in evidence.deliveries:
            context.expect(
                holds(delivery), sentence, expected=expected, actual=delivery.shown, shown=(delivery,)
            )

    return judge


def _is_bare(delivery: Delivery) -> bool:
    return delivery.task is not None


def _is_json_type(delivery: Delivery) -> bool:
    return delivery.content_type == "application/json"


def _keyless(delivery: Delivery) -> bool:
    return not holds_key(delivery.body, delivery.headers) and delivery.header("authorization") is None


_judge_bare = _each(
    _is_bare, "the body of a callback is not a task object", '{"task_id", "task_status", ...}'
)
_judge_type = _each(_is_json_type, "the Content-Type of a callback is not JSON", "application/json")
_judge_key = _each(_keyless, "a callback contains the key", "no key, no Authorization")


def _judge_body(evidence: Evidence, context: CheckContext) -> None:
    """Judge whether a callback equals the answers to queries in the same status."""
    for delivery, task, history in _tasks(evidence):
        if not is_consistent(history):
            continue
        if not isinstance(task.task_status, TaskStatus) and has_known_statuses(history):
            context.expect(
                False,
                "a callback has a status that the API does not have",
                expected="submitted, processing, succeed or failed",
                actual=delivery.shown,
                shown=(history.created, delivery),
            )
            continue
        same = [each for each in history.observations if each.task.task_status == task.task_status]
        if not same and task.task_id == history.id:
            continue  # no query observed this status
        seen = same[-1] if same else history.observations[0]
        context.expect(
            task.task_id == history.id and _comparable(task) == _comparable(seen.task),
            "a callback differs from the answer to a query",
            expected=json.dumps(seen.task.to_wire())[:200],
            actual=delivery.shown,
            shown=(history.created, delivery, seen.shown),
        )


def _tasks(evidence: Evidence) -> Iterator[tuple[Delivery, TaskMessage, TaskHistory]]:
    """The callbacks with their tasks, and the history that each should be about."""
    for token, history in tasks_with_callbacks(evidence).items():
        # Several tasks have one URL if a refused create was sent again or a duplicate was accepted.
        mine = {each.id: each for each in evidence.histories() if each.created.callback_token == token}
        for delivery, task in deliveries_to(evidence, token):
            yield delivery, task, mine.get(task.task_id, history)


def _comparable(task: TaskMessage) -> tuple[object, ...]:
    """The fields to compare; some callbacks omit task_info and final_unit_deduction."""
    return (task.created_at, task.updated_at, task.results, task.task_status_msg)


def steps(gateway: Gateway) -> tuple[Step, ...]:
    if not calls_back(gateway.main):
        return ()
    return (
        Step(
            name="callbacks",
            stage=Stage.ENDING,
            description="waits for the callbacks of three tasks; one of them is first answered with 500",
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
        if _all_received(session.evidence) or session.waiter.now() >= until:
            return
        session.waiter.sleep(_PAUSE)


def _all_received(evidence: Evidence) -> bool:
    for token, history in tasks_with_callbacks(evidence).items():
        received = deliveries_to(evidence, token)
        if not expected_statuses(history) <= {task.task_status for _, task in received}:
            return False
        if token == Label.RETRIED and not repeated(received):
            return False
    return True
