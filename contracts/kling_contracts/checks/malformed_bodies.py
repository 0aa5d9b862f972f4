"""Bodies that are not a JSON object must be refused with an ordinary error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from kling_contracts.checks.histories import accepts_nothing
from kling_contracts.checks.refusals import any_validation_shape, error_check, wraps
from kling_contracts.gateways import ErrorShape, Gateway, Refusal, RefusalReason
from kling_contracts.operations import Operation
from kling_contracts.verify.bodies import Body, minimal
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.model import Check, CheckContext, Stage, Step
from kling_contracts.verify.parts import smallest_cost
from kling_contracts.verify.probes import Probe, ProbeKind
from kling_contracts.verify.session import Session, encode
from kling_contracts.vocabulary import ASSUMED, COMET_LIVE, SEED

# A lenient reader might find a number or a prompt in some of them, and nothing in the others.
BODIES: Final[dict[str, bytes]] = {
    "nothing": b"",
    "an open brace": b"{",
    "a form": b"prompt=a+boat",
    "null": b"null",
    "a list": b"[]",
    "a text": b'"prompt"',
    "a number": b"1",
    "true": b"true",
    "something after the end": b'{"n": 1} x',
    "two objects": b'{"n": 1}{"n": 1}',
    "single quotes": b"{'n': 1}",
    "a trailing comma": b'{"n": 1,}',
    "NaN": b'{"n": NaN}',
    "invalid UTF-8": b'{"prompt": "\xff\xfe"}',
    "UTF-16": '{"n": 1}'.encode("utf-16"),
    "deep nesting": b"[" * 50_000,
    "a number of 5000 digits": b"1" * 5000,
}


# Captured on another route of CometAPI.
_CAPTURED: Final = Refusal(500, ErrorShape.COMET, "invalid_request", "{message}", COMET_LIVE)
# The subject of probes with an extension of JSON.
EXTENDED: Final = "extension"


def _stake(operation: Operation) -> int:
    """The number of results that a lenient server could create from one of these bodies: 0 or 1."""
    lenient: tuple[Body, ...] = ({}, {"n": 1}, {"prompt": "a boat"})
    return int(any(not operation.read(body).violations for body in lenient))


def mutated_bodies(operation: Operation) -> dict[str, bytes]:
    """Valid requests with one JSON error; a lenient reader would create a task."""
    good = encode(minimal(operation))
    return {
        "a request without its last brace": good[:-1],
        "a request in a list": b"[" + good + b"]",
        "a request in a text": encode(good.decode()),
    }


def extended_bodies(operation: Operation) -> dict[str, bytes]:
    """Valid requests with an extension of JSON, which RFC 8259 (section 9) allows a parser to accept."""
    good = encode(minimal(operation))
    return {
        "a request and trailing text": good + b" x",
        "a request twice": good + good,
        "a request with a trailing comma": good[:-1] + b",}",
        "a request with NaN": good[:-1] + b', "x_unknown": NaN}',
        "a request with a comment": good[:-1] + b" /* all */}",
        "a request with invalid UTF-8": good[:-1] + b', "prompt": "\xff\xfe"}',
    }


def checks(gateway: Gateway) -> tuple[Check, ...]:
    return (
        Check(
            id="malformed_bodies.refused",
            sentence="a body that is not a JSON object is refused",
            source=SEED,
            judge=_judge(extended=False),
        ),
        Check(
            id="malformed_bodies.extensions",
            sentence="a body with an extension of JSON, such as a comment, is refused",
            source=ASSUMED,
            judge=_judge(extended=True),
        ),
        error_check(
            "errors.bad_json",
            "a body that is not a JSON object is refused with the expected error",
            gateway,
            [RefusalReason.BAD_JSON],
            lambda evidence: evidence.of(ProbeKind.MALFORMED),
            also=(*any_validation_shape(gateway), *((_CAPTURED,) if wraps(gateway) else ())),
        ),
    )


def steps(gateway: Gateway) -> tuple[Step, ...]:
    stake = _stake(gateway.main)
    return (
        Step(
            name="malformed bodies",
            stage=Stage.REFUSED if stake else Stage.READING,
            description="create requests whose body is not a JSON object",
            run=_send_broken,
            requests=len(BODIES),
            max_cost=stake,
            checks=("malformed_bodies.*", "errors.bad_json", "responses.*"),
        ),
        Step(
            name="malformed requests",
            stage=Stage.REFUSED,
            description="valid create requests with one JSON error",
            run=_send_mutated,
            requests=len(mutated_bodies(gateway.main)),
            max_cost=smallest_cost(gateway.main),
            checks=("malformed_bodies.*", "errors.bad_json", "responses.*"),
        ),
        Step(
            name="extensions of JSON",
            stage=Stage.REFUSED,
            description="valid create requests with an extension of JSON",
            run=_send_extended,
            requests=len(extended_bodies(gateway.main)),
            max_cost=smallest_cost(gateway.main),
            checks=("malformed_bodies.extensions", "errors.bad_json", "responses.*"),
        ),
    )


def _send_broken(session: Session) -> None:
    _send(session, BODIES, _stake(session.operation))


def _send_mutated(session: Session) -> None:
    """Send the mutated bodies; images are reserved for each, because a lenient reader may create a task."""
    _send(session, mutated_bodies(session.operation), smallest_cost(session.operation))


def _send_extended(session: Session) -> None:
    _send(session, extended_bodies(session.operation), smallest_cost(session.operation), EXTENDED)


def _send(session: Session, bodies: Mapping[str, bytes], stake: int, about: str = "body") -> None:
    """Send the bodies in turn; none after one of this or an earlier step was accepted."""
    if any(exchange.accepted for exchange in session.evidence.of(ProbeKind.MALFORMED)):
        return
    for tag, body in bodies.items():
        probe = Probe(ProbeKind.MALFORMED, about, tag)
        if session.send(probe, "POST", session.create_path, body=body, images=stake).accepted:
            return


def _judge(*, extended: bool) -> Callable[[Evidence, CheckContext], None]:
    def judge(evidence: Evidence, context: CheckContext) -> None:
        if accepts_nothing(evidence):
            return
        for exchange in evidence.of(ProbeKind.MALFORMED, EXTENDED if extended else "body"):
            context.expect(
                not exchange.accepted,
                f"a malformed body was accepted: {exchange.probe.tag}",
                expected="a refusal",
                actual=exchange.shown,
                shown=(exchange,),
            )

    return judge
