"""How tasks end: well where the pictures are good, and not at all well where one is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, cast

from kling_contracts.checks.accepting import CREATE_FEEDS, ONLY, TWICE, WHOLE
from kling_contracts.checks.endings import ended_as, task_of
from kling_contracts.checks.valid_requests import FAILING
from kling_contracts.fields import LOOKS_WEB
from kling_contracts.gateways import Gateway
from kling_contracts.operations import Operation
from kling_contracts.picture_fields import Picture
from kling_contracts.rules import Rule
from kling_contracts.sample_pictures import encoded
from kling_contracts.verify.bodies import Body, minimal, photograph, picture, subject_list, subjects
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
    listed = subject_list(operation)

    def among(*pictures: str) -> Body:
        return {listed.name: subjects(operation, *pictures)}

    item, good = listed.item, picture()
    yield Spoilt(item.too_small, "not high enough", among(good, picture(_SIDE, _SIDE - 1)), must=True)
    yield Spoilt(item.too_small, "not wide enough", among(photograph(_SIDE - 1, _SIDE), good))
    yield Spoilt(item.too_oblong, "too wide", among(good, picture(_LONG + 2, _SIDE)))
    yield Spoilt(item.too_oblong, "too high", among(good, photograph(_SIDE, _LONG + 2)))
    yield Spoilt(item.no_picture, "no picture", among(good, encoded(b"This is no picture, but a text.")))
    small = (picture(_SIDE, _SIDE - 1), photograph(_SIDE - 1, _SIDE))
    for field, shown in zip(_others(operation), small, strict=True):
        yield Spoilt(field.too_small, "too small", minimal(operation) | {field.name: shown})


def _others(operation: Operation) -> list[Picture]:
    """The fields for one picture each: scene and style."""
    return [field for field in operation.fields if isinstance(field, Picture)]


def checks(gateway: Gateway) -> tuple[Check, ...]:
    musts: dict[str, bool] = {}
    rules: dict[str, Rule] = {}
    for each in spoilt(gateway.main):
        rules[each.rule.id] = each.rule
        musts[each.rule.id] = musts.get(each.rule.id, False) or each.must
    return (
        Check(
            id="outcomes.succeeds",
            sentence="a task whose pictures are all good succeeds",
            source=KLING_PAGE,
            judge=_judge_success,
            catches=("no task ever succeeds", "JPEGs make tasks fail", "300 pixels are too few"),
        ),
        *(
            Check(
                id=f"outcomes.{rule.id}",
                sentence=f"a task fails, or is refused, unless {rule.sentence}",
                source=rule.source,
                judge=_judge_failure(rule.id),
                catches=("pictures that nobody measures", "a limit off by one", "one side is looked at"),
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
            reserves=1,
            keeps=1,
            feeds=(f"outcomes.{each.rule.id}", "life_cycle.failed.message", *CREATE_FEEDS),
            must=each.must,
        )
        for each in spoilt(gateway.main)
    )


def _send(each: Spoilt) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        body = dict(each.body)
        if each.must:
            body["external_task_id"] = session.external_id(FAILING)
            if session.inbox is not None:
                body["callback_url"] = session.inbox.url(FAILING)
        session.create(Probe(ATTEMPT, each.rule.id, each.tag), body)

    return run


def _judge_success(evidence: Evidence, hearing: Hearing) -> None:
    valid = [trace for trace in evidence.traces() if _is_valid(trace) and trace.end is not None]
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


def _is_valid(trace: Trace) -> bool:
    """Whether a create was valid, and has no picture that the server would have to get somewhere."""
    if trace.created.probe.kind not in (WHOLE, ONLY, TWICE):
        return False
    return not any(LOOKS_WEB.match(text) for text in _pictures(trace.created.asked_object))


def _pictures(asked: object) -> Iterator[str]:
    """The texts of a request in which a picture may stand."""
    if isinstance(asked, dict):
        for name, value in cast("dict[str, object]", asked).items():
            if name.endswith("image_list") or not isinstance(value, str):
                yield from _pictures(value)
            elif name.endswith("_image"):
                yield value
    elif isinstance(asked, list):
        for item in cast("list[object]", asked):
            yield from _pictures(item)
