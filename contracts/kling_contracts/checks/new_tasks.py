"""New tasks: what a create answers has the state, the stamps and the types due, and an id of its own."""

from __future__ import annotations

from typing import Final, cast

from kling_contracts.checks.conduct import begins_rightly
from kling_contracts.checks.queries import queries_of
from kling_contracts.checks.task_shape import shape_problem
from kling_contracts.gateways import Gateway
from kling_contracts.messages import TaskMessage
from kling_contracts.verify.check import Check, Hearing
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.vocabulary import ASSUMED, SEED

_SKEW: Final = 600.0


def checks(gateway: Gateway) -> tuple[Check, ...]:
    at_once = gateway.main.synchronous
    begins = "that is submitted, created and updated at one instant"
    return (
        Check(
            id="life_cycle.created",
            sentence=f"a create is answered with a task {'that has ended' if at_once else begins}",
            source=gateway.main.source if at_once else SEED,
            judge=_judge_created,
        ),
        Check(
            id="life_cycle.shape",
            sentence="the parts of a task have the types of the contract",
            source=SEED,
            judge=_judge_shape,
        ),
        Check(
            id="life_cycle.clock",
            sentence="a task is created at the time at which it was asked for",
            source=ASSUMED,
            judge=_judge_clock,
        ),
        Check(
            id="life_cycle.ids_unique",
            sentence="every task has an id of its own",
            source=SEED,
            judge=_judge_ids,
        ),
    )


def _judge_created(evidence: Evidence, hearing: Hearing) -> None:
    for trace in evidence.traces():
        hearing.expect(
            begins_rightly(trace),
            "a create was answered with a task that "
            + ("has not ended" if trace.synchronous else "is no new one"),
            expected="succeed or failed" if trace.synchronous else "submitted, created_at = updated_at",
            actual=trace.created.shown,
            shown=(trace.created,),
        )


def _judge_shape(evidence: Evidence, hearing: Hearing) -> None:
    created = [each for each in evidence.creates if each.accepted]
    for exchange in (*created, *queries_of(evidence)):
        if exchange.status != 200 or exchange.is_error or "data" not in exchange.json_object:
            continue
        problem = shape_problem(exchange.json_object.get("data"), evidence.operation.result)
        hearing.expect(
            problem is None,
            f"a part of a task has the wrong type: {problem}",
            expected="the types of the contract",
            actual=exchange.shown,
            shown=(exchange,),
        )


def _judge_clock(evidence: Evidence, hearing: Hearing) -> None:
    for trace in evidence.traces():
        created = cast("TaskMessage", trace.created.task).created_at
        if created is None or not 10**12 <= created < 10**13:
            continue  # the unit is wrong, which is another finding
        off = created / 1000 - trace.created.received_at
        hearing.expect(
            abs(off) <= _SKEW,
            f"a task was created {off:+.0f} seconds from now",
            expected=f"within {_SKEW:.0f} seconds",
            actual=trace.created.shown,
            shown=(trace.created,),
        )


def _judge_ids(evidence: Evidence, hearing: Hearing) -> None:
    first: dict[str, Exchange] = {}
    for exchange in evidence.creates:
        task = exchange.task
        if task is None or not exchange.accepted:
            continue
        earlier = first.setdefault(task.task_id, exchange)
        mine = exchange.asked_object.get("external_task_id")
        if mine and earlier is not exchange and earlier.asked_object.get("external_task_id") == mine:
            continue  # a duplicate was answered with the task that is there, which is another finding
        hearing.expect(
            earlier is exchange and task.task_id != mine,
            "two tasks have one id" if earlier is not exchange else "a task id is the external id",
            expected="an id of its own",
            actual=task.task_id,
            shown=(earlier,) if earlier is exchange else (earlier, exchange),
        )
