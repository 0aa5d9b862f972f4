"""Requests that break one rule are refused each time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kling_contracts.checks.combined_faults import TOGETHER, CombinedFault, Family, with_single_values
from kling_contracts.checks.histories import accepts_nothing, ended_as, task_of
from kling_contracts.checks.invalid_bodies import (
    OTHERS,
    REPEATED,
    families_of,
    others_of,
    repeated_of,
    step_of,
)
from kling_contracts.gateways import Gateway
from kling_contracts.operations import Operation
from kling_contracts.verify import parts
from kling_contracts.verify.budget import images_in
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.model import Check, CheckContext, Stage, Step
from kling_contracts.verify.probes import Label, Probe, ProbeKind
from kling_contracts.verify.session import Session
from kling_contracts.vocabulary import TaskStatus

_REFUSAL_CHECKS = ("errors.element", "responses.*", "invalid_requests.*", "external_ids.free_after_refusal")


def checks(gateway: Gateway) -> tuple[Check, ...]:
    return tuple(
        Check(
            id=f"refuses.{family[0].rule.id}",
            sentence=f"a request that breaks the rule is refused: {family[0].rule.sentence}",
            source=family[0].rule.source,
            judge=_judge_family(family[0].rule.id, may_fail=family[0].rule.id in _may_fail(gateway.main)),
        )
        for family in families_of(gateway)
    )


def steps(gateway: Gateway) -> tuple[Step, ...]:
    return (
        *(
            Step(
                name=step_of(family),
                stage=Stage.REFUSED,
                description=f"create requests that break {family[0].rule.id}, until one is accepted",
                run=_send_family(family),
                requests=len(family),
                max_cost=_most_images(family),
                checks=(
                    f"refuses.{family[0].rule.id}",
                    "errors.validation",
                    "errors.unknown_model",
                    *_REFUSAL_CHECKS,
                ),
            )
            for family in families_of(gateway)
        ),
        Step(
            name=REPEATED,
            stage=Stage.REFUSED,
            description="one request for each rule again, with other values of other fields, in random order",
            run=_send_again(gateway),
            requests=2 * len(repeated_of(gateway)),
            max_cost=_most_images(repeated_of(gateway)),
            checks=("refuses.*", *_REFUSAL_CHECKS),
        ),
        Step(
            name=OTHERS,
            stage=Stage.REFUSED,
            description="one request for each rule for several images, without external id and callback",
            run=_send_others(gateway),
            requests=len(others_of(gateway)),
            max_cost=_most_images(others_of(gateway)),
            checks=("refuses.*", *_REFUSAL_CHECKS),
        ),
    )


def _most_images(faults: Sequence[CombinedFault]) -> int:
    return max((images_in(each.body) for each in faults), default=0)


def _may_fail(operation: Operation) -> frozenset[str]:
    """The rules about image URLs; a server may accept a bad one and let the task fail later."""
    return frozenset(place.field.not_url.id for place in parts.picture_places(operation))


def _has_failed(evidence: Evidence, created: Exchange) -> bool:
    """Whether the created task has failed."""
    history = task_of(evidence, created)
    return history is not None and ended_as(history, TaskStatus.FAILED)


def refused_id(session: Session) -> str:
    """The external id of invalid requests; a new one after an invalid request was accepted."""
    taken = sum(1 for exchange in session.evidence.of(ProbeKind.REFUSE) if exchange.accepted)
    return session.external_id(f"{Label.REFUSED}{taken or ''}")


def _send_family(family: Family) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        for each in family:
            if _is_accepted(session, each):
                return

    return run


def _send_again(gateway: Gateway) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        broken = _broken(session)
        repeated = [it for it in repeated_of(gateway) if it.rule.id not in broken]
        session.random.shuffle(repeated)
        for each in repeated:
            if not _is_accepted(session, each):
                _is_accepted(session, each)  # a server may remember the body

    return run


def _send_others(gateway: Gateway) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        broken = _broken(session)
        for each in others_of(gateway):
            if each.rule.id not in broken and _is_accepted(session, each):
                broken.add(each.rule.id)

    return run


def _broken(session: Session) -> set[str]:
    """The rules whose violation was accepted."""
    return {each.probe.about for each in session.evidence.of(ProbeKind.REFUSE) if each.accepted}


def _is_accepted(session: Session, each: CombinedFault) -> bool:
    """Send an invalid request. If it is accepted, look for the value of another field that is the cause."""
    if not session.create(_probe(each), _body_in(session, each)).accepted:
        return False
    if each.values and session.budget.left > images_in(each.body):
        for simpler in with_single_values(session.operation, each):
            if session.create(_probe(simpler), _body_in(session, simpler)).accepted:
                break
    return True


def _probe(each: CombinedFault) -> Probe:
    return Probe(ProbeKind.REFUSE, each.rule.id, each.tag)


def _body_in(session: Session, each: CombinedFault) -> dict[str, object]:
    """The body with an external id and a callback URL, which reveal side effects of a refused request."""
    marks: dict[str, object] = {}
    if each.extended and parts.has(session.operation, parts.EXTERNAL_ID):
        marks[parts.EXTERNAL_ID] = refused_id(session)
    if each.extended and session.inbox is not None and parts.calls_back(session.operation):
        marks[parts.CALLBACK] = session.inbox.url(Label.REFUSED)
    return marks | each.body


def _judge_family(rule_id: str, *, may_fail: bool) -> Callable[[Evidence, CheckContext], None]:
    def judge(evidence: Evidence, context: CheckContext) -> None:
        asked = () if accepts_nothing(evidence) else evidence.of(ProbeKind.REFUSE, rule_id)
        # The request with the fewest values of other fields is the first example.
        for exchange in sorted(asked, key=lambda it: it.probe.tag.count(TOGETHER) + it.probe.tag.count(", ")):
            if exchange.accepted and may_fail and _has_failed(evidence, exchange):
                continue
            context.expect(
                not exchange.accepted,
                f"an invalid request was accepted: {exchange.probe.about}, {exchange.probe.tag}",
                expected="a refusal",
                actual=exchange.shown,
                shown=(exchange,),
            )

    return judge
