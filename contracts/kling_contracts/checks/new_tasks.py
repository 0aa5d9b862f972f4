"""New tasks: what a create answers has the state, the stamps and the types due, and an id of its own."""

from __future__ import annotations

from typing import Final, cast

from kling_contracts.checks.histories import begins_rightly
from kling_contracts.checks.lifecycle import queries_of
from kling_contracts.gateways import Gateway
from kling_contracts.messages import TaskMessage
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.model import Check, CheckContext
from kling_contracts.vocabulary import ASSUMED, SEED, ResultKind

_SKEW: Final = 600.0


def checks(gateway: Gateway) -> tuple[Check, ...]:
    at_once = gateway.main.synchronous
    begins = "that is submitted, created and updated at one instant"
    return (
        Check(
            id="lifecycle.created",
            sentence=f"a create is answered with a task {'that has ended' if at_once else begins}",
            source=gateway.main.source if at_once else SEED,
            judge=_judge_created,
        ),
        Check(
            id="lifecycle.shape",
            sentence="the parts of a task have the types of the contract",
            source=SEED,
            judge=_judge_shape,
        ),
        Check(
            id="lifecycle.clock",
            sentence="a task is created at the time at which it was asked for",
            source=ASSUMED,
            judge=_judge_clock,
        ),
        Check(
            id="lifecycle.ids_unique",
            sentence="every task has an id of its own",
            source=SEED,
            judge=_judge_ids,
        ),
    )


def _judge_created(evidence: Evidence, context: CheckContext) -> None:
    for history in evidence.histories():
        context.expect(
            begins_rightly(history),
            "a create was answered with a task that "
            + ("has not ended" if history.synchronous else "is no new one"),
            expected="succeed or failed" if history.synchronous else "submitted, created_at = updated_at",
            actual=history.created.shown,
            shown=(history.created,),
        )


def _judge_shape(evidence: Evidence, context: CheckContext) -> None:
    created = [each for each in evidence.creates if each.accepted]
    for exchange in (*created, *queries_of(evidence)):
        if exchange.status != 200 or exchange.is_error or "data" not in exchange.json_object:
            continue
        problem = shape_problem(exchange.json_object.get("data"), evidence.operation.result)
        context.expect(
            problem is None,
            f"a part of a task has the wrong type: {problem}",
            expected="the types of the contract",
            actual=exchange.shown,
            shown=(exchange,),
        )


def _judge_clock(evidence: Evidence, context: CheckContext) -> None:
    for history in evidence.histories():
        created = cast("TaskMessage", history.created.task).created_at
        if created is None or not 10**12 <= created < 10**13:
            continue  # not in milliseconds, so no instant to compare: `lifecycle.time.unit`
        off = created / 1000 - history.created.received_at
        context.expect(
            abs(off) <= _SKEW,
            f"a task was created {off:+.0f} seconds from now",
            expected=f"within {_SKEW:.0f} seconds",
            actual=history.created.shown,
            shown=(history.created,),
        )


def _judge_ids(evidence: Evidence, context: CheckContext) -> None:
    first: dict[str, Exchange] = {}
    for exchange in evidence.creates:
        task = exchange.task
        if task is None or not exchange.accepted:
            continue
        earlier = first.setdefault(task.task_id, exchange)
        mine = exchange.asked_object.get("external_task_id")
        if mine and earlier is not exchange and earlier.asked_object.get("external_task_id") == mine:
            continue  # a duplicate is answered with the task that exists: `external_ids.unique`
        context.expect(
            earlier is exchange and task.task_id != mine,
            "two tasks have one id" if earlier is not exchange else "a task id is the external id",
            expected="an id of its own",
            actual=task.task_id,
            shown=(earlier,) if earlier is exchange else (earlier, exchange),
        )


def shape_problem(data: object, kind: ResultKind = ResultKind.IMAGES) -> str | None:
    """What is wrong with the types of a task object, stamps apart; None if nothing is.

    `kind` is that of its results.
    """
    if not isinstance(data, dict):
        return "data is no object"
    task = cast("dict[str, object]", data)
    for name in ("task_id", "task_status"):
        if not (isinstance(task.get(name), str) and task[name]):
            return f"{name} is no text"
    for name in ("task_status_msg", "final_unit_deduction"):
        if not isinstance(task.get(name), str | None):
            return f"{name} is no text"
    for name in ("task_info", "task_result"):
        if not isinstance(task.get(name), dict | None):
            return f"{name} is no object"
    result = cast("dict[str, object]", task.get("task_result") or {})
    results = result.get(kind, [])
    if not isinstance(results, list | None):
        return f"task_result.{kind} is no array"
    problem = _image_problem if kind.drawn else _media_problem
    return next((it for it in map(problem, cast("list[object]", results or [])) if it), None)


def _media_problem(media: object) -> str | None:
    if not isinstance(media, dict):
        return "a result is not an object"
    entry = cast("dict[str, object]", media)
    if not isinstance(entry.get("url"), str):
        return "the url of a result is not a string"
    odd = (name for name in ("id", "duration") if not isinstance(entry.get(name), str | None))
    return next((f"the {name} of a result is not a string" for name in odd), None)


def _image_problem(image: object) -> str | None:
    if not isinstance(image, dict):
        return "an image is no object"
    entry = cast("dict[str, object]", image)
    if not isinstance(entry.get("url"), str):
        return "the url of an image is no text"
    index = entry.get("index", 0)
    return (
        None
        if isinstance(index, int) and not isinstance(index, bool)
        else "the index of an image is no integer"
    )
