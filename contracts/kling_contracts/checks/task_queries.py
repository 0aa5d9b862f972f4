"""Queries find a task as soon as it is created, and show no other one."""

from __future__ import annotations

from kling_contracts.gateways import Gateway
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.model import Check, CheckContext
from kling_contracts.verify.probes import ProbeKind
from kling_contracts.vocabulary import COMET_QUERY, KLING_LIVE, SEED


def checks(gateway: Gateway) -> tuple[Check, ...]:
    return (
        Check(
            id="lifecycle.at_once",
            sentence="a task can be queried as soon as it is created",
            source=COMET_QUERY,
            judge=_judge_at_once,
        ),
        Check(
            id="lifecycle.found",
            sentence="a task that a query has found is found by every later query",
            source=KLING_LIVE,
            judge=_judge_found,
        ),
        Check(
            id="lifecycle.own_task",
            sentence="a query shows the requested task",
            source=SEED,
            judge=_judge_own,
        ),
    )


def _judge_at_once(evidence: Evidence, context: CheckContext) -> None:
    seen: set[str] = set()
    for exchange in evidence.of(ProbeKind.POLL):
        if exchange.probe.about in seen or exchange.status >= 500:
            continue
        seen.add(exchange.probe.about)
        context.expect(
            exchange.status == 200,
            "a task was not found right after it was created",
            expected="200 and the task",
            actual=exchange.shown,
            shown=(exchange,),
        )


def _judge_found(evidence: Evidence, context: CheckContext) -> None:
    found = {history.id: history for history in evidence.histories() if history.reads}
    for exchange in evidence.queries:
        history = found.get(exchange.probe.about)
        if exchange.status >= 500 or history is None or exchange.number <= history.reads[0].shown.number:
            continue
        context.expect(
            exchange.status == 200,
            "a query for a task that was found before was refused",
            expected="200 and the task",
            actual=exchange.shown,
            shown=(history.created, history.reads[0].shown, exchange),
        )


def _judge_own(evidence: Evidence, context: CheckContext) -> None:
    for exchange in evidence.queries:
        if exchange.task is not None:
            context.expect(
                exchange.task.task_id == exchange.probe.about,
                "a query showed another task",
                expected=exchange.probe.about,
                actual=exchange.task.task_id,
                shown=(exchange,),
            )
