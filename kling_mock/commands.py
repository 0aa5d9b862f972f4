"""From a request to what it asks for. Stateless: key, route, method, size, JSON and the operation's rules.

The order of the checks is that of `contracts.gateways.Situation`. What can only be said with a look at
the store (unknown tasks, duplicate ids, slots) is decided in `service`.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import Final, NamedTuple, NoReturn, cast
from urllib.parse import parse_qs, unquote_to_bytes

from contracts.gateways import (
    PAGING,
    VALIDATION_SHAPES,
    Gateway,
    Refusal,
    Route,
    Situation,
    gateway_of,
)
from contracts.operations import Operation
from contracts.rules import Effect, InputPicture, Reading, Violation, shorten
from contracts.vocabulary import Source
from kling_mock.accounts import Denied, Token
from kling_mock.authentication import credential_of
from kling_mock.pictures import locate
from kling_mock.records import PictureRecord, TaskRequest
from kling_mock.replies import Request
from kling_mock.settings import Settings, relaxable

HEALTH_PATH: Final = "/_mock/health"
MODEL_RULE: Final = Situation.UNKNOWN_MODEL.value
_WHOLE: Final = re.compile(r"-?[0-9]{1,9}")


class Create(NamedTuple):
    """A task is asked for, by a body that the operation accepts."""

    gateway: Gateway
    operation: Operation
    account: str
    request: TaskRequest
    failure: str | None
    notes: tuple[str, ...]
    origin: str | None

    @property
    def units(self) -> int:
        """What the task costs, in units of the price list."""
        return self.request.n * self.operation.units_per_image.value


class Query(NamedTuple):
    """One task is asked about, by its id or external id."""

    gateway: Gateway
    account: str
    id: str


class List(NamedTuple):
    """A page of the tasks of one route, newest first."""

    account: str
    operations: frozenset[str]
    page: int
    size: int


class ShowCosts(NamedTuple):
    """What an account has left."""

    account: str


class FetchPicture(NamedTuple):
    """Result pictures need no key: whoever has the URL may look, as with the real service."""

    task_id: str
    number: int
    path: str


class CheckHealth(NamedTuple):
    """Anybody may ask whether this is a fake, and alive."""


class Refused(NamedTuple):
    """A request that is refused without a look at the store."""

    refusal: Refusal
    rule: str
    source: Source
    relax: str | None
    account: str | None = None
    values: tuple[tuple[str, object], ...] = ()
    allow: str | None = None
    notes: tuple[str, ...] = ()


Named = tuple[tuple[str, object], ...]
Command = Create | Query | List | ShowCosts | FetchPicture | CheckHealth | Refused


def understand(request: Request, settings: Settings, system: float) -> tuple[Command, Token | None]:
    """What a request asks for, and the token it came with, if any. `system` is system time. Pure."""
    path = request.path
    gateway = gateway_of(path, request.header("host") or "")
    open_to_all = CheckHealth() if path == HEALTH_PATH else _picture(path)
    if open_to_all is not None:
        if request.method in ("GET", "HEAD"):
            return open_to_all, None
        named: Named = (("method", shorten(request.method)),)
        return _refused(gateway, Situation.WRONG_METHOD, None, named, allow="GET, HEAD"), None
    credential = credential_of(request, settings, gateway, system)
    if isinstance(credential, Denied):
        situation, parts = credential
        relax = "keys" if settings.keys and situation is not Situation.NO_KEY else None
        return _refused(gateway, situation, None, (("parts", parts),), relax=relax), None
    return _read_route(request, settings, gateway, credential.account), credential.token


def _picture(path: str) -> FetchPicture | None:
    place = locate(path)
    return None if place is None else FetchPicture(*place)


def _read_route(request: Request, settings: Settings, gateway: Gateway, account: str) -> Command:
    path, method = request.path, request.method
    costs = path == gateway.costs_path
    route, tail = _route(gateway, path)
    if route is None and not costs:
        named: Named = (("method", shorten(method)), ("path", shorten(path)))
        return _refused(gateway, Situation.NO_ROUTE, account, named)
    creates = route is not None and tail is None
    allowed = (["GET"] if not creates or gateway.lists else []) + (["POST"] if creates else [])
    if method not in allowed:
        named = (("method", shorten(method)),)
        return _refused(gateway, Situation.WRONG_METHOD, account, named, allow=", ".join(allowed))
    if route is None:
        return ShowCosts(account)
    if tail is not None:
        return Query(gateway, account, tail)
    if method == "GET":
        return _read_list(request, settings, gateway, route, account)
    return _read_create(request, settings, gateway, route, account)


def _read_list(
    request: Request, settings: Settings, gateway: Gateway, route: Route, account: str
) -> List | Refused:
    """A page is asked for in the query string, where every value is text."""
    given = parse_qs(request.query, keep_blank_values=True)
    reading = Reading()
    numbers: list[int] = []
    for parameter in PAGING:
        # A parameter that comes twice has no meaning, and its values no number in common.
        text = ",".join(given.get(parameter.name, []))
        value: object = int(text) if _WHOLE.fullmatch(text) else text
        read = parameter.default if text == "" else parameter.read(value, parameter.name, reading)
        numbers.append(cast("int", read or 0))
    if reading.violations:
        return _refused_by(reading.violations[0], settings, gateway, account, ())
    operations = frozenset(each.name for each in (*route.operations, *route.optional))
    return List(account, operations, numbers[0], numbers[1])


def _route(gateway: Gateway, path: str) -> tuple[Route | None, str | None]:
    """The route of a path and the id behind it, if there is one."""
    for route in gateway.routes:
        create = gateway.path(route)
        if path == create:
            return route, None
        if path.startswith(create + "/"):
            segment = path[len(create) + 1 :]
            if segment and "/" not in segment:
                return route, unquote_to_bytes(segment).decode("utf-8", "replace")
    return None, None


def _refused(  # noqa: PLR0913 -- one refusal has this many parts, all but two of them optional
    gateway: Gateway,
    situation: Situation,
    account: str | None = None,
    values: Named = (),
    *,
    relax: str | None = None,
    allow: str | None = None,
) -> Refused:
    refusal = gateway.refusals[situation]
    return Refused(refusal, situation.value, refusal.source, relax, account, values, allow)


def _read_create(
    request: Request, settings: Settings, gateway: Gateway, route: Route, account: str
) -> Create | Refused:
    if request.size > settings.body_cap:
        return _refused(gateway, Situation.TOO_LARGE, account, relax="body_cap")
    repeated: list[str] = []
    try:
        body = decode(request.body, repeated)
    except ValueError as error:
        return _refused(gateway, Situation.BAD_JSON, account, (("message", str(error)),))
    operation = route.operation(body, settings.operations)
    reading = operation.read(body, null_is_absent=settings.null_is_absent)
    reading.notes.extend(f"duplicate key, the last one wins: {key[:60]!a}" for key in repeated)
    refused, failure = _verdict(reading, body, settings, gateway)
    if refused is not None:
        return _refused_by(refused, settings, gateway, account, tuple(reading.notes))
    return Create(
        gateway,
        operation,
        account,
        _task_request(operation, reading, settings),
        failure,
        tuple(reading.notes),
        settings.base_url or request.origin,
    )


def decode(body: bytes, repeated: list[str]) -> object:
    """Decode JSON as the service would; collect keys that an object has twice. Raises ValueError.

    NaN and infinities are no JSON. A byte order mark, other encodings, absurd depth and integers of
    thousands of digits are refused too.
    """

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
        return cast("object", json.loads(text, object_pairs_hook=members, parse_constant=_no_constant))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at character {error.pos}") from error


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _verdict(
    reading: Reading, body: object, settings: Settings, gateway: Gateway
) -> tuple[Violation | None, str | None]:
    """The violation that refuses the request, if any, and else the text the task is to fail with."""
    failure: str | None = None
    refused: Violation | None = None
    for violation in reading.violations:
        field = violation.rule.id.partition(".")[0]
        value = cast("dict[str, object]", body).get(field) if isinstance(body, dict) else None
        known_model = violation.rule.id == MODEL_RULE and value in settings.models
        if known_model or violation.rule.id in settings.ignore:
            if isinstance(value, str):
                reading.values[field] = value
        elif violation.effect is Effect.FAILS:
            failure = failure or violation.message
        elif refused is None or (violation.rule.id == MODEL_RULE and gateway.looks_for_model_first):
            refused = violation
    return refused, failure


def _refused_by(
    violation: Violation,
    settings: Settings,
    gateway: Gateway,
    account: str,
    notes: tuple[str, ...],
) -> Refused:
    rule = violation.rule
    if rule.id == MODEL_RULE:
        refusal = gateway.refusals[Situation.UNKNOWN_MODEL]
        relax: str | None = f"models, or ignore {rule.id}"
    else:
        refusal = VALIDATION_SHAPES[settings.validation_errors]
        relax = f"ignore {rule.id}" if relaxable(rule.id) else None
    values = (("message", violation.message), ("model", violation.value))
    return Refused(refusal, rule.id, rule.source, relax, account, values, None, notes)


def _task_request(operation: Operation, reading: Reading, settings: Settings) -> TaskRequest:
    values = {**operation.defaults, **reading.values}
    return TaskRequest(
        prompt=cast("str", values.get("prompt", "")),
        n=cast("int", values["n"]),
        aspect_ratio=cast("str", values["aspect_ratio"]),
        model_name=cast("str", values["model_name"]),
        callback_url=cast("str | None", values.get("callback_url")),
        external_task_id=cast("str | None", values.get("external_task_id")),
        pictures=tuple(_picture_record(picture, settings) for picture in reading.pictures),
    )


def _picture_record(picture: InputPicture, settings: Settings) -> PictureRecord:
    data = picture.data
    if data is None:
        return PictureRecord(picture.field, picture.url)
    thumbnail: bytes | None = None
    if settings.thumbnails and picture.header is not None:
        from kling_mock.thumbnails import make_thumbnail

        thumbnail = make_thumbnail(data, picture.header)
    return PictureRecord(picture.field, None, len(data), sha256(data).hexdigest(), thumbnail)
