"""What no answer gives away: the key, the inside of the server, and the request itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, cast

from kling_contracts.checks.envelopes import judge_each
from kling_contracts.gateways import Gateway
from kling_contracts.verify.check import Check
from kling_contracts.verify.exchange import MARKS, Exchange, Headers
from kling_contracts.vocabulary import ASSUMED

# So much of a text of the request in an error is more than a hint.
_ECHO: Final = 500
# Tracebacks of Python, JavaScript, Java and Go, places in sources, errors of databases as they come.
_INTERNALS: Final = re.compile(
    rb'Traceback \(most recent|File "[^"]+", line \d|^\s+at [\w.$<>]+ ?\(|goroutine \d+ \[|panic: '
    rb"|[\w-]\.(?:py|js|ts|go|java|rb|php):\d+|SQLSTATE|(?:sqlite3|psycopg2?|pymysql|sqlalchemy)\.",
    re.MULTILINE,
)


def checks(gateway: Gateway) -> tuple[Check, ...]:
    return (
        Check(
            id="answers.no_key",
            sentence="no answer holds the key that the request came with",
            source=ASSUMED,
            judge=judge_each(_no_key, "an answer holds the key", "no key in headers or body"),
        ),
        Check(
            id="answers.no_internals",
            sentence="no answer shows the inside of the server",
            source=ASSUMED,
            judge=judge_each(_no_internals, "an answer shows a traceback", "a message for the caller"),
        ),
        Check(
            id="answers.no_echo",
            sentence="an error does not give back the whole request",
            source=ASSUMED,
            judge=judge_each(_no_echo, "an error repeats the request at length", "a short message"),
        ),
    )


def _no_key(exchange: Exchange) -> bool:
    return not holds_key(exchange.answer, exchange.answer_headers)


def holds_key(body: bytes, headers: Headers) -> bool:
    """Whether a message holds one of our keys: marks stand in the evidence where a key stood."""
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
