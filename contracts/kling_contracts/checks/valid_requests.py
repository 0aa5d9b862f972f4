"""Valid requests must be accepted: values at every limit, and optional forms.

A create combines several features. If it is refused, it is sent again without one feature after another until
the cause is known; refusals cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from typing import Final

from kling_contracts.checks.combined_requests import requests_of
from kling_contracts.checks.request_features import VALID
from kling_contracts.checks.routing import NEAR_ID_CHECKS
from kling_contracts.checks.valid_request import (
    EXACT,
    EXTERNAL_ID,
    FREE_AFTER_REFUSAL,
    ValidRequest,
    body_of,
)
from kling_contracts.fields import Choice
from kling_contracts.gateways import Gateway
from kling_contracts.operations import Operation
from kling_contracts.verify.bodies import Body, Feature
from kling_contracts.verify.budget import images_in
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.model import Check, CheckContext, Stage, Step
from kling_contracts.verify.parts import EXTERNAL_ID as ID_FIELD
from kling_contracts.verify.parts import smallest_cost
from kling_contracts.verify.probes import Label, Probe, ProbeKind
from kling_contracts.verify.session import Session
from kling_contracts.vocabulary import ASSUMED, KLING_PAGE, SEED, Source

# Other checks that a created task provides evidence for.
CREATE_CHECKS: Final = (
    "account_isolation.*",
    "errors.duplicate_id",
    "invalid_requests.no_callback",
    "responses.*",
    "callbacks.*",
    "concurrency.*",
    "external_ids.*",
    "lifecycle.*",
    "lists.*",
    "polling.*",
    "outcomes.*",
    "result_images.*",
    *NEAR_ID_CHECKS,
)
# Features that are not at a limit of a field.
_ALLOWED: Final[dict[str, tuple[str, Source]]] = {
    VALID: ("a valid request is accepted", SEED),
    "empty_text": ("an empty string in an optional field is treated as absent", KLING_PAGE),
    "null": ("null in an optional field is treated as absent", ASSUMED),
    "unknown_fields": ("unknown fields are ignored", ASSUMED),
    "picture_forms": ("images are accepted by URL and as raw base64, PNG and JPEG", KLING_PAGE),
    "equal_pictures": ("equal subject images are accepted and count separately", SEED),
}


def checks(gateway: Gateway) -> tuple[Check, ...]:
    operation = gateway.main
    required_by_id: dict[str, bool] = {VALID: True}
    for request in requests_of(gateway):
        for about in sorted(request.abouts - {FREE_AFTER_REFUSAL, EXACT}):
            required_by_id[about] = required_by_id.get(about, False) or request.required
    return tuple(_check(operation, about, required=required) for about, required in required_by_id.items())


def steps(gateway: Gateway) -> tuple[Step, ...]:
    again = Step(
        name="accepted: a repeated request",
        stage=Stage.EXTRA,
        description="an earlier create without external id, sent again unchanged: it creates another task",
        run=_send_twice,
        requests=1,
        max_cost=smallest_cost(gateway.main),
        creates=smallest_cost(gateway.main),
        checks=CREATE_CHECKS,
        required=False,
    )
    least = smallest_cost(gateway.main)
    return (*(_step(request, least) for request in requests_of(gateway)), again)


def _step(request: ValidRequest, least: int) -> Step:
    return Step(
        name=request.step_name,
        stage=_stage(request, least),
        description="a create with "
        + (", ".join(each.tag for each in request.features) or "the required fields only"),
        run=_send(request),
        requests=request.racers,
        max_cost=request.images * request.racers,
        creates=request.images,
        checks=(
            f"accepts.{VALID}",
            *(f"accepts.{about}" for about in sorted(request.abouts)),
            *CREATE_CHECKS,
        ),
        required=request.required,
    )


def _send_twice(session: Session) -> None:
    for earlier in session.evidence.of(ProbeKind.ACCEPT):
        asked = earlier.asked_object
        marked = asked.get("external_task_id") or asked.get("callback_url")
        cheap = images_in(asked) == smallest_cost(session.operation)
        if earlier.accepted and cheap and not marked:
            session.create(Probe(ProbeKind.ACCEPT_TWICE, VALID, "a repeated request"), asked)
            return


def _stage(request: ValidRequest, least: int) -> Stage:
    if not request.required:
        return Stage.SPARE if request.spare else Stage.EXTRA
    return Stage.CREATING if request.images == least else Stage.LARGE


def _send(request: ValidRequest) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        if session.inbox is not None and request.callback == Label.RETRIED:
            session.inbox.refuse_first(Label.RETRIED)
        parts = request.features_in(session)
        body = _body(session, parts)
        with ThreadPoolExecutor(request.racers) as pool:
            probe = Probe(ProbeKind.ACCEPT, request.name)
            sent = [
                pool.submit(session.create, probe, body, escaped=request.escaped)
                for _ in range(request.racers)
            ]
            wholes = [each.result() for each in sent]
        if all(whole.answered and not whole.accepted for whole in wholes):
            _find_cause(session, parts, escaped=request.escaped)

    return run


def _find_cause(session: Session, parts: tuple[Feature, ...], *, escaped: bool) -> None:
    """Send the create without one feature after another, then the cause alone: one feature, or two."""
    found: list[Feature] = []
    for suspect in parts:
        probe = Probe(ProbeKind.ACCEPT_WITHOUT, suspect.about, _in_words(suspect))
        rest = _body(session, [part for part in parts if part is not suspect])
        # An accepted create has used the external id, unless the id itself is the suspect.
        if found and ID_FIELD in rest and ID_FIELD not in found[0].fields:
            rest[ID_FIELD] = f"{rest[ID_FIELD]}-2"
        if session.create(probe, rest, escaped=escaped).accepted:
            found.append(suspect)
            if len(found) == 2:
                _together(session, found, escaped=escaped)
                return
    if found:
        _alone(session, found[0], escaped=escaped)
    # Several features are refused, or the server refuses every create.
    elif session.create(
        Probe(ProbeKind.ACCEPT_ONLY, VALID, "the smallest body"), _body(session, ())
    ).accepted:
        for part in parts:
            _alone(session, part, escaped=escaped)


def _together(session: Session, pair: Sequence[Feature], *, escaped: bool) -> None:
    order = {it.name: (isinstance(it, Choice), at) for at, it in enumerate(session.operation.fields)}
    # The field that a choice may change comes first, and decides which check reports the failure.
    pair = sorted(
        pair, key=lambda it: min((order[name] for name in it.fields if name in order), default=(True, 0))
    )
    tag = " together with ".join(map(_in_words, pair))
    probe = Probe(ProbeKind.ACCEPT_PAIR, pair[0].about, tag)
    body = _body(session, pair)
    body |= {ID_FIELD: f"{body[ID_FIELD]}-3"} if ID_FIELD in body else {}
    session.create(probe, body, escaped=escaped)


def _in_words(feature: Feature) -> str:
    """The tag of a feature, with the name of its field if it is a word of a choice, a number, or a count."""
    names = list(feature.fields)
    short = len(names) == 1 and not feature.tag.startswith(names[0]) and "external id" not in feature.tag
    return f"{names[0]} {feature.tag}" if short else feature.tag


def _alone(session: Session, part: Feature, *, escaped: bool) -> None:
    session.create(
        Probe(ProbeKind.ACCEPT_ONLY, part.about, _in_words(part)), _body(session, (part,)), escaped=escaped
    )


def _body(session: Session, parts: Iterable[Feature]) -> Body:
    return body_of(session.operation, parts)


def _check(operation: Operation, about: str, *, required: bool) -> Check:
    sentence, source = _ALLOWED.get(about) or _about_a_field(operation, about)
    return Check(
        id=f"accepts.{about}",
        sentence=sentence,
        source=source,
        judge=judge_feature(about),
        required=required,
    )


def _about_a_field(operation: Operation, about: str) -> tuple[str, Source]:
    name, _, what = about.rpartition(".")
    match what:
        case "characters":
            return f"{name} may contain every character that JSON allows", ASSUMED
        case "items":
            source = operation.field(name).source
            return "every number of subjects within the limits is accepted", source
        case _:
            rule = operation.rules[about]
    # A documented field is accepted, even if its limit is assumed.
    given = next((field.source for field in operation.fields if field.name == name), rule.source)
    source = given if rule.source.assumed else rule.source
    return f"a request up to the limit is accepted: {rule.sentence}", source


def judge_feature(about: str) -> Callable[[Evidence, CheckContext], None]:
    """A judge of whether a feature was accepted in every request that has it."""

    def judge(evidence: Evidence, context: CheckContext) -> None:
        if about in (FREE_AFTER_REFUSAL, EXACT) and any(
            not each.accepted for each in evidence.of(ProbeKind.ACCEPT_ONLY, EXTERNAL_ID)
        ):
            return  # external ids are refused in general
        for request in _requests_about(evidence.gateway, about):
            # Of concurrent creates with the same external id, an accepted one is judged.
            wholes = sorted(evidence.of(ProbeKind.ACCEPT, request.name), key=lambda whole: not whole.accepted)
            if not wholes:
                continue
            whole = wholes[0]
            search = [] if whole.accepted else list(_search(evidence, whole))
            causes = [each for each in _causes(whole, search) if each.probe.about == about]
            together = [each for each in causes if each.probe.kind == ProbeKind.ACCEPT_PAIR]
            if whole.accepted or (not together and any(_proves(each, about) for each in search)):
                context.hold()
                continue
            for cause in causes[:1]:
                context.expect(
                    False,
                    f"a valid request was refused: {cause.probe.tag}",
                    expected="200 and a task",
                    actual=cause.shown,
                    shown=(cause,),
                )

    return judge


@cache
def _requests_about(gateway: Gateway, about: str) -> Sequence[ValidRequest]:
    return [each for each in requests_of(gateway) if about == VALID or about in each.abouts]


def _search(evidence: Evidence, whole: Exchange) -> Iterator[Exchange]:
    """The creates without one feature, with one, and with two, that followed a refused combined create."""
    for exchange in evidence.exchanges[whole.number + 1 :]:
        kind = exchange.probe.kind
        if kind in (ProbeKind.ACCEPT_WITHOUT, ProbeKind.ACCEPT_ONLY, ProbeKind.ACCEPT_PAIR):
            yield exchange
        elif exchange.probe != whole.probe and kind not in (ProbeKind.BUSY, ProbeKind.LOST, ProbeKind.POLL):
            return


def _proves(exchange: Exchange, about: str) -> bool:
    """Whether a feature was accepted: alone, or in the combined create without another feature."""
    without = exchange.probe.kind == ProbeKind.ACCEPT_WITHOUT
    if exchange.probe.kind == ProbeKind.ACCEPT_PAIR:
        return False
    return exchange.accepted and (exchange.probe.about == about) is not without


def _causes(whole: Exchange, search: Sequence[Exchange]) -> list[Exchange]:
    """The refusals of single features, or of two, after a combined create was refused.

    Without any, the create itself, attributed to the feature without which it was accepted.
    """
    fewest = (ProbeKind.ACCEPT_ONLY, ProbeKind.ACCEPT_PAIR)
    alone = [it for it in search if it.probe.kind in fewest and it.answered and not it.accepted]
    parts = [it.probe for it in search if it.probe.kind == ProbeKind.ACCEPT_WITHOUT and it.accepted]
    part = parts[-1] if parts else Probe(ProbeKind.ACCEPT_ONLY, VALID, "all features combined")
    return alone or [replace(whole, probe=part)]
