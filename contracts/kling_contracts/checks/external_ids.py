"""External ids: unique within an account, also under concurrency; a refused request does not use one up."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast
from urllib.parse import quote

from kling_contracts.checks.combined_requests import requests_of
from kling_contracts.checks.invalid_requests import refused_id
from kling_contracts.checks.valid_request import EXACT, FREE_AFTER_REFUSAL
from kling_contracts.checks.valid_requests import judge_feature
from kling_contracts.gateways import Gateway
from kling_contracts.verify.bodies import minimal
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.model import Check, CheckContext, Shown, Stage, Step
from kling_contracts.verify.parts import EXTERNAL_ID, has, smallest_cost
from kling_contracts.verify.probes import Label, Probe, ProbeKind
from kling_contracts.verify.session import Session
from kling_contracts.vocabulary import ASSUMED, KLING_LIVE, KLING_PAGE, SEED


def checks(gateway: Gateway) -> tuple[Check, ...]:
    if not has(gateway.main, EXTERNAL_ID):
        return ()
    found = [
        Check(
            id="external_ids.unique",
            sentence="a create with an external id that the account has used is refused",
            source=SEED,
            judge=_judge_unique,
        ),
        Check(
            id="external_ids.race",
            sentence="of concurrent creates with the same external id, exactly one is accepted",
            source=SEED,
            judge=_judge_race,
        ),
        Check(
            id=FREE_AFTER_REFUSAL,
            sentence="the external id of a refused request can still be used",
            source=KLING_LIVE,
            judge=judge_feature(FREE_AFTER_REFUSAL),
        ),
        Check(
            id=EXACT,
            sentence="external ids are case-sensitive",
            source=ASSUMED,
            judge=judge_feature(EXACT),
        ),
        Check(
            id="external_ids.echoed",
            sentence="task_info, if present, has the external id of the create request",
            source=KLING_PAGE,
            judge=_judge_echo,
        ),
    ]
    if gateway.finds_external_ids:
        found.append(
            Check(
                id="external_ids.query",
                sentence="a task can be queried by its external id",
                source=KLING_PAGE,
                judge=_judge_query,
                unless=("responses.success", "responses.error_status", "responses.json"),
            )
        )
    return tuple(found)


def steps(gateway: Gateway) -> tuple[Step, ...]:
    if not has(gateway.main, EXTERNAL_ID):
        return ()
    found = [
        Step(
            name="external ids: a duplicate while the task runs",
            stage=Stage.RUNNING,
            description="creates with the external ids of running tasks",
            run=_duplicate("running", Label.REFUSED),
            requests=2,
            max_cost=smallest_cost(gateway.main),
            checks=("external_ids.unique", "errors.duplicate_id", "responses.*"),
        ),
        Step(
            name="external ids: a duplicate when the task has ended",
            stage=Stage.ENDED,
            description="creates with the external ids of a task that has succeeded, "
            "and of one that has failed",
            run=_duplicate("ended", Label.FAILING),
            requests=2,
            max_cost=smallest_cost(gateway.main),
            checks=("external_ids.unique", "errors.duplicate_id", "responses.*"),
        ),
    ]
    if gateway.finds_external_ids:
        found.append(
            Step(
                name="external ids: a query",
                stage=Stage.ENDED,
                description="queries by external id",
                run=_query,
                requests=4,
                checks=("external_ids.query", "responses.*"),
            )
        )
    return tuple(found)


def _duplicate(when: str, other: str) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        second = refused_id(session) if other == Label.REFUSED else session.external_id(other)
        ids = (session.external_id(Label.FIRST), second)
        used = {exchange.external_id for exchange in session.evidence.creates if exchange.accepted}
        for external_id in ids:
            if external_id in used:
                body = minimal(session.operation) | {EXTERNAL_ID: external_id}
                if session.create(Probe(ProbeKind.DUPLICATE, EXTERNAL_ID, when), body).accepted:
                    return

    return run


def _query(session: Session) -> None:
    for history in session.evidence.histories():
        external_id = history.created.external_id
        if history.created.credential == "first" and external_id in (
            session.external_id(Label.FIRST),
            session.external_id(Label.OTHER_CASE),
            session.external_id(Label.ALPHABETS),
            refused_id(session),
        ):
            target = f"{session.create_path}/{quote(external_id)}"
            session.send(Probe(ProbeKind.BY_EXTERNAL_ID, history.id, external_id), "GET", target)


def _judge_unique(evidence: Evidence, context: CheckContext) -> None:
    for exchange in evidence.of(ProbeKind.DUPLICATE):
        external_id = exchange.external_id
        first = next(each for each in evidence.creates if each.accepted and each.external_id == external_id)
        context.expect(
            not exchange.accepted,
            f"a second task was created with the same external id ({exchange.probe.tag})",
            expected="a refusal",
            actual=exchange.shown,
            shown=(first, exchange),
        )


def _judge_race(evidence: Evidence, context: CheckContext) -> None:
    raced = [request.name for request in requests_of(evidence.gateway) if request.racers > 1]
    racers = [exchange for name in raced for exchange in evidence.of(ProbeKind.ACCEPT, name)]
    # After a lost reply one was sent again with another id.
    racers = [exchange for exchange in racers if exchange.external_id == racers[0].external_id]
    if len(racers) < 2 or not any(EXTERNAL_ID in each.asked_object for each in racers):
        return
    # The same task in several answers counts once; `external_ids.unique` reports accepted duplicates.
    winners = {exchange.task.task_id for exchange in racers if exchange.accepted and exchange.task}
    if not winners:  # the request is refused for another reason
        return
    context.expect(
        len(winners) == 1,
        f"{len(winners)} of {len(racers)} concurrent creates with the same external id were accepted",
        expected="exactly one is accepted",
        actual=f"{len(winners)} accepted",
        shown=racers,
    )


def _judge_echo(evidence: Evidence, context: CheckContext) -> None:
    for history in evidence.histories():
        given = history.created.external_id
        if history.created.probe.kind == ProbeKind.REFUSE:
            continue  # the external id itself may be invalid there
        for observation in history.observations:
            shown = observation.task.external_task_id
            if (shown is not None or (given and _has_info(observation.shown))) and not context.expect(
                shown == given,
                "task_info has another external id than the create request",
                expected=given or "none",
                actual=shown or "none",
                shown=(history.created, observation.shown),
            ):
                break


def _has_info(shown: Shown) -> bool:
    """Whether the message has a task_info, which is optional."""
    data = shown.json_object.get("data") if isinstance(shown, Exchange) else None
    return isinstance(data, dict) and isinstance(cast("dict[str, object]", data).get("task_info"), dict)


def _judge_query(evidence: Evidence, context: CheckContext) -> None:
    if any(
        each.task is not None and each.task.task_id != each.probe.about
        for each in evidence.of(ProbeKind.POLL)
    ):
        return  # queries by task id show wrong tasks too, which `lifecycle.own_task` reports
    for exchange in evidence.of(ProbeKind.BY_EXTERNAL_ID):
        # Several tasks have the id if a duplicate was accepted.
        mine = {
            history.id
            for history in evidence.histories()
            if history.created.external_id == exchange.probe.tag
        }
        context.expect(
            exchange.task is not None and exchange.task.task_id in mine,
            "a query by external id did not show the task",
            expected=f"the task {exchange.probe.about}",
            actual=exchange.shown,
            shown=(exchange,),
        )
