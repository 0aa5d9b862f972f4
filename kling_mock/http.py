"""HTTP requests and replies as plain values, and decoding of JSON bodies."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final, NoReturn, cast

import msgspec
from msgspec import Struct

from kling_contracts.gateways import Refusal
from kling_contracts.vocabulary import Source
from kling_mock.delivery import Delivery
from kling_mock.images.urls import PictureInfo

Headers = tuple[tuple[str, str], ...]

JSON_TYPE: Final = ("content-type", "application/json")
JSON_HEADERS: Final[Headers] = (JSON_TYPE,)
_RANGE: Final = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))")
RULE_HEADER: Final = "x-kling-mock-rule"

# The messages of Python up to 3.12 for a comma before the end of an array or an object.
_TRAILING: Final = {"]": "Expecting value", "}": "Expecting property name enclosed in double quotes"}
_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


class Request(Struct, frozen=True):
    """An HTTP request as received by a transport or server.

    `path` is percent-encoded, without the query; header names are in lower case. `origin` is scheme and host
    of a request over a socket, None in process. `length` is the size of a body that exceeds the cap and was
    not kept.
    """

    method: str
    path: str
    query: str = ""
    headers: Headers = ()
    body: bytes = b""
    origin: str | None = None
    length: int | None = None

    def __repr__(self) -> str:
        """Without query, header values and body, which hold keys and pictures."""
        names = ", ".join(name for name, _ in self.headers)
        return f"Request({self.method} {self.path}, headers: {names or 'none'}, body: {self.size} B)"

    def header(self, name: str) -> str | None:
        """The first value of a header, by its name in lower case."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    @property
    def size(self) -> int:
        """Number of bytes of the body, also of one that was not kept."""
        return len(self.body) if self.length is None else self.length


def check_headers(request: Request) -> None:
    """Raise TypeError unless the headers are pairs of texts: no transport makes such a request."""
    if not _are_pairs(request.headers):
        raise TypeError(
            "Request.headers: must be pairs of names and values, such as "
            f"(('authorization', 'Bearer sk-mock'),); got {type(request.headers).__name__}"
        )


def _are_pairs(value: object) -> bool:
    return isinstance(value, (tuple, list)) and all(map(_is_pair, cast("tuple[object, ...]", value)))


def _is_pair(value: object) -> bool:
    match value:
        case (str(), str()):
            return True
        case _:
            return False


class Reply(Struct, frozen=True):
    """An HTTP reply. Transports and servers send `framed_headers`, and no body in reply to HEAD.

    In a decision, `picture` is the result picture to draw as the body; the fake replaces such a reply before
    it returns it. `delivery` is how the reply is sent, if not at once and as a whole.
    """

    status: int
    headers: Headers
    body: bytes
    picture: PictureInfo | None = None
    delivery: Delivery | None = None

    @property
    def length(self) -> int:
        """The content length that is announced."""
        return len(self.body) if self.delivery is None else self.delivery.announced(len(self.body))

    @property
    def content_type(self) -> str | None:
        """The value of the first `content-type` header; None without one."""
        return next((value for name, value in self.headers if name == "content-type"), None)

    @property
    def framed_headers(self) -> Headers:
        """The headers with the content length. A 304 has none, since it would be that of the omitted body."""
        if self.status == 304:
            return self.headers
        size = len(self.body) if self.delivery is None else self.length
        return (*self.headers, ("content-length", str(size)))

    def json(self) -> object:
        """The decoded body. Raises ValueError if it is not JSON."""
        return json.loads(self.body)


def json_reply(status: int, body: Mapping[str, object], headers: Headers = ()) -> Reply:
    return Reply(status, (JSON_TYPE, *headers) if headers else JSON_HEADERS, _encode(body))


def refusal_reply(
    refusal: Refusal, body: Mapping[str, object], *, rule: str, source: Source, relax: str | None
) -> Reply:
    """A reply with an error body of the service, and a header with the rule and how to relax it."""
    return json_reply(refusal.status, body, (rule_header(rule, source, relax),))


def rule_header(rule: str, source: Source, relax: str | None) -> tuple[str, str]:
    """The header with the rule that refused the request, its source, and the setting that relaxes it."""
    why = f"{rule}; source={source.origin} ({source.reference}); relax={relax or 'none'}"
    return RULE_HEADER, why.encode("ascii", "replace").decode()


def picture_reply(request: Request, png: bytes, etag: str) -> Reply:
    """The reply for a picture. Supports If-Match, If-None-Match and, for GET, a single byte range."""
    headers: Headers = (
        ("content-type", "image/png"),
        ("etag", etag),
        ("accept-ranges", "bytes"),
        ("cache-control", "public, max-age=86400"),
    )
    if not _tags(request.header("if-match") or "*") & {etag, "*"}:
        return Reply(412, headers, b"")
    known = {tag.removeprefix("W/") for tag in _tags(request.header("if-none-match") or "")}
    if known & {etag, "*"}:
        return Reply(304, headers, b"")
    wanted = _RANGE.fullmatch(request.header("range") or "") if request.method == "GET" else None
    if request.header("if-range") not in (None, etag):  # the client has a part of another picture
        wanted = None
    if wanted is None or (wanted[2] and int(wanted[2]) < int(wanted[1])):  # invalid ranges are ignored
        return Reply(200, headers, png)
    total = len(png)
    first, last = _span(wanted, total)
    if first > last:
        return Reply(416, (*headers, ("content-range", f"bytes */{total}")), b"")
    part = ("content-range", f"bytes {first}-{last}/{total}")
    return Reply(206, (*headers, part), png[first : last + 1])


