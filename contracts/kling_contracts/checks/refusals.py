"""Refusals of a gateway: the expected status, shape and code, and whether an answer has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, cast

from kling_contracts.gateways import VALIDATION_SHAPES, ErrorShape, Gateway, Refusal, RefusalReason
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.model import Check, CheckContext
from kling_contracts.verify.probes import ProbeKind

# The check that reports server errors; other checks give it precedence.
NO_SERVER_ERROR: Final = "responses.no_server_error"

Pick = Callable[[Evidence], Iterable[Exchange]]


def error_check(  # noqa: PLR0913 -- the parts of a check
    check_id: str,
    sentence: str,
    gateway: Gateway,
    reasons: Iterable[RefusalReason],
    pick: Pick,
    *,
    also: Iterable[Refusal] = (),
) -> Check:
    """A check that refusals have the status, shape and code of one of these reasons, or of `also`."""
    wanted = [gateway.refusals[reason] for reason in reasons]
    return Check(
        id=check_id,
        sentence=sentence,
        source=wanted[0].source,
        judge=_judge(pick, (*wanted, *also)),
        unless=(NO_SERVER_ERROR, "responses.json", "responses.error_status"),
    )


def any_validation_shape(gateway: Gateway) -> Iterable[Refusal]:
    """Other accepted refusals of a violation: no source settles the shape that CometAPI uses."""
    return VALIDATION_SHAPES.values() if wraps(gateway) else ()


def wraps(gateway: Gateway) -> bool:
    """Whether a gateway stands before the service, so that some of its answers have other shapes."""
    return gateway.refusals[RefusalReason.BAD_KEY].shape is not ErrorShape.KLING


def _judge(pick: Pick, wanted: tuple[Refusal, ...]) -> Callable[[Evidence, CheckContext], None]:
    expected = " or ".join(dict.fromkeys(_described(refusal) for refusal in wanted))

    def judge(evidence: Evidence, context: CheckContext) -> None:
        for exchange in pick(evidence):
            if exchange.accepted:
                continue
            context.expect(
                any(_fits(exchange, refusal) for refusal in wanted),
                f"a refusal has an unexpected status, shape or code ({exchange.probe})",
                expected=expected,
                actual=exchange.shown,
                shown=(exchange,),
            )

    return judge


def expect_refusal(context: CheckContext, exchange: Exchange, sentence: str) -> None:
    """Expect that a request was refused, by its status or its body. A server error is not a refusal."""
    failed = exchange.status >= 500
    context.expect(
        not failed and (exchange.status >= 400 or exchange.error_shape is not None),
        sentence,
        expected="a refusal",
        actual=exchange.shown,
        shown=(exchange,),
    )


def _described(refusal: Refusal) -> str:
    match refusal.shape:
        case ErrorShape.KLING:
            return f'{refusal.status} {{"code": {refusal.code}, "message", "request_id"}}'
        case ErrorShape.TASK:
            return f'{refusal.status} {{"code": "{refusal.code}", "message", "data": null}}'
        case ErrorShape.COMET:
            return f'{refusal.status} {{"error": {{"message", "type", "code": "{refusal.code}"}}}}'


def _fits(exchange: Exchange, refusal: Refusal) -> bool:
    if (exchange.status, exchange.error_shape) != (refusal.status, refusal.shape):
        return False
    code = exchange.error_code
    coded = code == refusal.code and type(code) is type(refusal.code)
    return coded and bool(error_message(exchange)) and _is_complete(exchange)


def _is_complete(exchange: Exchange) -> bool:
    """Whether an error has the rest of its shape: a type in CometAPI's, no data in the others."""
    body = exchange.error_object
    if exchange.error_shape is ErrorShape.COMET:
        kind = cast("dict[str, object]", body["error"]).get("type")
        return isinstance(kind, str) and bool(kind)
    return body.get("data") in (None, "", {}, [])


def error_message(exchange: Exchange) -> str:
    """The message of an error of any shape, or an empty string."""
    body = exchange.json_object
    error = body.get("error")
    message = cast("dict[str, object]", error if isinstance(error, dict) else body).get("message")
    return message if isinstance(message, str) else ""


def refused(evidence: Evidence) -> Sequence[Exchange]:
    """Requests that break a rule and were refused."""
    return [exchange for exchange in evidence.of(ProbeKind.REFUSE) if not exchange.accepted]
