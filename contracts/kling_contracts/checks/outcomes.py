"""How tasks end: well where the pictures are good, and not at all well where one is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Final, NamedTuple

from kling_contracts.checks.accepting import CREATE_FEEDS, ONLY, TWICE, WHOLE
from kling_contracts.checks.endings import ended_as, task_of
from kling_contracts.checks.valid_requests import FAILING
from kling_contracts.gateways import Gateway
from kling_contracts.operations import Operation
from kling_contracts.picture_fields import PictureList
from kling_contracts.rules import Rule
from kling_contracts.sample_pictures import encoded
from kling_contracts.verify import parts
from kling_contracts.verify.bodies import Body, minimal, photograph, picture, subjects
from kling_contracts.verify.budget import images_in
from kling_contracts.verify.check import Check, Hearing
from kling_contracts.verify.evidence import Evidence, Trace
from kling_contracts.verify.exchange import Probe
from kling_contracts.verify.session import Session
from kling_contracts.verify.step import Stage, Step
from kling_contracts.vocabulary import (
    INPUT_RATIO_MAXIMUM,
    INPUT_SIDE_MINIMUM,
    KLING_PAGE,
    RISK_CONTROL,
    TaskStatus,
)

ATTEMPT: Final = "attempt"

_SIDE: Final = INPUT_SIDE_MINIMUM.value
_LONG: Final = int(_SIDE * INPUT_RATIO_MAXIMUM.value)


class Spoilt(NamedTuple):
    """A create whose pictures break one rule that makes tasks fail. `must`: it belongs to every run."""

    rule: Rule
    tag: str
    body: Body
    must: bool = False


def spoilt(operation: Operation) -> Iterator[Spoilt]:
    """One for each way in which a picture is measured wrongly, the most telling one first."""
    listed, places = parts.picture_list(operation), list(parts.picture_places(operation))
    if listed:
        yield from _spoilt_subjects(operation, listed)
        places = [place for place in places if place.field != listed.item]
    elif places:
        yield from _spoilt_picture(places.pop(0))
    small = cycle((picture(_SIDE, _SIDE - 1), photograph(_SIDE - 1, _SIDE)))
    for place, shown in zip(places, small, strict=False):
        yield Spoilt(place.field.too_small, "too small", place.body_with(shown))


def _spoilt_picture(place: parts.Place) -> Iterator[Spoilt]:
    """The same for an operation without a list of subjects."""
    field = place.field
    ways = (
        (field.too_small, "not high enough", picture(_SIDE, _SIDE - 1)),
        (field.too_small, "not wide enough", photograph(_SIDE - 1, _SIDE)),
        (field.too_oblong, "too wide", picture(_LONG + 2, _SIDE)),
        (field.too_oblong, "too high", photograph(_SIDE, _LONG + 2)),
        (field.no_picture, "no picture", encoded(b"This is no picture, but a text.")),
    )
    for at, (rule, tag, shown) in enumerate(ways):
        yield Spoilt(rule, tag, place.body_with(shown), must=at == 0)


def _spoilt_subjects(operation: Operation, listed: PictureList) -> Iterator[Spoilt]:
    def among(*pictures: str) -> Body:
        return minimal(operation) | {listed.name: subjects(operation, *pictures)}

    item, good = listed.item, picture()
    yield Spoilt(item.too_small, "not high enough", among(good, picture(_SIDE, _SIDE - 1)), must=True)
    yield Spoilt(item.too_small, "not wide enough", among(photograph(_SIDE - 1, _SIDE), good))
    yield Spoilt(item.too_oblong, "too wide", among(good, picture(_LONG + 2, _SIDE)))
    yield Spoilt(item.too_oblong, "too high", among(good, photograph(_SIDE, _LONG + 2)))
    yield Spoilt(item.no_picture, "no picture", among(good, encoded(b"This is no picture, but a text.")))


def checks(gateway: Gateway) -> tuple[Check, ...]:
    musts: dict[str, bool] = {}
    rules: dict[str, Rule] = {}
    for each in spoilt(gateway.main):
        rules[each.rule.id] = each.rule
        musts[each.rule.id] = musts.get(each.rule.id, False) or each.must
    return (
        Check(
            id="outcomes.succeeds",
            sentence="a task whose pictures are all good succeeds" if rules else "a valid task succeeds",
            source=KLING_PAGE,
            judge=_judge_success,
        ),
        *(
            Check(
                id=f"outcomes.{rule.id}",
                sentence=f"a task fails, or is refused, unless {rule.sentence}",
                source=rule.source,
                judge=_judge_failure(rule.id),
                must=musts[rule.id],
            )
            for rule in rules.values()
        ),
    )


def steps(gateway: Gateway) -> tuple[Step, ...]:
    return tuple(
        Step(
            name=f"a task that fails: {each.rule.id}, {each.tag}",
            stage=Stage.CREATING if each.must else Stage.EXTRA,
            does=f"a create with a picture that is {each.tag}, which makes tasks fail",
            run=_send(each),
            requests=1,
            reserves=images_in(each.body),
            keeps=images_in(each.body),
            feeds=(f"outcomes.{each.rule.id}", "life_cycle.failed.message", *CREATE_FEEDS),
            must=each.must,
        )
        for each in spoilt(gateway.main)
    )


def _send(each: Spoilt) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        body = dict(each.body)
        if each.must:
            if parts.has(session.operation, parts.EXTERNAL_ID):
                body[parts.EXTERNAL_ID] = session.external_id(FAILING)
            if session.inbox is not None and parts.calls_back(session.operation):
                body[parts.CALLBACK] = session.inbox.url(FAILING)
        session.create(Probe(ATTEMPT, each.rule.id, each.tag), body)

    return run


def _judge_success(evidence: Evidence, hearing: Hearing) -> None:
    operation = evidence.operation
    valid = [trace for trace in evidence.traces() if _is_valid(trace, operation) and trace.end is not None]
    anything = any(ended_as(trace, TaskStatus.SUCCEED) for trace in valid)
    for trace in valid:
        end = trace.end
        if end is None or (anything and end.task.task_status_msg == RISK_CONTROL.value):
            continue  # what a policy forbids is not for us to say, unless it forbids everything
        hearing.expect(
            end.task.task_status == TaskStatus.SUCCEED,
            "a task with good pictures failed",
            expected="succeed",
            actual=f"{end.task.task_status}: {end.task.task_status_msg}",
            shown=(trace.created, end.shown),
        )


def _judge_failure(rule_id: str) -> Callable[[Evidence, Hearing], None]:
    def judge(evidence: Evidence, hearing: Hearing) -> None:
        for exchange in evidence.of(ATTEMPT, rule_id):
            if not exchange.accepted:
                hearing.expect(True, "", expected="", actual="", shown=())  # refused at once, as good
                continue
            trace = task_of(evidence, exchange)
            if trace is None or trace.end is None:
                continue  # it has not ended, or shows no task: another finding
            hearing.expect(
                not ended_as(trace, TaskStatus.SUCCEED),
                f"a task with a picture that is {exchange.probe.tag} succeeded",
                expected="failed, or a refusal of the create",
                actual=trace.end.shown.shown,
                shown=(exchange, trace.end.shown),
            )

    return judge


def _is_valid(trace: Trace, operation: Operation) -> bool:
    """Whether a create was valid, and has no picture that the server would have to get somewhere."""
    if trace.created.probe.kind not in (WHOLE, ONLY, TWICE):
        return False
    given = operation.read(dict(trace.created.asked_object)).pictures
    return all(each.url is None for each in given)
