"""Properties of every answer: it arrives, is JSON in the envelope, and discloses nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, cast

from kling_contracts.checks.refusals import wraps
from kling_contracts.gateways import ErrorShape, Gateway
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import MARKS, Exchange, Headers
from kling_contracts.verify.lost_requests import excessive, is_lost
from kling_contracts.verify.model import Check, CheckContext
from kling_contracts.verify.probes import ProbeKind
from kling_contracts.vocabulary import ASSUMED, KLING_ERRORS, KLING_PAGE, SAFETY, SEED, SUCCESS_MESSAGE, Fact

# Answers that are not of the API: the health endpoint, and images.
NO_API: Final = frozenset({ProbeKind.HEALTH, ProbeKind.PICTURE, ProbeKind.PICTURE_AGAIN})

# Requests for paths and methods of no route: the live services answer with HTML pages.
_OFF_THE_API: Final = frozenset({ProbeKind.METHOD, ProbeKind.PATH, ProbeKind.ODD_ID})

# An error that repeats this many characters of a string of the request repeats too much.
_ECHO: Final = 500
# Tracebacks of Python, JavaScript, Java and Go; positions in source files; messages of databases.
_INTERNALS: Final = re.compile(
    rb'Traceback \(most recent|File "[^"]+", line \d|^\s+at [\w.$<>]+ ?\(|goroutine \d+ \[|panic: '
    rb"|[\w-]\.(?:py|js|ts|go|java|rb|php):\d+|SQLSTATE|(?:sqlite3|psycopg2?|pymysql|sqlalchemy)\.",
    re.MULTILINE,
)


def checks(gateway: Gateway) -> tuple[Check, ...]:
    return (*_envelope_checks(gateway), *_leak_checks(gateway))


def _envelope_checks(gateway: Gateway) -> tuple[Check, ...]:
    word = gateway.main.success_word
    return (
        *(() if word.value == SUCCESS_MESSAGE.value else (_word_check(word),)),
        Check(
            id="responses.always",
            sentence="every request is answered",
            source=SEED,
            judge=_judge_always,
        ),
        Check(
            id="responses.no_server_error",
            sentence="no request causes a server error",
            source=KLING_ERRORS,
            judge=judge_each(_no_server_error, "a request caused a server error", "no 5xx"),
        ),
        Check(
            id="responses.json",
            sentence="every answer of a route of the API is a JSON object with Content-Type application/json",
            source=SEED,
            judge=judge_each(
                _is_json,
                "an answer is not a JSON object, or not labelled as JSON",
                "Content-Type application/json and an object",
            ),
        ),
        Check(
            id="responses.success",
            sentence="a successful answer is HTTP 200 with code 0, a message and data",
            source=SEED,
            judge=judge_each(
                _is_success,
                "a successful answer lacks part of the envelope",
                "200, code 0 (a number), message, data",
            ),
        ),
        Check(
            id="responses.error_status",
            sentence="an error has an HTTP status of 400 or above",
            source=KLING_ERRORS,
            judge=judge_each(_error_status, "an error has a success status", "4xx with an error code"),
        ),
        Check(
            id="responses.request_id",
            sentence="answers in Kling's envelope have a request_id",
            source=SEED,
            judge=judge_each(
                _has_request_id(created=not wraps(gateway)),
                "an answer has no request_id",
                "request_id, a string",
            ),
        ),
        Check(
            id="responses.request_id_unique",
            sentence="every answer has a different request_id",
            source=KLING_PAGE,
            judge=_judge_unique,
        ),
    )


def _word_check(word: Fact[str]) -> Check:
    """A check for an operation whose success message differs from the usual one."""
    return Check(
        id="responses.success_word",
        sentence=f"the message of an answer with a task is {word.value}",
        source=word.source,
        judge=judge_each(
            lambda exchange: _has_success_word(exchange, word.value),
            "a successful answer has another message",
            word.value,
        ),
    )


def _has_success_word(exchange: Exchange, word: str) -> bool | None:
    if exchange.task is None or not _is_success(exchange):
        return None
    return exchange.json_object.get("message") == word


def _api(evidence: Evidence) -> Iterator[Exchange]:
    return (exchange for exchange in evidence.answered if exchange.probe.kind not in NO_API)


def judge_each(
    holds: Callable[[Exchange], bool | None], sentence: str, expected: str
) -> Callable[[Evidence, CheckContext], None]:
    """A judge of each answer; `holds` returns None for an answer that the check does not apply to."""

    def judge(evidence: Evidence, context: CheckContext) -> None:
        for exchange in _api(evidence):
            held = holds(exchange)
            if held is not None:
                context.expect(
                    held,
                    f"{sentence} ({exchange.probe})",
                    expected=expected,
                    actual=exchange.shown,
                    shown=(exchange,),
                )

    return judge


def _judge_always(evidence: Evidence, context: CheckContext) -> None:
    for exchange in evidence.exchanges:
        if exchange.probe.kind not in NO_API and not is_lost(exchange):
            context.expect(
                exchange.answered,
                f"a request got no answer ({exchange.probe})",
                expected="an answer",
                actual=exchange.shown,
                shown=(exchange,),
            )
    lost, limit = excessive(evidence)
    if lost:
        context.expect(
            False,
            f"{len(lost)} requests got no answer, and were repeated ({lost[0].probe})",
            expected=f"an answer; at most {limit} are lost by restarts of the server",
            actual=lost[0].shown,
            shown=lost[:1],
        )


def _no_server_error(exchange: Exchange) -> bool:
    named = exchange.status == 503 and exchange.error_code == "model_not_found"
    malformed = exchange.probe.kind == ProbeKind.MALFORMED and exchange.is_captured_refusal
    return exchange.status < 500 or named or malformed


def _is_json(exchange: Exchange) -> bool | None:
    if exchange.probe.kind in _OFF_THE_API:
        return None
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


def _has_request_id(*, created: bool) -> Callable[[Exchange], bool | None]:
    """`created`: answers with a new task need one as well. Five captured ones of CometAPI lack it."""

    def has(exchange: Exchange) -> bool | None:
        if exchange.error_shape not in (None, ErrorShape.KLING) or not isinstance(exchange.json, dict):
            return None
        if exchange.error_shape is None and (exchange.status >= 300 or "code" not in exchange.json_object):
            return None
        envelope = exchange.error_object
        if "request_id" not in envelope and exchange.method == "POST" and exchange.task and not created:
            return None
        request_id = envelope.get("request_id")
        return isinstance(request_id, str) and bool(request_id)

    return has


def _judge_unique(evidence: Evidence, context: CheckContext) -> None:
    seen: dict[str, Exchange] = {}
    for exchange in _api(evidence):
        request_id = exchange.error_object.get("request_id")
        if exchange.task is not None and request_id == exchange.task.task_id:
            continue  # a published answer of CometAPI has the task id there
        if isinstance(request_id, str) and request_id:
            first = seen.setdefault(request_id, exchange)
            context.expect(
                first is exchange,
                "two answers have the same request_id",
                expected="a new request_id in each answer",
                actual=request_id,
                shown=(first, exchange),
            )


def _leak_checks(gateway: Gateway) -> tuple[Check, ...]:
    return (
        Check(
            id="responses.no_key",
            sentence="no answer contains the key of the request",
            source=SAFETY,
            judge=judge_each(_no_key, "an answer contains the key", "no key in headers or body"),
        ),
        Check(
            id="responses.no_internals",
            sentence="no answer discloses internals of the server, such as a traceback",
            source=SAFETY,
            judge=judge_each(
                _no_internals, "an answer discloses internals of the server", "a message for the caller"
            ),
        ),
        Check(
            id="responses.no_echo",
            sentence="an error does not repeat long strings of the request",
            source=ASSUMED,
            judge=judge_each(
                _no_echo, f"an error repeats {_ECHO} or more characters of the request", "a short message"
            ),
        ),
    )


def _no_key(exchange: Exchange) -> bool:
    return not holds_key(exchange.answer, exchange.answer_headers)


def holds_key(body: bytes, headers: Headers) -> bool:
    """Whether a message contained a key, which the evidence shows as a mark."""
    texts = [body.decode("utf-8", "replace"), *(value for _, value in headers)]
    return any(mark in text for mark in MARKS for text in texts)


def _no_internals(exchange: Exchange) -> bool:
    return _INTERNALS.search(exchange.answer.replace(b"\\n", b"\n").replace(b'\\"', b'"')) is None


def _no_echo(exchange: Exchange) -> bool | None:
    if exchange.status < 400 or len(exchange.body) < _ECHO:
        return None
    answer = exchange.answer.decode("utf-8", "replace")
    texts = [text for text in _texts(exchange.asked) if len(text) >= _ECHO]
    return not any(text[-_ECHO:] in answer or text[:_ECHO] in answer for text in texts)


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for item in cast("list[object]", value):
                yield from _texts(item)
        case dict():
            for item in cast("dict[str, object]", value).values():
                yield from _texts(item)
        case _:
            pass
