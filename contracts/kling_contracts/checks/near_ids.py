"""Ids that are nearly those of tasks, and other spellings of a URL that are not."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

from kling_contracts.checks.valid_requests import FIRST
from kling_contracts.gateways import Gateway
from kling_contracts.verify.check import Check, Hearing
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange, Probe
from kling_contracts.verify.parts import EXTERNAL_ID, has
from kling_contracts.verify.session import Session
from kling_contracts.verify.step import Stage, Step
from kling_contracts.vocabulary import ASSUMED, SEED

NEAR: Final = "near id"
SAME: Final = "same id"


def checks(gateway: Gateway) -> tuple[Check, ...]:
    return (
        Check(
            id="near_ids.unknown",
            sentence="an id that is only nearly that of a task does not show the task",
            source=SEED,
            judge=_judge_near,
        ),
        Check(
            id="near_ids.same",
            sentence="percent signs in an id and a query string after it do not hide a task",
            source=ASSUMED,
            judge=_judge_same,
        ),
    )


def steps(gateway: Gateway) -> tuple[Step, ...]:
    return (
        Step(
            name="ids that are nearly right",
            stage=Stage.RUNNING,
            does="queries for ids that differ a little from that of a task, and for that id spelt otherwise",
            run=_ask,
            requests=11,
            feeds=("near_ids.*", "answers.*"),
        ),
    )


def _ask(session: Session) -> None:
    trace = next((each for each in session.evidence.traces() if each.created.who == "first"), None)
    if trace is None:
        return
    task_id = trace.id
    near = [*_nearly(task_id), f"0{task_id}", f"%2B{task_id}", f"{task_id}%20"]
    if session.evidence.gateway.finds_external_ids and has(session.operation, EXTERNAL_ID):
        external_id = session.external_id(FIRST)
        near += [*_nearly(external_id), external_id.upper()]
    for asked in near:
        session.send(Probe(NEAR, unquote(asked)), "GET", f"{session.create_path}/{asked}")
    encoded = "".join(f"%{byte:02X}" for byte in task_id[0].encode("utf-8", "surrogatepass"))
    # As it is at first: where that does not show the task, the other spellings tell nothing.
    for spelling in (task_id, encoded + task_id[1:], f"{task_id}?_=1"):
        session.send(Probe(SAME, task_id, spelling), "GET", f"{session.create_path}/{spelling}")


def _nearly(known: str) -> list[str]:
    """With another end, a shorter and a longer one."""
    end = "1" if known[-1] == "0" else "0"
    return [known[:-1] + end, known[:-1], known + end]


def _judge_near(evidence: Evidence, hearing: Hearing) -> None:
    for exchange in evidence.of(NEAR):
        task, asked = exchange.task, exchange.probe.about
        # Where ids are counted, the one nearby may be that of another task.
        hearing.expect(
            task is None or asked in (task.task_id, task.external_task_id),
            f"a query for {asked!r} showed another task",
            expected="a refusal",
            actual=exchange.shown,
            shown=(exchange,),
        )


def _judge_same(evidence: Evidence, hearing: Hearing) -> None:
    spelt = list(evidence.of(SAME))
    plain = next((each for each in spelt if each.probe.tag == each.probe.about and _shows_it(each)), None)
    for exchange in spelt if plain else ():
        if exchange.status < 500:
            hearing.expect(
                _shows_it(exchange),
                f"a task was not found as {exchange.probe.tag}",
                expected=f"the task {exchange.probe.about}",
                actual=exchange.shown,
                shown=(*([plain] if plain else []), exchange),
            )


def _shows_it(exchange: Exchange) -> bool:
    return exchange.task is not None and exchange.task.task_id == exchange.probe.about
