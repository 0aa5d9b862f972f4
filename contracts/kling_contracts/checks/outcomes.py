"""Outcomes: a task with valid images succeeds, a task with an image that breaks a rule fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import NamedTuple

from kling_contracts.cases.images import LONG, SIDE, photograph, picture
from kling_contracts.checks.histories import accepts_nothing, ended_as, task_of
from kling_contracts.checks.valid_requests import CREATE_CHECKS
from kling_contracts.gateways import Gateway
from kling_contracts.image_fields import PictureList
from kling_contracts.image_files import encoded
from kling_contracts.operations import Operation
from kling_contracts.rules import Rule
from kling_contracts.verify import parts
from kling_contracts.verify.bodies import Body, minimal, subjects
from kling_contracts.verify.budget import images_in
from kling_contracts.verify.evidence import Evidence, TaskHistory
from kling_contracts.verify.model import Check, CheckContext, Stage, Step
from kling_contracts.verify.probes import Label, Probe, ProbeKind
from kling_contracts.verify.session import Session
from kling_contracts.vocabulary import KLING_PAGE, RISK_CONTROL, TaskStatus


class FailingCreate(NamedTuple):
    """A create with an image that breaks a rule whose effect is a failed task.

    `required`: the create belongs to every run.
    """

    rule: Rule
    tag: str
    body: Body
    required: bool = False


def failing_creates(operation: Operation) -> Iterator[FailingCreate]:
    """The creates that must fail, the required one first."""
    listed, places = parts.picture_list(operation), list(parts.picture_places(operation))
    if listed:
        yield from _failing_subjects(operation, listed)
        places = [place for place in places if place.field != listed.item]
    elif places:
        yield from _failing_picture(places.pop(0))
    small = cycle((picture(SIDE, SIDE - 1), photograph(SIDE - 1, SIDE)))
    for place, shown in zip(places, small, strict=False):
        yield FailingCreate(place.field.too_small, "too small", place.body_with(shown))


def _failing_picture(place: parts.Place) -> Iterator[FailingCreate]:
    """The creates for an operation without a list of subjects."""
    field = place.field
    ways = (
        (field.too_small, "not high enough", picture(SIDE, SIDE - 1)),
        (field.too_small, "not wide enough", photograph(SIDE - 1, SIDE)),
        (field.too_oblong, "too wide", picture(LONG + 2, SIDE)),
        (field.too_oblong, "too high", photograph(SIDE, LONG + 2)),
        (field.no_picture, "not an image", encoded(b"This is no picture, but a text.")),
    )
    for at, (rule, tag, shown) in enumerate(ways):
        yield FailingCreate(rule, tag, place.body_with(shown), required=at == 0)


def _failing_subjects(operation: Operation, listed: PictureList) -> Iterator[FailingCreate]:
    def among(*pictures: str) -> Body:
        return minimal(operation) | {listed.name: subjects(operation, *pictures)}

    item, good = listed.item, picture()
    yield FailingCreate(
        item.too_small, "not high enough", among(good, picture(SIDE, SIDE - 1)), required=True
    )
    yield FailingCreate(item.too_small, "not wide enough", among(photograph(SIDE - 1, SIDE), good))
    yield FailingCreate(item.too_oblong, "too wide", among(good, picture(LONG + 2, SIDE)))
    yield FailingCreate(item.too_oblong, "too high", among(good, photograph(SIDE, LONG + 2)))
    yield FailingCreate(
        item.no_picture, "not an image", among(good, encoded(b"This is no picture, but a text."))
    )


def checks(gateway: Gateway) -> tuple[Check, ...]:
    required_by_id: dict[str, bool] = {}
    rules: dict[str, Rule] = {}
    for each in failing_creates(gateway.main):
        rules[each.rule.id] = each.rule
        required_by_id[each.rule.id] = required_by_id.get(each.rule.id, False) or each.required
    return (
        Check(
            id="outcomes.succeeds",
            sentence="a task with valid images succeeds" if rules else "a valid task succeeds",
            source=KLING_PAGE,
            judge=_judge_success,
        ),
        *(
            Check(
                id=f"outcomes.{rule.id}",
                sentence=f"a task that breaks the rule fails, or its create is refused: {rule.sentence}",
                source=rule.source,
                judge=_judge_failure(rule.id),
                required=required_by_id[rule.id],
            )
            for rule in rules.values()
        ),
    )


def steps(gateway: Gateway) -> tuple[Step, ...]:
    return tuple(
        Step(
            name=f"a task that fails: {each.rule.id}, {each.tag}",
            stage=Stage.CREATING if each.required else Stage.EXTRA,
            description=f"a create with an image that is {each.tag}, so that the task must fail",
            run=_send(each),
            requests=1,
            max_cost=images_in(each.body),
            creates=images_in(each.body),
            checks=(f"outcomes.{each.rule.id}", "lifecycle.failed.message", *CREATE_CHECKS),
            required=each.required,
        )
        for each in failing_creates(gateway.main)
    )


def _send(each: FailingCreate) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        body = dict(each.body)
        if each.required:
            if parts.has(session.operation, parts.EXTERNAL_ID):
                body[parts.EXTERNAL_ID] = session.external_id(Label.FAILING)
            if session.inbox is not None and parts.calls_back(session.operation):
                body[parts.CALLBACK] = session.inbox.url(Label.FAILING)
        session.create(Probe(ProbeKind.ATTEMPT, each.rule.id, each.tag), body)

    return run


def _judge_success(evidence: Evidence, context: CheckContext) -> None:
    operation = evidence.operation
    valid = [
        history
        for history in evidence.histories()
        if _is_valid(history, operation) and history.end is not None
    ]
    anything = any(ended_as(history, TaskStatus.SUCCEED) for history in valid)
    for history in valid:
        end = history.end
        if end is None or (anything and end.task.task_status_msg == RISK_CONTROL.value):
            continue  # risk control may refuse a prompt; it is a failure only if no task succeeds
        context.expect(
            end.task.task_status == TaskStatus.SUCCEED,
            "a task with valid images failed",
            expected="succeed",
            actual=f"{end.task.task_status}: {end.task.task_status_msg}",
            shown=(history.created, end.shown),
        )


def _judge_failure(rule_id: str) -> Callable[[Evidence, CheckContext], None]:
    def judge(evidence: Evidence, context: CheckContext) -> None:
        for exchange in evidence.of(ProbeKind.ATTEMPT, rule_id):
            if not exchange.accepted:
                if not accepts_nothing(evidence):
                    context.hold()  # a refusal is as good
                continue
            history = task_of(evidence, exchange)
            if history is None or history.end is None:
                continue  # no end was observed
            context.expect(
                not ended_as(history, TaskStatus.SUCCEED),
                f"a task with an image that is {exchange.probe.tag} succeeded",
                expected="failed, or a refusal of the create",
                actual=history.end.shown.shown,
                shown=(exchange, history.end.shown),
            )

    return judge


def _is_valid(history: TaskHistory, operation: Operation) -> bool:
    """Whether a create was valid and has no image by URL, which the server might fail to download."""
    if history.created.probe.kind not in (ProbeKind.ACCEPT, ProbeKind.ACCEPT_ONLY, ProbeKind.ACCEPT_TWICE):
        return False
    given = operation.read(dict(history.created.asked_object)).pictures
    return all(each.url is None for each in given)
