"""Bodies that are no JSON object: refused with an error like any other, whatever they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kling_contracts.checks.refusals import any_validation_shape, error_check
from kling_contracts.gateways import Gateway, RefusalReason
from kling_contracts.operations import Operation
from kling_contracts.verify.bodies import Body, minimal
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.model import Check, CheckContext, Stage, Step
from kling_contracts.verify.parts import smallest_cost
from kling_contracts.verify.probes import Probe, ProbeKind
from kling_contracts.verify.session import Session, encode
from kling_contracts.vocabulary import ASSUMED

# Read with leniency these are bodies with a number or a prompt, if anything.
BODIES: Final[dict[str, bytes]] = {
    "nothing": b"",
    "an open brace": b"{",
    "words": b"prompt=a+boat",
    "null": b"null",
    "a list": b"[]",
    "a text": b'"prompt"',
    "a number": b"1",
    "true": b"true",
    "something after the end": b'{"n": 1} x',
    "two objects": b'{"n": 1}{"n": 1}',
    "single quotes": b"{'n': 1}",
    "a comma too much": b'{"n": 1,}',
    "NaN": b'{"n": NaN}',
    "no UTF-8": b'{"prompt": "\xff\xfe"}',
    "UTF-16": '{"n": 1}'.encode("utf-16"),
    "deep nesting": b"[" * 50_000,
    "a number of 5000 digits": b"1" * 5000,
}


def _stake(operation: Operation) -> int:
    """How many results a lenient reader could make of one of them: most operations ask for more."""
    lenient: tuple[Body, ...] = ({}, {"n": 1}, {"prompt": "a boat"})
    return int(any(not operation.read(body).violations for body in lenient))


def mutated_bodies(operation: Operation) -> dict[str, bytes]:
    """A valid request with one thing in it that is no JSON: a lenient reader would create a task."""
    good = encode(minimal(operation))
    return {
        "a request and more": good + b" x",
        "a request twice": good + good,
        "a request with a comma too much": good[:-1] + b",}",
        "a request with NaN": good[:-1] + b', "x_unknown": NaN}',
        "a request that is not closed": good[:-1],
        "a request in a list": b"[" + good + b"]",
        "a request in a text": encode(good.decode()),
        "a request with a comment": good[:-1] + b" /* all */}",
        "a request that is no UTF-8": good[:-1] + b', "prompt": "\xff\xfe"}',
    }


def checks(gateway: Gateway) -> tuple[Check, ...]:
    return (
        Check(
            id="malformed_bodies.refused",
            sentence="a body that is no JSON object is refused",
            source=ASSUMED,
            judge=_judge,
        ),
        error_check(
            "errors.bad_json",
            "a body that is no JSON object is refused with the error due",
            gateway,
            [RefusalReason.BAD_JSON],
            lambda evidence: evidence.of(ProbeKind.MALFORMED),
            also=any_validation_shape(gateway),
        ),
    )


def steps(gateway: Gateway) -> tuple[Step, ...]:
    stake = _stake(gateway.main)
    return (
        Step(
            name="malformed bodies",
            stage=Stage.REFUSED if stake else Stage.READING,
            description="create requests whose body is no JSON object",
            run=_send_broken,
            requests=len(BODIES),
            max_cost=stake,
            checks=("malformed_bodies.*", "errors.bad_json", "responses.*"),
        ),
        Step(
            name="malformed requests",
            stage=Stage.REFUSED,
            description="valid requests with one thing in them that is no JSON",
            run=_send_mutated,
            requests=len(mutated_bodies(gateway.main)),
            max_cost=smallest_cost(gateway.main),
            checks=("malformed_bodies.*", "errors.bad_json", "responses.*"),
        ),
    )


def _send_broken(session: Session) -> None:
    _send(session, BODIES, _stake(session.operation))


def _send_mutated(session: Session) -> None:
    """Each may create a task where it is read with leniency, so each is paid for as if it did."""
    if any(exchange.accepted for exchange in session.evidence.of(ProbeKind.MALFORMED)):
        return
    _send(session, mutated_bodies(session.operation), smallest_cost(session.operation))


def _send(session: Session, bodies: Mapping[str, bytes], stake: int) -> None:
    """Send each, until one is accepted."""
    for tag, body in bodies.items():
        probe = Probe(ProbeKind.MALFORMED, "body", tag)
        if session.send(probe, "POST", session.create_path, body=body, images=stake).accepted:
            return


def _judge(evidence: Evidence, context: CheckContext) -> None:
    for exchange in evidence.of(ProbeKind.MALFORMED):
        context.expect(
            not exchange.accepted,
            f"a body was accepted: {exchange.probe.tag}",
            expected="a refusal",
            actual=exchange.shown,
            shown=(exchange,),
        )
