"""The replies of `answers`: bodies of the service by code, pages of a proxy, or any body."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from itertools import groupby
from types import MappingProxyType
from typing import Final, cast

from kling_contracts.gateways import ErrorShape, Refusal
from kling_contracts.vocabulary import ERRORS, ErrorCode
from kling_mock.argument_checks import check_json, check_unicode
from kling_mock.reply_faults import GivenReply

# The code for an HTTP status: of those with this status, the least specific one.
CODE_OF_STATUS: Final[Mapping[int, int]] = MappingProxyType(
    {400: 1201, 401: 1000, 403: 1103, 404: 1203, 429: 1302, 500: 5000, 503: 5001, 504: 5002}
)
# Statuses whose replies have no body.
BODILESS: Final = frozenset({204, 304})
RETRY_AFTER: Final = ("retry-after", "1")
# Statuses of proxies that the standard library does not know.
_OF_PROXIES: Final[Mapping[int, str]] = MappingProxyType(
    {
        520: "Web server is returning an unknown error",
        521: "Web server is down",
        522: "Connection timed out",
        523: "Origin is unreachable",
        524: "A timeout occurred",
        525: "SSL handshake failed",
        526: "Invalid SSL certificate",
    }
)

GivenBody = str | bytes | Mapping[str, object] | list[object]
GivenHeaders = Mapping[str, str] | Iterable[tuple[str, str]]

# The framing of the body: each transport sends its own.
_FRAMING: Final = frozenset({"content-length", "transfer-encoding"})
# By RFC 9110 a name is a token. Values with other characters than these are sent differently by each library.
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\t -~]*")


def error_row(code: object) -> ErrorCode:
    """The row of Kling's error table for a code, or for an HTTP status of the table. Raises ValueError."""
    if isinstance(code, int) and not isinstance(code, bool):
        row = ERRORS.get(CODE_OF_STATUS.get(code, code))
        if row is not None:
            return row
    raise ValueError(f"unknown error code {code!r}; known: {_known_codes()}")


def _known_codes() -> str:
    """The error table for messages: `1000, 1001 (HTTP 401); 1100 (HTTP 429); ...`."""
    groups = groupby(ERRORS.values(), key=lambda row: row.status)
    return "; ".join(f"{', '.join(str(row.code) for row in rows)} (HTTP {status})" for status, rows in groups)


def given_reply(
    status: int, code: int | None, body: GivenBody | None, headers: GivenHeaders | None
) -> GivenReply:
    """The reply with this status. Raises ValueError or TypeError for values that no reply has."""
    if type(status) is not int or not 200 <= status <= 599:
        raise ValueError(f"status must be an integer from 200 to 599, not {status!r}")
    if code is not None and body is not None:
        raise ValueError("code and body: contradictory; the body with a code is that of the service")
    own = _headers(headers)
    if status in BODILESS and (code is not None or body):
        raise ValueError(f"a reply with status {status} has no body; leave out code and body")
    if body is not None:
        media_type, content = _content(body)
        return GivenReply(status, _with_defaults(own, media_type), content)
    if code is None and status not in CODE_OF_STATUS:
        return _page(status, own)
    row = error_row(CODE_OF_STATUS[status] if code is None else code)
    extra = RETRY_AFTER if status == 429 else None
    message = row.wording.replace("{", "{{").replace("}", "}}")
    refusal = Refusal(status, ErrorShape.KLING, row.code, message, row.source)
    return GivenReply(status, _with_defaults(own, extra), b"", refusal)


def _page(status: int, own: tuple[tuple[str, str], ...]) -> GivenReply:
    """The page of a proxy for a status without a body of the service."""
    if status in BODILESS:
        return GivenReply(status, own, b"")
    if status < 400:
        raise ValueError(f"status {status}: give a body, such as body='' or body={{'code': 0}}")
    title = f"{status} {_phrase(status)}"
    page = f"<!doctype html>\n<title>{title}</title>\n<h1>{title}</h1>\n<p>proxy.example</p>\n"
    return GivenReply(
        status, _with_defaults(own, ("content-type", "text/html; charset=utf-8")), page.encode()
    )


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return _OF_PROXIES.get(status, "Unknown status")


def _content(body: object) -> tuple[tuple[str, str], bytes]:
    match body:
        case bytes():
            return ("content-type", "application/octet-stream"), body
        case str():
            kind = "html" if body.lstrip().startswith("<") else "plain"
            return ("content-type", f"text/{kind}; charset=utf-8"), check_unicode("body", body)
        case Mapping():
            body = dict(cast("Mapping[object, object]", body))
            return ("content-type", "application/json"), check_json("body", body)
        case list():
            return ("content-type", "application/json"), check_json("body", cast("object", body))
        case _:
            raise TypeError(f"body must be a string, bytes, a dict or a list, not {body!r}")


def _headers(headers: object) -> tuple[tuple[str, str], ...]:
    """The given header fields, a dict or pairs, with names in lower case; a name may occur several times."""
    if headers is None:
        return ()
    given = cast("Mapping[object, object]", headers).items() if isinstance(headers, Mapping) else headers
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise TypeError(f"headers must be a dict of strings or a list of pairs, not {headers!r}")
    return tuple([_header(each) for each in cast("Iterable[object]", given)])


def _header(pair: object) -> tuple[str, str]:
    match pair:
        case (str() as name, str() as value):
            pass
        case _:
            raise TypeError(f"headers must be a dict of strings or a list of pairs; got {pair!r}")
    if not _NAME.fullmatch(name):
        raise ValueError(f"headers: {name!r} is not a name of a header")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"headers: {name} must consist of printable ASCII characters; got {value!r}")
    if name.lower() in _FRAMING:
        raise ValueError(f"headers: {name.lower()} is that of the body; see .misstates_length(by)")
    return name.lower(), value


def _with_defaults(
    own: tuple[tuple[str, str], ...], default: tuple[str, str] | None
) -> tuple[tuple[str, str], ...]:
    return own if default is None or any(name == default[0] for name, _ in own) else (*own, default)
