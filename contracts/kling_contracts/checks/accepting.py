"""Valid requests are accepted: every limit from inside, and what is allowed besides.

Where a create that brings several things is refused, its parts are left out one after another until the
guilty one is known: refusals are free.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from kling_contracts.checks.valid_requests import (
    EXACT,
    EXTERNAL_ID,
    NOT_BURNT,
    STUBBORN,
    ValidRequest,
    body_of,
    requests_of,
)
from kling_contracts.gateways import Gateway
from kling_contracts.operations import Operation
from kling_contracts.verify.bodies import Body, Feature
from kling_contracts.verify.budget import images_in
from kling_contracts.verify.check import Check, Hearing
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange, Probe
from kling_contracts.verify.parts import smallest_cost
from kling_contracts.verify.session import Session
from kling_contracts.verify.step import Stage, Step
from kling_contracts.vocabulary import ASSUMED, KLING_PAGE, SEED, Source

WHOLE: Final = "accept"  # all features of a request together
WITHOUT: Final = "accept without"  # all but the one that the probe is about
ONLY: Final = "accept only"  # the minimal request and that one
TWICE: Final = "accept twice"  # what was accepted before, once more
VALID: Final = "valid"

# What else a created task is evidence for.
CREATE_FEEDS: Final = (
    "accounts.*",
    "errors.duplicate_id",
    "refused.calls_nobody",
    "answers.*",
    "callbacks.*",
    "external_ids.*",
    "life_cycle.*",
    "lists.*",
    "looking.*",
    "near_ids.*",
    "outcomes.*",
    "pictures.*",
)
# Features that lie on no limit of a field.
_ALLOWED: Final[dict[str, tuple[str, Source]]] = {
    VALID: ("a valid request is accepted", SEED),
    "empty_text": ("the empty string means that an optional field is not given", KLING_PAGE),
    "null": ("null means that an optional field is not given", ASSUMED),
    "unknown_fields": ("unknown fields are ignored", ASSUMED),
    "picture_forms": ("a picture is given by URL or as raw base64, PNG or JPEG", KLING_PAGE),
    "equal_pictures": ("equal subject pictures count separately", SEED),
}


def checks(gateway: Gateway) -> tuple[Check, ...]:
    operation = gateway.main
    musts: dict[str, bool] = {VALID: True}
    for request in requests_of(gateway):
        for about in sorted(request.abouts - {NOT_BURNT, EXACT}):
            musts[about] = musts.get(about, False) or request.must
    return tuple(_check(operation, about, must=must) for about, must in musts.items())


def steps(gateway: Gateway) -> tuple[Step, ...]:
    again = Step(
        name="accepted: the same once more",
        stage=Stage.EXTRA,
        does="a create that was sent before, byte for byte: without an external id it is another task",
        run=_send_twice,
        requests=1,
        reserves=smallest_cost(gateway.main),
        keeps=smallest_cost(gateway.main),
        feeds=CREATE_FEEDS,
        must=False,
    )
    least = smallest_cost(gateway.main)
    return (*(_step(request, least) for request in requests_of(gateway)), again)


def _step(request: ValidRequest, least: int) -> Step:
    return Step(
        name=f"accepted: {request.name}",
        stage=_stage(request, least),
        does="a create with " + (", ".join(each.tag for each in request.features) or "nothing else"),
        run=_send(request),
        requests=request.racers,
        reserves=request.images * request.racers,
        keeps=request.images,
        feeds=(
            f"accepts.{VALID}",
            *(f"accepts.{about}" for about in sorted(request.abouts)),
            *CREATE_FEEDS,
        ),
        must=request.must,
    )


def _send_twice(session: Session) -> None:
    for earlier in session.evidence.of(WHOLE):
        asked = earlier.asked_object
        marked = asked.get("external_task_id") or asked.get("callback_url")
        cheap = images_in(asked) == smallest_cost(session.operation)
        if earlier.accepted and cheap and not marked:
            session.create(Probe(TWICE, VALID, "the same once more"), asked)
            return


def _stage(request: ValidRequest, least: int) -> Stage:
    if not request.must:
        return Stage.EXTRA
    return Stage.CREATING if request.images == least else Stage.LARGE


def _send(request: ValidRequest) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        if session.inbox is not None and request.callback == STUBBORN:
            session.inbox.refuse_first(STUBBORN)
        parts = request.brought(session)
        body = _body(session, parts)
        with ThreadPoolExecutor(request.racers) as pool:
            probe = Probe(WHOLE, request.name)
            sent = [
                pool.submit(session.create, probe, body, escaped=request.escaped)
                for _ in range(request.racers)
            ]
            wholes = [each.result() for each in sent]
        if all(whole.answered and not whole.accepted for whole in wholes):
            _find_guilty(session, parts, escaped=request.escaped)

    return run


def _find_guilty(session: Session, parts: tuple[Feature, ...], *, escaped: bool) -> None:
    for guilty in parts:
        probe = Probe(WITHOUT, guilty.about, guilty.tag)
        rest = _body(session, [part for part in parts if part is not guilty])
        if session.create(probe, rest, escaped=escaped).accepted:
            _alone(session, guilty, escaped=escaped)
            return
    # More than one is guilty, or all of them are innocent and the server refuses everything.
    if session.create(Probe(ONLY, VALID, "the smallest body"), _body(session, ())).accepted:
        for part in parts:
            _alone(session, part, escaped=escaped)


def _alone(session: Session, part: Feature, *, escaped: bool) -> None:
    session.create(Probe(ONLY, part.about, part.tag), _body(session, (part,)), escaped=escaped)


def _body(session: Session, parts: Iterable[Feature]) -> Body:
    return body_of(session.operation, parts)


def _check(operation: Operation, about: str, *, must: bool) -> Check:
    sentence, source = _ALLOWED.get(about) or _about_a_field(operation, about)
    return Check(
        id=f"accepts.{about}",
        sentence=sentence,
        source=source,
        judge=judge_feature(about),
        must=must,
    )


def _about_a_field(operation: Operation, about: str) -> tuple[str, Source]:
    name, _, what = about.rpartition(".")
    match what:
        case "characters":
            return f"every character that JSON can hold may stand in a {name}", ASSUMED
        case "items":
            source = operation.field(name).source
            return "every number of subjects within the limits is accepted", source
        case _:
            rule = operation.rules[about]
    return f"a request is accepted where {rule.sentence}, up to the limit", rule.source


def judge_feature(about: str) -> Callable[[Evidence, Hearing], None]:
    """Whether what a feature is about was accepted wherever it was sent, alone or with others."""

    def judge(evidence: Evidence, hearing: Hearing) -> None:
        if about in (NOT_BURNT, EXACT) and any(not each.accepted for each in evidence.of(ONLY, EXTERNAL_ID)):
            return  # external ids are refused in general
        for request in requests_of(evidence.gateway):
            # Of those that race for one external id, one speaks for all.
            wholes = sorted(evidence.of(WHOLE, request.name), key=lambda whole: not whole.accepted)
            if not wholes or not (about == VALID or about in request.abouts):
                continue
            whole = wholes[0]
            guilty = [] if whole.accepted else _guilty(evidence, whole)
            mine = [each for each in guilty if each.probe.about == about]
            hearing.expect(
                not mine,
                f"a valid request was refused: {mine[0].probe.tag}" if mine else "",
                expected="200 and a task",
                actual=mine[0].shown if mine else whole.shown,
                shown=mine[:1],
            )

    return judge


def _guilty(evidence: Evidence, whole: Exchange) -> list[Exchange]:
    """What was refused alone after a create was refused; else that create, as being about the guilty part."""
    alone: list[Exchange] = []
    part: Probe | None = None
    for exchange in evidence.exchanges[whole.number + 1 :]:
        kind = exchange.probe.kind
        if exchange.probe == whole.probe:
            continue
        if kind not in (WITHOUT, ONLY):
            break
        if kind == ONLY and exchange.answered and not exchange.accepted:
            alone.append(exchange)
        elif kind == WITHOUT and exchange.accepted:
            part = exchange.probe
    return alone or [replace(whole, probe=part or Probe(ONLY, VALID, "all of it together"))]