def _tags(text: str) -> set[str]:
    """The entity tags of a condition."""
    return {tag.strip() for tag in text.split(",")}


def _span(wanted: re.Match[str], total: int) -> tuple[int, int]:
    """First and last byte of a range; the first is greater than the last if the range is empty."""
    begin, end, suffix = wanted.groups()
    if suffix is not None:
        return max(total - int(suffix), 0), total - 1
    return int(begin), min(int(end), total - 1) if end else total - 1


# The limit of msgspec, and of Python by default, for the digits of an integer.
DIGITS_MAXIMUM: Final = 4300
# Ten million empty lists would take a minute and gigabytes. Commas in texts count as well.
VALUES_MAXIMUM: Final = 1_000_000
# For larger bodies, encoding the value again for comparison costs more than it saves.
QUICK_BYTES: Final = 64 * 1024
# Larger bodies have few values beside their pictures.
FEW: Final = 1000


# `name=value`, or the first line of a multipart body.
_FORM: Final = re.compile(r"[\w.%+*\[\]-]+=|--\S")


def decode(body: bytes, repeated: list[str]) -> object:
    """Decode JSON. Keys that occur twice in an object are added to `repeated`; the last value counts.

    Raises ValueError for invalid JSON: also for NaN, infinities, a byte order mark, encodings other than
    UTF-8, excessive depth and integers of more than 4300 digits.
    """
    quick = _decode_small if len(body) <= QUICK_BYTES else _decode_large
    try:
        value = quick(body)
    except (ValueError, RecursionError):  # the slow decoder raises the error with its reason
        value = None
    return _decode_carefully(body, repeated) if value is None else value


def _decode_small(body: bytes) -> object:
    """The value, unless the body is unusual: encoded again, it must be the body apart from white space."""
    value: object = _decode(body)
    again = _encode(value)
    return value if again == body or again == msgspec.json.format(body, indent=-1) else None


def _decode_large(body: bytes) -> object:
    """The value, unless it has many parts or a repeated key.

    The body must have the quotation marks of the keys and strings of the value. A repeated key has two more,
    and an escaped mark is one more.
    """
    marks = _count(body, b'"')
    if marks is None or _count(body, b",") is None:
        return None
    value: object = _decode(body)
    pending = [value]
    while pending:
        part = pending.pop()
        match part:
            case str():
                marks -= 2
            case list():
                pending += cast("list[object]", part)
            case dict():
                members = cast("dict[str, object]", part)
                marks -= 2 * len(members)
                pending += members.values()
            case _:
                pass
    return value if marks == 0 else None


def _count(body: bytes, mark: bytes) -> int | None:
    """The number of a character in a body; None for more than `FEW`. Faster than `bytes.count` for few."""
    at = body.find(mark)
    for found in range(FEW + 1):
        if at < 0:
            return found
        at = body.find(mark, at + 1)
    return None


def decode_base64(text: str) -> bytes | None:
    """Like `kling_contracts.image_fields.decode_base64`, in a fifth of the time."""
    try:
        return msgspec.convert(text, bytes)
    except ValueError:
        return None


def _decode_carefully(body: bytes, repeated: list[str]) -> object:
    if len(body) > QUICK_BYTES and body.count(b",") > VALUES_MAXIMUM:
        raise ValueError(f"it has more than {VALUES_MAXIMUM} values")

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            seen: set[str] = set()
            repeated.extend(key for key, _ in pairs if key in seen or seen.add(key))
        return found

    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error
    try:
        return cast(
            "object",
            json.loads(text, object_pairs_hook=members, parse_constant=_no_constant, parse_int=_read_int),
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except json.JSONDecodeError as error:
        if not text.strip():
            raise ValueError("it is empty") from error
        if _FORM.match(text):
            raise ValueError("it is form data") from error
        what, at = _wording(error)
        what = "it begins with a byte order mark" if text.startswith("\ufeff") else what
        raise ValueError(f"{what} at character {at}") from error
    except OverflowError as error:
        raise ValueError("a number is out of range") from error


def _wording(error: json.JSONDecodeError) -> tuple[str, int]:
    """Message and position of a syntax error. Python 3.13 words trailing commas differently; undone here."""
    if not error.msg.startswith("Illegal trailing comma"):
        return error.msg.removesuffix(" at"), error.pos
    closing = re.compile(r"[ \t\n\r]*").match(error.doc, error.pos + 1)
    at = error.pos + 1 if closing is None else closing.end()
    return _TRAILING[error.doc[at]], at


def _read_int(spelling: str) -> int:
    digits = len(spelling.removeprefix("-"))
    if digits > DIGITS_MAXIMUM:
        raise ValueError(f"a number has {digits} digits")
    return int(spelling)


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not valid JSON")
