"""How a gateway says no: what is due in each situation, and whether an answer is that."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, cast

from kling_contracts.gateways import VALIDATION_SHAPES, ErrorShape, Gateway, Refusal, RefusalReason
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.model import Check, CheckContext

# The check that a failure of the server is a finding for: others are about what is left.
NO_SERVER_ERROR: Final = "responses.no_server_error"

Pick = Callable[[Evidence], Iterable[Exchange]]


def error_check(  # noqa: PLR0913 -- what there is to say of an error
    check_id: str,
    sentence: str,
    gateway: Gateway,
    reasons: Iterable[RefusalReason],
    pick: Pick,
    *,
    also: Iterable[Refusal] = (),
) -> Check:
    """A check that refusals in one of these situations have the status, the shape and the code due."""
    due = [gateway.refusals[reason] for reason in reasons]
    return Check(
        id=check_id,
        sentence=sentence,
        source=due[0].source,
        judge=_judge(pick, (*due, *also)),
        unless=(NO_SERVER_ERROR, "responses.json", "responses.error_status"),
    )


def any_validation_shape(gateway: Gateway) -> Iterable[Refusal]:
    """How else a violation may be answered: which shape CometAPI uses is not known, Kling's is."""
    return (
        ()
        if gateway.refusals[RefusalReason.BAD_KEY].shape is ErrorShape.KLING
        else VALIDATION_SHAPES.values()
    )


def _judge(pick: Pick, due: tuple[Refusal, ...]) -> Callable[[Evidence, CheckContext], None]:
    expected = " or ".join(dict.fromkeys(_told(refusal) for refusal in due))

    def judge(evidence: Evidence, context: CheckContext) -> None:
        for exchange in pick(evidence):
            if exchange.accepted:
                continue
            context.expect(
                any(_fits(exchange, refusal) for refusal in due),
                f"a refusal is not what is due ({exchange.probe})",
                expected=expected,
                actual=exchange.shown,
                shown=(exchange,),
            )

    return judge


def expect_refusal(context: CheckContext, exchange: Exchange, sentence: str) -> None:
    """Say whether a request was refused, by its status or by its body. `NO_SERVER_ERROR` takes precedence."""
    failed = exchange.status >= 500
    context.expect(
        not failed and (exchange.status >= 400 or exchange.error_shape is not None),
        sentence,
        expected="a refusal",
        actual=exchange.shown,
        shown=(exchange,),
    )


def _told(refusal: Refusal) -> str:
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
    """Whether an error has what else its shape says: CometAPI's a type, the others no data."""
    body = exchange.json_object
    if exchange.error_shape is ErrorShape.COMET:
        kind = cast("dict[str, object]", body["error"]).get("type")
        return isinstance(kind, str) and bool(kind)
    return body.get("data") in (None, "", {}, [])


def error_message(exchange: Exchange) -> str:
    """The text of an error, wherever its shape has it; empty if there is none."""
    body = exchange.json_object
    error = body.get("error")
    message = cast("dict[str, object]", error if isinstance(error, dict) else body).get("message")
    return message if isinstance(message, str) else ""
