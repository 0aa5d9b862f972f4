"""External ids: unique within an account, also when two come at once; a refusal uses none up."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from kling_contracts.checks.combined_requests import EXACT, NOT_BURNT, requests_of
from kling_contracts.checks.invalid_requests import refused_id
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
            sentence="a second create with an external id of the account is refused",
            source=SEED,
            judge=_judge_unique,
        ),
        Check(
            id="external_ids.race",
            sentence="of creates that come at once with one external id, exactly one is accepted",
            source=SEED,
            judge=_judge_race,
        ),
        Check(
            id=NOT_BURNT,
            sentence="a refused request leaves its external id free",
            source=KLING_LIVE,
            judge=judge_feature(NOT_BURNT),
        ),
        Check(
            id=EXACT,
            sentence="external ids that differ in the case of their letters are different",
            source=ASSUMED,
            judge=judge_feature(EXACT),
        ),
        Check(
            id="external_ids.echoed",
            sentence="where a task has task_info, it shows the external id that was given",
            source=KLING_PAGE,
            judge=_judge_echo,
        ),
    ]
    if gateway.finds_external_ids:
        found.append(
            Check(
                id="external_ids.query",
                sentence="a task is found by its external id as by its own",
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
            description="creates with external ids that running tasks have",
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
                requests=3,
                checks=("external_ids.query", "responses.*"),
            )
        )
    return tuple(found)


def _duplicate(when: str, other: str) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        second = refused_id(session) if other == Label.REFUSED else session.external_id(other)
        ids = (session.external_id(Label.FIRST), second)
        taken = {_external_id(exchange) for exchange in session.evidence.creates if exchange.accepted}
        for external_id in ids:
            if external_id in taken:
                body = minimal(session.operation) | {"external_task_id": external_id}
                if session.create(Probe(ProbeKind.DUPLICATE, "external_task_id", when), body).accepted:
                    return

    return run


def _query(session: Session) -> None:
    for history in session.evidence.histories():
        external_id = _external_id(history.created)
        if history.created.credential == "first" and external_id in (
            session.external_id(Label.FIRST),
            session.external_id(Label.OTHER_CASE),
            refused_id(session),
        ):
            target = f"{session.create_path}/{external_id}"
            session.send(Probe(ProbeKind.BY_EXTERNAL_ID, history.id, external_id), "GET", target)


def _external_id(exchange: Exchange) -> str:
    given = exchange.asked_object.get("external_task_id")
    return given if isinstance(given, str) else ""


def _judge_unique(evidence: Evidence, context: CheckContext) -> None:
    for exchange in evidence.of(ProbeKind.DUPLICATE):
        external_id = _external_id(exchange)
        first = next(each for each in evidence.creates if each.accepted and _external_id(each) == external_id)
        context.expect(
            not exchange.accepted,
            f"a second task was created with one external id ({exchange.probe.tag})",
            expected="a refusal",
            actual=exchange.shown,
            shown=(first, exchange),
        )


def _judge_race(evidence: Evidence, context: CheckContext) -> None:
    raced = [request.name for request in requests_of(evidence.gateway) if request.racers > 1]
    racers = [exchange for name in raced for exchange in evidence.of(ProbeKind.ACCEPT, name)]
    if len(racers) < 2 or not any("external_task_id" in each.asked_object for each in racers):
        return
    # One task shown to all of them is one task: a duplicate was accepted, which `external_ids.unique` sees.
    winners = {exchange.task.task_id for exchange in racers if exchange.accepted and exchange.task}
    if not winners:  # then something else is wrong with the request
        return
    context.expect(
        len(winners) == 1,
        f"{len(winners)} of {len(racers)} creates that came at once with one external id were accepted",
        expected="exactly one is accepted",
        actual=f"{len(winners)} accepted",
        shown=racers,
    )


def _judge_echo(evidence: Evidence, context: CheckContext) -> None:
    for history in evidence.histories():
        given = _external_id(history.created)
        if history.created.probe.kind == ProbeKind.REFUSE:
            continue  # what was given there was no valid id, perhaps
        for observation in history.observations:
            shown = observation.task.external_task_id
            if (shown is not None or (given and _has_info(observation.shown))) and not context.expect(
                shown == given,
                "task_info shows another external id than the one given",
                expected=given or "none",
                actual=shown or "none",
                shown=(history.created, observation.shown),
            ):
                break


def _has_info(shown: Shown) -> bool:
    """Whether there is a task_info: it may be left out, but what is there has to be right."""
    data = shown.json_object.get("data") if isinstance(shown, Exchange) else None
    return isinstance(data, dict) and isinstance(cast("dict[str, object]", data).get("task_info"), dict)


def _judge_query(evidence: Evidence, context: CheckContext) -> None:
    if any(
        each.task is not None and each.task.task_id != each.probe.about
        for each in evidence.of(ProbeKind.POLL)
    ):
        return  # queries show other tasks in general
    for exchange in evidence.of(ProbeKind.BY_EXTERNAL_ID):
        # More than one if a duplicate was accepted.
        mine = {
            history.id
            for history in evidence.histories()
            if _external_id(history.created) == exchange.probe.tag
        }
        context.expect(
            exchange.task is not None and exchange.task.task_id in mine,
            "a query by external id did not show the task",
            expected=f"the task {exchange.probe.about}",
            actual=exchange.shown,
            shown=(exchange,),
        )
