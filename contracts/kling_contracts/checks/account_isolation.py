"""Account isolation: a key sees neither tasks nor external ids of another account."""

from __future__ import annotations

import re

from kling_contracts.checks.histories import finds_nothing
from kling_contracts.checks.pagination import PAGE_SIZE, page_path
from kling_contracts.checks.refusals import error_message
from kling_contracts.checks.request_features import VALID
from kling_contracts.checks.valid_requests import CREATE_CHECKS
from kling_contracts.gateways import Gateway
from kling_contracts.verify.bodies import minimal
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.lost_requests import is_repetition
from kling_contracts.verify.model import Check, CheckContext, Requirement, Stage, Step
from kling_contracts.verify.parts import EXTERNAL_ID, has, smallest_cost
from kling_contracts.verify.probes import Label, Probe, ProbeKind
from kling_contracts.verify.session import Session
from kling_contracts.vocabulary import COMET_LIVE, SEED


def checks(gateway: Gateway) -> tuple[Check, ...]:
    found = [
        Check(
            id="account_isolation.tasks",
            sentence="a query for another account's task is answered like one for an unknown task",
            source=COMET_LIVE,
            judge=_judge_separate,
        ),
    ]
    if has(gateway.main, EXTERNAL_ID):
        found.append(
            Check(
                id="account_isolation.external_ids",
                sentence="an external id of one account can be used in another",
                source=SEED,
                judge=_judge_same_id,
            )
        )
    if gateway.lists:
        found.append(
            Check(
                id="account_isolation.lists",
                sentence="a list shows the tasks of one account only",
                source=SEED,
                judge=_judge_list,
            )
        )
    return tuple(found)


def steps(gateway: Gateway) -> tuple[Step, ...]:
    named = has(gateway.main, EXTERNAL_ID)
    return (
        Step(
            name="accounts: the second key",
            stage=Stage.RUNNING,
            description="queries for the tasks of the first key with the second"
            + (", and a create with the same external id" if named else ""),
            run=_ask,
            requests=5,
            max_cost=smallest_cost(gateway.main) if named else 0,
            creates=smallest_cost(gateway.main) if named else 0,
            checks=("account_isolation.*", *CREATE_CHECKS),
            requires=frozenset({Requirement.SECOND_KEY}),
        ),
    )


def _ask(session: Session) -> None:
    second = session.keys.second
    histories = [history for history in session.evidence.histories() if history.created.credential == "first"]
    if second is None or not histories:
        return
    task_id, create = histories[0].id, session.create_path
    session.send(Probe(ProbeKind.FOREIGN, task_id), "GET", f"{create}/{task_id}", key=second)
    nowhere = _neighbour(task_id)
    session.send(Probe(ProbeKind.FOREIGN_NOWHERE, nowhere), "GET", f"{create}/{nowhere}", key=second)
    named = has(session.operation, EXTERNAL_ID)
    if session.evidence.gateway.lists:
        target = page_path(session, 1, PAGE_SIZE)
        session.send(Probe(ProbeKind.FOREIGN_LIST, "before"), "GET", target, key=second)
    if named and session.evidence.gateway.finds_external_ids:
        target = f"{create}/{session.external_id(Label.FIRST)}"
        session.send(Probe(ProbeKind.FOREIGN_BY_EXTERNAL_ID, task_id), "GET", target, key=second)
    if named:
        body = minimal(session.operation) | {EXTERNAL_ID: session.external_id(Label.FIRST)}
        session.create(Probe(ProbeKind.FOREIGN_SAME_ID, EXTERNAL_ID), body, second)


def _neighbour(task_id: str) -> str:
    """An id of the same form that no task has."""
    return task_id[:-6] + ("000000" if task_id[-6:] != "000000" else "111111")


def _judge_separate(evidence: Evidence, context: CheckContext) -> None:
    nowhere = next(evidence.of(ProbeKind.FOREIGN_NOWHERE), None)
    kinds = (ProbeKind.FOREIGN, ProbeKind.FOREIGN_BY_EXTERNAL_ID)
    for kind in () if finds_nothing(evidence) else kinds:
        for exchange in evidence.of(kind):
            same = nowhere is None or _comparable(exchange) == _comparable(nowhere)
            context.expect(
                exchange.task is None and (exchange.status >= 400 or exchange.is_error) and same,
                "a query for another account's task was not answered like one for an unknown task",
                expected=nowhere.shown if nowhere else "a refusal",
                actual=exchange.shown,
                shown=(exchange,) if nowhere is None else (nowhere, exchange),
            )


def _comparable(exchange: Exchange) -> tuple[object, ...]:
    """Status, code and message of a refusal; the message without words with digits, which may be ids."""
    return exchange.status, exchange.error_code, re.sub(r"\S*\d\S*", "", error_message(exchange))


def _judge_same_id(evidence: Evidence, context: CheckContext) -> None:
    if any(not each.accepted for each in evidence.of(ProbeKind.ACCEPT_ONLY, VALID)):
        return  # the smallest body is refused in any account
    for exchange in evidence.of(ProbeKind.FOREIGN_SAME_ID):
        given = exchange.external_id
        if not any(
            each.accepted and each.external_id == given
            for each in evidence.creates
            if each.credential == "first"
        ):
            continue  # the first account could not use the id either
        if not exchange.accepted and is_repetition(evidence, exchange):
            continue  # the lost create may have used the id
        context.expect(
            exchange.accepted,
            "an external id was refused because another account uses it",
            expected="200 and a task",
            actual=exchange.shown,
            shown=(exchange,),
        )


def _judge_list(evidence: Evidence, context: CheckContext) -> None:
    foreign = {history.id for history in evidence.histories() if history.created.credential == "first"}
    for exchange in evidence.of(ProbeKind.FOREIGN_LIST):
        if not exchange.is_list:
            continue
        found = foreign & {task.task_id for task in exchange.listed}
        context.expect(
            not found,
            "a list shows tasks of another account",
            expected="none of them",
            actual=", ".join(sorted(found)) or "none",
            shown=(exchange,),
        )
