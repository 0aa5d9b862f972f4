"""Requests that break one rule are refused, every time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import groupby
from typing import Final

from kling_contracts.checks.endings import ended_as, task_of
from kling_contracts.gateways import Gateway
from kling_contracts.operations import Operation
from kling_contracts.verify import parts
from kling_contracts.verify.bodies import Fault, faults
from kling_contracts.verify.budget import images_in
from kling_contracts.verify.check import Check, Hearing
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange, Probe
from kling_contracts.verify.session import Session
from kling_contracts.verify.step import Stage, Step
from kling_contracts.vocabulary import TaskStatus

REFUSE: Final = "refuse"
# The name of their external id, and of their URL for callbacks.
REFUSED: Final = "refused"


def checks(gateway: Gateway) -> tuple[Check, ...]:
    return tuple(
        Check(
            id=f"refuses.{family[0].rule.id}",
            sentence=f"a request is refused unless {family[0].rule.sentence}",
            source=family[0].rule.source,
            judge=_judge_family(family[0].rule.id, may_fail=family[0].rule.id in _may_fail(gateway.main)),
        )
        for family in _families(gateway)
    )


def steps(gateway: Gateway) -> tuple[Step, ...]:
    return (
        *(
            Step(
                name=f"refused: {family[0].rule.id}",
                stage=Stage.REFUSED,
                does=f"create requests that break {family[0].rule.id}, until one is accepted",
                run=_send_family(family),
                requests=len(family),
                reserves=max(images_in(fault.body) for fault in family),
                feeds=(f"refuses.{family[0].rule.id}", "errors.validation", "errors.unknown_model", *_FEEDS),
            )
            for family in _families(gateway)
        ),
        Step(
            name="refused: once more",
            stage=Stage.REFUSED,
            does="the first of each of these again: the verdict may not depend on what came before",
            run=_send_again(gateway),
            requests=len(_families(gateway)),
            reserves=max(images_in(family[0].body) for family in _families(gateway)),
            feeds=("refuses.*", *_FEEDS),
        ),
    )


_FEEDS = ("answers.*", "refused.*", "external_ids.not_burnt")


@cache
def _families(gateway: Gateway) -> tuple[tuple[Fault, ...], ...]:
    """The faults by rule: a family stops at its first unexpected acceptance."""
    ordered = sorted(faults(gateway.main), key=lambda fault: fault.rule.id)
    return tuple(tuple(family) for _, family in groupby(ordered, lambda fault: fault.rule.id))


def _may_fail(operation: Operation) -> frozenset[str]:
    """The rules about URLs of pictures: one that cannot be had makes a task fail, at once or later."""
    return frozenset(place.field.not_url.id for place in parts.picture_places(operation))


def _has_failed(evidence: Evidence, created: Exchange) -> bool:
    """Whether the task that was created has ended badly."""
    trace = task_of(evidence, created)
    return trace is not None and ended_as(trace, TaskStatus.FAILED)


def refused(evidence: Evidence) -> Sequence[Exchange]:
    """Requests that break a rule and were refused."""
    return [exchange for exchange in evidence.of(REFUSE) if not exchange.accepted]


def refused_id(session: Session) -> str:
    """The external id that refused requests bring: a new one when such a request was accepted after all."""
    taken = sum(1 for exchange in session.evidence.of(REFUSE) if exchange.accepted)
    return session.external_id(f"{REFUSED}{taken or ''}")


def _send_family(family: tuple[Fault, ...]) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        for fault in family:
            if session.create(_probe(fault), _marked(session, fault)).accepted:
                return

    return run


def _send_again(gateway: Gateway) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        broken = {each.probe.about for each in session.evidence.of(REFUSE) if each.accepted}
        families = [family for family in _families(gateway) if family[0].rule.id not in broken]
        again = [family[0] for family in families if not family[0].rule.id.endswith("max_bytes")]
        session.random.shuffle(again)
        for fault in again:
            session.create(_probe(fault), _marked(session, fault))

    return run


def _probe(fault: Fault) -> Probe:
    return Probe(REFUSE, fault.rule.id, fault.tag)


def _marked(session: Session, fault: Fault) -> dict[str, object]:
    """The body with an id and a URL for callbacks besides, to see that a refusal leaves nothing behind."""
    marks: dict[str, object] = {}
    if parts.has(session.operation, parts.EXTERNAL_ID):
        marks[parts.EXTERNAL_ID] = refused_id(session)
    if session.inbox is not None and parts.calls_back(session.operation):
        marks[parts.CALLBACK] = session.inbox.url(REFUSED)
    return marks | fault.body


def _judge_family(rule_id: str, *, may_fail: bool) -> Callable[[Evidence, Hearing], None]:
    def judge(evidence: Evidence, hearing: Hearing) -> None:
        for exchange in evidence.of(REFUSE, rule_id):
            if exchange.accepted and may_fail and _has_failed(evidence, exchange):
                continue
            hearing.expect(
                not exchange.accepted,
                f"a request with {exchange.probe.tag} was accepted",
                expected="a refusal",
                actual=exchange.shown,
                shown=(exchange,),
            )

    return judge
