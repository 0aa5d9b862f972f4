"""What a callback says: the bare task, in JSON, as a query says it, and never the key."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from kling_contracts.checks.conduct import is_steady, is_worded
from kling_contracts.checks.deliveries import called, deliveries_to, token_of
from kling_contracts.checks.leaks import holds_key
from kling_contracts.messages import TaskMessage
from kling_contracts.verify.evidence import Evidence, Trace
from kling_contracts.verify.exchange import Delivery
from kling_contracts.verify.model import Hearing
from kling_contracts.vocabulary import TaskStatus


def _each(
    holds: Callable[[Delivery], bool], sentence: str, expected: str
) -> Callable[[Evidence, Hearing], None]:
    """A judge of every callback by itself."""

    def judge(evidence: Evidence, hearing: Hearing) -> None:
        for delivery in evidence.deliveries:
            hearing.expect(
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


def judge_body(evidence: Evidence, hearing: Hearing) -> None:
    """Whether a callback agrees with what queries showed in the same state."""
    for delivery, task, trace in _tasks(evidence):
        if not is_steady(trace):
            continue
        if not isinstance(task.task_status, TaskStatus) and is_worded(trace):
            hearing.expect(
                False,
                "a callback has a status that is no word of this API",
                expected="submitted, processing, succeed or failed",
                actual=delivery.shown,
                shown=(trace.created, delivery),
            )
            continue
        same = [each for each in trace.sightings if each.task.task_status == task.task_status]
        if not same and task.task_id == trace.id:
            continue  # a state that no query saw
        seen = same[-1] if same else trace.sightings[0]
        hearing.expect(
            task.task_id == trace.id and _told(task) == _told(seen.task),
            "a callback says something else than a query",
            expected=json.dumps(seen.task.to_wire())[:200],
            actual=delivery.shown,
            shown=(trace.created, delivery, seen.shown),
        )


def _tasks(evidence: Evidence) -> Iterator[tuple[Delivery, TaskMessage, Trace]]:
    """What came, and the task that it should be about."""
    for token, trace in called(evidence).items():
        # Where a create was refused and sent again, or a duplicate was accepted, several have one URL.
        mine = {each.id: each for each in evidence.traces() if token_of(each) == token}
        for delivery, task in deliveries_to(evidence, token):
            yield delivery, task, mine.get(task.task_id, trace)


def _told(task: TaskMessage) -> tuple[object, ...]:
    """What both have to say: older callbacks leave out task_info and what was deducted."""
    return (task.created_at, task.updated_at, task.results, task.task_status_msg)
