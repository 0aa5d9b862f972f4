"""How a gateway says no: what is due in each situation, and whether an answer is that."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

from kling_contracts.gateways import VALIDATION_SHAPES, Gateway, Refusal, Shape, Situation
from kling_contracts.verify.check import Check, Hearing
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange

Pick = Callable[[Evidence], Iterable[Exchange]]


def error_check(  # noqa: PLR0913 -- what there is to say of an error
    check_id: str,
    sentence: str,
    gateway: Gateway,
    situations: Iterable[Situation],
    pick: Pick,
    *,
    also: Iterable[Refusal] = (),
) -> Check:
    """A check that refusals in one of these situations have the status, the shape and the code due."""
    due = [gateway.refusals[situation] for situation in situations]
    return Check(
        id=check_id,
        sentence=sentence,
        source=due[0].source,
        judge=_judge(pick, (*due, *also)),
    )


def any_validation_shape(gateway: Gateway) -> Iterable[Refusal]:
    """How else a violation may be answered: which shape CometAPI uses is not known, Kling's is."""
    return () if gateway.refusals[Situation.BAD_KEY].shape is Shape.KLING else VALIDATION_SHAPES.values()


def _judge(pick: Pick, due: tuple[Refusal, ...]) -> Callable[[Evidence, Hearing], None]:
    expected = " or ".join(dict.fromkeys(_told(refusal) for refusal in due))

    def judge(evidence: Evidence, hearing: Hearing) -> None:
        for exchange in pick(evidence):
            # An acceptance is another finding; so are a failure, what is no JSON, an error that says 200.
            failed = exchange.status >= 500 and exchange.status not in {each.status for each in due}
            silent = not exchange.json_object or (exchange.is_error and exchange.status < 300)
            if exchange.accepted or failed or silent:
                continue
            hearing.expect(
                any(_fits(exchange, refusal) for refusal in due),
                f"a refusal is not what is due ({exchange.probe})",
                expected=expected,
                actual=exchange.shown,
                shown=(exchange,),
            )

    return judge


def expect_refusal(hearing: Hearing, exchange: Exchange, sentence: str) -> None:
    """Say whether a request was refused, by its status or by its body. A failure is another finding."""
    if exchange.status < 500:
        hearing.expect(
            exchange.status >= 400 or exchange.error_shape is not None,
            sentence,
            expected="a refusal",
            actual=exchange.shown,
            shown=(exchange,),
        )


def _told(refusal: Refusal) -> str:
    match refusal.shape:
        case Shape.KLING:
            return f'{refusal.status} {{"code": {refusal.code}, "message", "request_id"}}'
        case Shape.TASK:
            return f'{refusal.status} {{"code": "{refusal.code}", "message", "data": null}}'
        case Shape.COMET:
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
    if exchange.error_shape is Shape.COMET:
        kind = cast("dict[str, object]", body["error"]).get("type")
        return isinstance(kind, str) and bool(kind)
    return body.get("data") in (None, "", {}, [])


def error_message(exchange: Exchange) -> str:
    """The text of an error, wherever its shape has it; empty if there is none."""
    body = exchange.json_object
    error = body.get("error")
    message = cast("dict[str, object]", error if isinstance(error, dict) else body).get("message")
    return message if isinstance(message, str) else ""
