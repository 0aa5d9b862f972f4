"""Queries: a task is found as soon as it is there, again in every state, and no other task is shown."""

from __future__ import annotations

from collections.abc import Iterator

from kling_contracts.checks.following import AGAIN, POLL
from kling_contracts.checks.lists import LISTED
from kling_contracts.checks.looking import FIRST_LOOK, LOOK
from kling_contracts.gateways import Gateway
from kling_contracts.verify.check import Check, Hearing
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.vocabulary import COMET_QUERY, KLING_LIVE, SEED


def checks(gateway: Gateway) -> tuple[Check, ...]:
    return (
        Check(
            id="life_cycle.at_once",
            sentence="a task can be queried as soon as it is created",
            source=COMET_QUERY,
            judge=_judge_at_once,
        ),
        Check(
            id="life_cycle.found",
            sentence="a task that was found once is found again, in every state",
            source=KLING_LIVE,
            judge=_judge_found,
        ),
        Check(
            id="life_cycle.own_task",
            sentence="a query shows the task that it asked for",
            source=SEED,
            judge=_judge_own,
        ),
    )


def queries_of(evidence: Evidence) -> Iterator[Exchange]:
    """The queries for tasks of ours by their ids, by kind."""
    for kind in (POLL, AGAIN, LOOK, FIRST_LOOK, LISTED):
        yield from evidence.of(kind)


def _judge_at_once(evidence: Evidence, hearing: Hearing) -> None:
    seen: set[str] = set()
    for exchange in evidence.of(POLL):
        if exchange.probe.about in seen or exchange.status >= 500:
            continue
        seen.add(exchange.probe.about)
        hearing.expect(
            exchange.status == 200,
            "a task was not found right after it was created",
            expected="200 and the task",
            actual=exchange.shown,
            shown=(exchange,),
        )


def _judge_found(evidence: Evidence, hearing: Hearing) -> None:
    found = {trace.id: trace for trace in evidence.traces() if trace.reads}
    for exchange in queries_of(evidence):
        trace = found.get(exchange.probe.about)
        if exchange.status >= 500 or trace is None or exchange.number <= trace.reads[0].shown.number:
            continue
        hearing.expect(
            exchange.status == 200,
            "a query for a task that had been found was refused",
            expected="200 and the task",
            actual=exchange.shown,
            shown=(trace.created, trace.reads[0].shown, exchange),
        )


def _judge_own(evidence: Evidence, hearing: Hearing) -> None:
    for exchange in queries_of(evidence):
        if exchange.task is not None:
            hearing.expect(
                exchange.task.task_id == exchange.probe.about,
                "a query showed another task",
                expected=exchange.probe.about,
                actual=exchange.task.task_id,
                shown=(exchange,),
            )
