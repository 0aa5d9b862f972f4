"""New tasks: the answer to a create has the expected state, timestamps and types, and a unique id."""

from __future__ import annotations

from typing import Final, cast

from kling_contracts.checks.histories import starts_correctly
from kling_contracts.gateways import Gateway
from kling_contracts.messages import TaskMessage
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.model import Check, CheckContext
from kling_contracts.vocabulary import SEED, ResultKind

_SKEW: Final = 600.0


def checks(gateway: Gateway) -> tuple[Check, ...]:
    at_once = gateway.main.synchronous
    begins = "in state submitted, with updated_at = created_at"
    return (
        Check(
            id="lifecycle.created",
            sentence=f"a create is answered with a task {'that has ended' if at_once else begins}",
            source=gateway.main.source if at_once else SEED,
            judge=_judge_created,
        ),
        Check(
            id="lifecycle.shape",
            sentence="the fields of a task have the types of the contract",
            source=SEED,
            judge=_judge_shape,
        ),
        Check(
            id="lifecycle.clock",
            sentence="created_at is the time of the create request",
            source=SEED,
            judge=_judge_clock,
        ),
        Check(
            id="lifecycle.ids_unique",
            sentence="every task has a unique id",
            source=SEED,
            judge=_judge_ids,
        ),
    )


def _judge_created(evidence: Evidence, context: CheckContext) -> None:
    for history in evidence.histories():
        context.expect(
            starts_correctly(history),
            "a create was answered with a task that "
            + ("has not ended" if history.synchronous else "is not in its initial state"),
            expected="succeed or failed" if history.synchronous else "submitted, created_at = updated_at",
            actual=history.created.shown,
            shown=(history.created,),
        )


def _judge_shape(evidence: Evidence, context: CheckContext) -> None:
    created = [each for each in evidence.creates if each.accepted]
    for exchange in (*created, *evidence.queries):
        if exchange.status != 200 or exchange.is_error or "data" not in exchange.json_object:
            continue
        problem = shape_problem(exchange.json_object.get("data"), evidence.operation.result)
        context.expect(
            problem is None,
            f"a field of a task has the wrong type: {problem}",
            expected="the types of the contract",
            actual=exchange.shown,
            shown=(exchange,),
        )


def _judge_clock(evidence: Evidence, context: CheckContext) -> None:
    for history in evidence.histories():
        created = cast("TaskMessage", history.created.task).created_at
        if created is None or not 10**12 <= created < 10**13:
            continue  # not in milliseconds, which `lifecycle.time.unit` reports
        off = created / 1000 - history.created.received_at
        context.expect(
            abs(off) <= _SKEW,
            f"created_at is {off:+.0f} seconds from the time of the create request",
            expected=f"within {_SKEW:.0f} seconds",
            actual=history.created.shown,
            shown=(history.created,),
        )


def _judge_ids(evidence: Evidence, context: CheckContext) -> None:
    first: dict[str, Exchange] = {}
    accepted = [each for each in evidence.creates if each.accepted]
    for exchange in accepted if len(accepted) > 1 else ():
        task = exchange.task
        if task is None:
            continue
        earlier = first.setdefault(task.task_id, exchange)
        mine = exchange.external_id
        if mine and earlier is not exchange and earlier.external_id == mine:
            continue  # a duplicate answered with the existing task, which `external_ids.unique` reports
        context.expect(
            earlier is exchange and task.task_id != mine,
            "two tasks have the same id" if earlier is not exchange else "a task id equals the external id",
            expected="a unique id",
            actual=task.task_id,
            shown=(earlier,) if earlier is exchange else (earlier, exchange),
        )


def shape_problem(data: object, kind: ResultKind = ResultKind.IMAGES) -> str | None:
    """The first wrong type in a task object, except timestamps; None if all are right.

    `kind` is the kind of its results.
    """
    if not isinstance(data, dict):
        return "data is not an object"
    task = cast("dict[str, object]", data)
    for name in ("task_id", "task_status"):
        if not (isinstance(task.get(name), str) and task[name]):
            return f"{name} is not a string"
    for name in ("task_status_msg", "final_unit_deduction"):
        if not isinstance(task.get(name), str | None):
            return f"{name} is not a string"
    for name in ("task_info", "task_result"):
        if not isinstance(task.get(name), dict | None):
            return f"{name} is not an object"
    result = cast("dict[str, object]", task.get("task_result") or {})
    results = result.get(kind, [])
    if not isinstance(results, list | None):
        return f"task_result.{kind} is not an array"
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
        return "an image is not an object"
    entry = cast("dict[str, object]", image)
    if not isinstance(entry.get("url"), str):
        return "the url of an image is not a string"
    index = entry.get("index", 0)
    return (
        None
        if isinstance(index, int) and not isinstance(index, bool)
        else "the index of an image is not an integer"
    )
