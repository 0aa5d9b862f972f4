"""Requests that break one rule are refused each time, with the expected error, and have no side effect."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from kling_contracts.checks.combined_faults import TOGETHER, CombinedFault, Family, with_single_values
from kling_contracts.checks.histories import accepts_nothing, ended_as, task_of, tasks_with_callbacks
from kling_contracts.checks.invalid_bodies import (
    OTHERS,
    REPEATED,
    families_of,
    others_of,
    repeated_of,
    step_of,
)
from kling_contracts.checks.pagination import PAGE_SIZE, list_whole
from kling_contracts.checks.refusals import any_validation_shape, error_check, error_message
from kling_contracts.gateways import Gateway, RefusalReason
from kling_contracts.messages import TaskMessage
from kling_contracts.operations import Operation
from kling_contracts.verify import parts
from kling_contracts.verify.budget import images_in
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange, read_task
from kling_contracts.verify.model import Check, CheckContext, Stage, Step
from kling_contracts.verify.parts import EXTERNAL_ID, calls_back, has, picture_list
from kling_contracts.verify.probes import Label, Probe, ProbeKind
from kling_contracts.verify.session import Session
from kling_contracts.vocabulary import KLING_LIVE, SAFETY, TaskStatus

# The position of the invalid element in the tag of a fault, and in a message.
_ELEMENT: Final = re.compile(r"element (\d+)")
_INDEX: Final = re.compile(r"\[(\d+)\]")
_REFUSAL_CHECKS = ("errors.element", "responses.*", "invalid_requests.*", "external_ids.free_after_refusal")


def checks(gateway: Gateway) -> tuple[Check, ...]:
    return (*_list_checks(gateway), *_rule_checks(gateway))


def steps(gateway: Gateway) -> tuple[Step, ...]:
    return (*_list_steps(gateway), *_rule_steps(gateway))


def _rule_checks(gateway: Gateway) -> tuple[Check, ...]:
    return tuple(
        Check(
            id=f"refuses.{family[0].rule.id}",
            sentence=f"a request that breaks the rule is refused: {family[0].rule.sentence}",
            source=family[0].rule.source,
            judge=_judge_family(family[0].rule.id, may_fail=family[0].rule.id in _may_fail(gateway.main)),
        )
        for family in families_of(gateway)
    )


def _rule_steps(gateway: Gateway) -> tuple[Step, ...]:
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


def refused(evidence: Evidence) -> Sequence[Exchange]:
    """Requests that break a rule and were refused."""
    return [exchange for exchange in evidence.of(ProbeKind.REFUSE) if not exchange.accepted]


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


def error_checks(gateway: Gateway) -> tuple[Check, ...]:
    found = [
        error_check(
            "errors.validation",
            "a request that breaks a rule is refused with the expected error",
            gateway,
            [RefusalReason.INVALID],
            _refusals(unknown_model=False),
            also=any_validation_shape(gateway),
        )
    ]
    if RefusalReason.UNKNOWN_MODEL in gateway.main.rules:
        found.append(
            error_check(
                "errors.unknown_model",
                "an unknown model is refused with the expected error",
                gateway,
                [RefusalReason.UNKNOWN_MODEL],
                _refusals(unknown_model=True),
            )
        )
    if picture_list(gateway.main) is not None:
        found.append(
            Check(
                id="errors.element",
                sentence="an error that gives the index of a list element gives that of the invalid one",
                source=KLING_LIVE,
                judge=_judge_element,
                required=False,
            )
        )
    if has(gateway.main, EXTERNAL_ID):
        found.append(
            error_check(
                "errors.duplicate_id",
                "a duplicate external id is refused with the expected error",
                gateway,
                [RefusalReason.DUPLICATE_ID],
                lambda evidence: evidence.of(ProbeKind.DUPLICATE),
                also=any_validation_shape(gateway),
            )
        )
    return tuple(found)


def _judge_element(evidence: Evidence, context: CheckContext) -> None:
    """Compare the indices in messages with the invalid elements; a server may count from 0 or from 1."""
    named: list[tuple[Exchange, int, int]] = []
    for exchange in refused(evidence):
        element, shown = _ELEMENT.match(exchange.probe.tag), _INDEX.search(error_message(exchange))
        if element and shown:
            named.append((exchange, int(element[1]), int(shown[1])))
    first = min((0, 1), key=lambda first: sum(index != at + first for _, at, index in named))
    for exchange, at, index in named:
        context.expect(
            index == at + first,
            f"the error for element {at} names another one",
            expected=f"[{at + first}]",
            actual=exchange.shown,
            shown=(exchange,),
        )


def _refusals(*, unknown_model: bool) -> Callable[[Evidence], Iterator[Exchange]]:
    named = RefusalReason.UNKNOWN_MODEL.value

    def pick(evidence: Evidence) -> Iterator[Exchange]:
        return (
            each for each in evidence.of(ProbeKind.REFUSE) if (each.probe.about == named) is unknown_model
        )

    return pick


def _list_checks(gateway: Gateway) -> tuple[Check, ...]:
    if not gateway.lists:
        return ()
    return (
        Check(
            id="invalid_requests.no_task",
            sentence="a refused request creates no task",
            source=SAFETY,
            judge=_judge_nothing,
        ),
    )


def _list_steps(gateway: Gateway) -> tuple[Step, ...]:
    if not gateway.lists:
        return ()
    return (
        Step(
            name="lists: before the refusals",
            stage=Stage.READING,
            description="the list before anything is created",
            run=list_whole(ProbeKind.LIST_BEFORE),
            requests=1,
            checks=("invalid_requests.no_task", "lists.one_task", "responses.*"),
        ),
        Step(
            name="lists: after the refusals",
            stage=Stage.CREATING,
            description="the list after the invalid requests were refused",
            run=list_whole(ProbeKind.LIST_AFTER),
            requests=1,
            checks=("invalid_requests.no_task", "lists.one_task", "responses.*"),
        ),
    )


def _judge_nothing(evidence: Evidence, context: CheckContext) -> None:
    before, after = (
        next(evidence.of(ProbeKind.LIST_BEFORE), None),
        next(evidence.of(ProbeKind.LIST_AFTER), None),
    )
    asked = refused(evidence)
    if before is None or after is None or not asked or len(after.listed) >= PAGE_SIZE:
        return
    if not (before.is_list and after.is_list):
        return
    known = {task.task_id for task in before.listed} | {history.id for history in evidence.histories()}
    new = [task.task_id for task in after.listed if task.task_id not in known]
    context.expect(
        not new,
        f"{len(new)} tasks were created by requests that were refused",
        expected="no new task",
        actual=", ".join(new[:3]) or "none",
        shown=(before, asked[0], after),
    )


def callback_checks(gateway: Gateway) -> tuple[Check, ...]:
    if not calls_back(gateway.main):
        return ()
    return (
        Check(
            id="invalid_requests.no_callback",
            sentence="a refused request causes no callback",
            source=SAFETY,
            judge=_judge_callbacks,
        ),
    )


def _judge_callbacks(evidence: Evidence, context: CheckContext) -> None:
    asked = [each for each in refused(evidence) if "callback_url" in each.asked_object]
    if not asked or not tasks_with_callbacks(evidence) or not evidence.deliveries:
        return
    # A valid request reuses the external id of a refused one, but has another callback URL.
    strays = [
        each
        for each in evidence.deliveries
        if each.token == Label.REFUSED and not _accepted_elsewhere(evidence, read_task(each.json))
    ]
    context.expect(
        not strays,
        "a refused request caused a callback",
        expected="none",
        actual=strays[0].shown if strays else "none",
        shown=(asked[0], *strays[:1]),
    )


def _accepted_elsewhere(evidence: Evidence, task: TaskMessage | None) -> bool:
    return task is not None and any(
        each.accepted and each.task is not None and each.task.task_id == task.task_id
        for each in evidence.of(ProbeKind.REFUSE)
    )
