"""What holds for every answer: it comes, and is JSON in the envelope."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from kling_contracts.checks.pictures import PICTURE, PICTURE_AGAIN
from kling_contracts.gateways import Gateway, Shape
from kling_contracts.verify.check import Check, Hearing
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.vocabulary import KLING_ERRORS, KLING_PAGE, SEED, SUCCESS_MESSAGE, Fact

# Not part of the API: the fake's own pages, and pictures.
NO_API: Final = frozenset({"health", PICTURE, PICTURE_AGAIN})


def checks(gateway: Gateway) -> tuple[Check, ...]:
    word = gateway.main.success_word
    return (
        *(() if word.value == SUCCESS_MESSAGE.value else (_word_check(word),)),
        Check(
            id="answers.always",
            sentence="every request is answered",
            source=SEED,
            judge=_judge_always,
        ),
        Check(
            id="answers.no_server_error",
            sentence="no request of a caller makes the server fail",
            source=KLING_ERRORS,
            judge=judge_each(_no_server_error, "the server failed", "no 5xx"),
        ),
        Check(
            id="answers.json",
            sentence="every answer is a JSON object, and says so",
            source=SEED,
            judge=judge_each(_is_json, "an answer is no JSON object", "application/json and an object"),
        ),
        Check(
            id="answers.success",
            sentence="a success is HTTP 200 with code 0, a message and data",
            source=SEED,
            judge=judge_each(
                _is_success, "a success lacks its envelope", "200, code 0 (a number), message, data"
            ),
        ),
        Check(
            id="answers.error_status",
            sentence="an error has an HTTP status of its own, 400 or above",
            source=KLING_ERRORS,
            judge=judge_each(
                _error_status, "an error came with a status of success", "4xx with an error code"
            ),
        ),
        Check(
            id="answers.request_id",
            sentence="answers in Kling's envelope have a request_id",
            source=SEED,
            judge=judge_each(_has_request_id, "an answer has no request_id", "request_id, a text"),
        ),
        Check(
            id="answers.request_id_unique",
            sentence="no two answers share a request_id",
            source=KLING_PAGE,
            judge=_judge_unique,
        ),
    )


def _word_check(word: Fact[str]) -> Check:
    """Where an operation has another word than the others, readers may depend on it."""
    return Check(
        id="answers.success_word",
        sentence=f"the message of a task that is shown is {word.value}",
        source=word.source,
        judge=judge_each(
            lambda exchange: _says_the_word(exchange, word.value), "a success has another word", word.value
        ),
    )


def _says_the_word(exchange: Exchange, word: str) -> bool | None:
    if exchange.task is None or not _is_success(exchange):
        return None
    return exchange.json_object.get("message") == word


def _api(evidence: Evidence) -> Iterator[Exchange]:
    return (exchange for exchange in evidence.answered if exchange.probe.kind not in NO_API)


def judge_each(
    holds: Callable[[Exchange], bool | None], sentence: str, expected: str
) -> Callable[[Evidence, Hearing], None]:
    """A judge of every answer by itself; None: the premise does not hold."""

    def judge(evidence: Evidence, hearing: Hearing) -> None:
        for exchange in _api(evidence):
            held = holds(exchange)
            if held is not None:
                hearing.expect(
                    held,
                    f"{sentence} ({exchange.probe})",
                    expected=expected,
                    actual=exchange.shown,
                    shown=(exchange,),
                )

    return judge


def _judge_always(evidence: Evidence, hearing: Hearing) -> None:
    for exchange in evidence.exchanges:
        if exchange.probe.kind not in NO_API:
            hearing.expect(
                exchange.answered,
                f"a request got no answer ({exchange.probe})",
                expected="an answer",
                actual=exchange.shown,
                shown=(exchange,),
            )


def _no_server_error(exchange: Exchange) -> bool:
    named = exchange.status == 503 and exchange.error_code == "model_not_found"
    return exchange.status < 500 or named


def _is_json(exchange: Exchange) -> bool | None:
    if exchange.status >= 500 and exchange.error_code != "model_not_found":
        return None
    return exchange.content_type == "application/json" and isinstance(exchange.json, dict)


def _is_success(exchange: Exchange) -> bool | None:
    if not 200 <= exchange.status < 300 or exchange.is_error or not isinstance(exchange.json, dict):
        return None
    body = exchange.json_object
    code, message = body.get("code"), body.get("message")
    typed = type(code) is int and code == 0 and isinstance(message, str) and bool(message)
    return exchange.status == 200 and typed and isinstance(body.get("data"), dict | list)


def _error_status(exchange: Exchange) -> bool | None:
    return exchange.status >= 400 if exchange.is_error else None


def _has_request_id(exchange: Exchange) -> bool | None:
    if exchange.error_shape not in (None, Shape.KLING) or not isinstance(exchange.json, dict):
        return None
    if exchange.error_shape is None and (exchange.status >= 300 or "code" not in exchange.json_object):
        return None
    request_id = exchange.json_object.get("request_id")
    return isinstance(request_id, str) and bool(request_id)


def _judge_unique(evidence: Evidence, hearing: Hearing) -> None:
    seen: dict[str, Exchange] = {}
    for exchange in _api(evidence):
        request_id = exchange.json_object.get("request_id")
        if isinstance(request_id, str) and request_id:
            first = seen.setdefault(request_id, exchange)
            hearing.expect(
                first is exchange,
                "two answers have one request_id",
                expected="a new one each time",
                actual=request_id,
                shown=(first, exchange),
            )
