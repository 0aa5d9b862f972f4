"""Turns a request into a command: checks key, route, method, size, JSON and the rules of the operation.

The order of the checks is that of `kling_contracts.gateways.RefusalReason`. Checks that need the store
(unknown tasks, duplicate ids, limits) are in `decisions`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256
from typing import Final, cast
from urllib.parse import parse_qs, unquote_to_bytes

from msgspec.structs import replace

from kling_contracts.compiled_readers import CompiledReader, compiled_reader
from kling_contracts.gateways import (
    PAGING,
    VALIDATION_SHAPES,
    ErrorShape,
    Gateway,
    Refusal,
    RefusalReason,
    Route,
    gateway_of,
)
from kling_contracts.operations import Operation
from kling_contracts.rules import Effect, InputPicture, ValidationResult, Violation, shorten
from kling_contracts.vocabulary import ASSUMED, CONTROL_PREFIX, HEALTH_PATH, HTTP_STANDARD, WATERMARK
from kling_mock.auth import Denied, Token, credential_of
from kling_mock.commands import (
    REDIRECTED,
    CheckHealth,
    Command,
    Create,
    FetchPicture,
    List,
    Named,
    ParsedRequest,
    Query,
    Refused,
    ShowCosts,
    refused,
)
from kling_mock.header_facts import HeaderFacts
from kling_mock.http import Request, decode, decode_base64
from kling_mock.images.urls import RESULT_FOLDER, Place, locate
from kling_mock.refused_body import refused_body
from kling_mock.setting_checks import relaxable
from kling_mock.settings import Settings
from kling_mock.task_request import PictureRecord, TaskRequest

# Not a fact of the service: by RFC 9110 the status of a body in a coding that the server does not decode.
ENCODED_RULE: Final = "body.encoding"
ENCODED_BODY: Final = Refusal(
    415,
    ErrorShape.KLING,
    1201,
    "Content-Encoding {encoding} is not supported: send the body uncompressed",
    HTTP_STANDARD,
)
_WHOLE: Final = re.compile(r"-?[0-9]{1,9}")


def parse_request(
    request: Request, facts: HeaderFacts, settings: Settings, system: float
) -> tuple[Command, Token | None]:
    """The command of a request, and its token, if any. `system` is system time in Unix seconds. Pure."""
    if type(request) is ParsedRequest:
        return request.command, request.token
    path = request.path
    gateway = gateway_of(path, facts.host, settings.gateways)
    open_to_all = CheckHealth() if path == HEALTH_PATH else _picture(request)
    if open_to_all is not None:
        if request.method in ("GET", "HEAD"):
            return open_to_all, None
        named: Named = (("method", shorten(request.method)),)
        return refused(gateway, RefusalReason.WRONG_METHOD, None, named, allow="GET, HEAD"), None
    credential = credential_of(facts, settings, gateway, system)
    if isinstance(credential, Denied):
        if path.startswith(f"{CONTROL_PREFIX}/"):  # another key would not help
            return refused(gateway, RefusalReason.NO_ROUTE, None, _named(request)), None
        reason, parts = credential
        relax = "keys" if settings.keys and reason is not RefusalReason.NO_KEY else None
        return refused(gateway, reason, None, (("parts", parts),), relax=relax), None
    return _read_route(request, facts, settings, gateway, credential.account), credential.token


def _picture(request: Request) -> FetchPicture | None:
    if not request.path.startswith(RESULT_FOLDER):
        return None
    # Another path in the folder of results is that of a result that does not exist.
    place = locate(request.path) or Place("", 0, request.path)
    return FetchPicture(*place, request.query == REDIRECTED)


def _named(request: Request) -> Named:
    return (("method", shorten(request.method)), ("path", shorten(request.path)))


def _read_route(
    request: Request, facts: HeaderFacts, settings: Settings, gateway: Gateway, account: str
) -> Command:
    path, method = request.path, request.method
    route, tail = route_of(gateway, path)
    if route is None and path != gateway.costs_path:
        return refused(gateway, RefusalReason.NO_ROUTE, account, _named(request))
    creates = route is not None and tail is None
    if route is not None and creates and method == "POST":
        unread = _refuse_unread(request, facts.encoding, settings, gateway, account)
        return read_create(request, settings, gateway, route, account) if unread is None else unread
    if method == "GET":
        if route is None:
            return ShowCosts(account)
        if tail is not None:
            return Query(gateway, account, tail)
        if gateway.lists:
            return _read_list(request, settings, gateway, route, account)
    allowed = (["GET"] if not creates or gateway.lists else []) + (["POST"] if creates else [])
    named: Named = (("method", shorten(method)),)
    return refused(gateway, RefusalReason.WRONG_METHOD, account, named, allow=", ".join(allowed))


def _read_list(
    request: Request, settings: Settings, gateway: Gateway, route: Route, account: str
) -> List | Refused:
    """The command for a page of tasks, from the query string."""
    given = parse_qs(request.query, keep_blank_values=True)
    reading = ValidationResult()
    numbers: list[int] = []
    for parameter in PAGING:
        # A repeated parameter is invalid: its values joined with a comma are not a number.
        text = ",".join(given.get(parameter.name, []))
        value: object = int(text) if _WHOLE.fullmatch(text) else text
        read = parameter.default if text == "" else parameter.read(value, parameter.name, reading)
        numbers.append(cast("int", read or 0))
    if reading.violations:
        return refused_by(reading.violations[0], settings, gateway, account, ())
    operations = frozenset(each.name for each in (*route.operations, *route.optional))
    return List(account, operations, numbers[0], numbers[1])


def route_of(gateway: Gateway, path: str) -> tuple[Route | None, str | None]:
    """The route of a path, and the task id in its last segment, if any."""
    route = gateway.create_paths.get(path)
    if route is not None:
        return route, None
    create, _, segment = path.rpartition("/")
    route = gateway.create_paths.get(create)
    if route is None or not segment:
        return None, None
    if "%" not in segment and segment.isascii():
        return route, segment
    return route, unquote_to_bytes(segment).decode("utf-8", "replace")


MODEL_RULE: Final = RefusalReason.UNKNOWN_MODEL.value


def _refuse_unread(
    request: Request, encoding: str | None, settings: Settings, gateway: Gateway, account: str
) -> Refused | None:
    """The refusal of a body that is too large or encoded, if it is."""
    if request.size > settings.body_cap:
        return refused(gateway, RefusalReason.TOO_LARGE, account, relax="body_cap")
    if encoding is not None and encoding.strip().lower() not in ("", "identity"):
        named: Named = (("encoding", shorten(encoding)),)
        return Refused(ENCODED_BODY, ENCODED_RULE, HTTP_STANDARD, None, account, named)
    return None


def read_create(
    request: Request, settings: Settings, gateway: Gateway, route: Route, account: str
) -> Create | Refused:
    """The command of a create request, from its body."""
    origin = settings.base_url or request.origin
    usual = _usual_reader(gateway, request.path, settings.operations)
    found = None if usual is None else usual[1](request.body)
    if usual is not None and found is not None:
        # No setting changes the command for a valid body without notes.
        operation, (items, paths, urls) = usual[0], found
        pictures = tuple(map(PictureRecord, paths, urls))
        task_request = TaskRequest(operation.value_names, items, pictures)
        return Create(gateway, operation, account, task_request, None, (), origin)
    repeated: list[str] = []
    try:
        body = decode(request.body, repeated)
    except ValueError as error:
        return refused(gateway, RefusalReason.BAD_JSON, account, (("message", str(error)),))
    operation = route.operation(body, settings.operations)
    reading = operation.read(
        body,
        null_is_absent=settings.null_is_absent,
        lifted=settings.ignore,
        decode_base64=decode_base64,
    )
    watermark = _wants_watermark(body)
    if watermark and WATERMARK.value not in operation.keys:
        reading.notes.remove(f"{UNKNOWN_NOTE}{WATERMARK.value!r}")
    if repeated:
        reading.notes.extend(f"duplicate key, the last one wins: {key[:60]!a}" for key in repeated)
    fatal, failure = _verdict(reading, body, settings, gateway)
    if fatal is None and settings.strict_fields:
        unknown = next((note for note in reading.notes if note.startswith(UNKNOWN_NOTE)), None)
        if unknown is not None:
            message = f"unknown field {unknown.removeprefix(UNKNOWN_NOTE)}"
            refusal = _refuse_unknown(message, settings, account, tuple(reading.notes))
            return replace(refusal, request=refused_body(body, request.size, operation))
    if fatal is not None:
        if fatal.rule.id.endswith(".base64"):  # its captured message names neither the field nor the mistake
            reading.notes.append(str(fatal))
        refusal = refused_by(fatal, settings, gateway, account, tuple(reading.notes))
        return replace(refusal, request=refused_body(body, request.size, operation))
    return Create(
        gateway,
        operation,
        account,
        _task_request(operation, reading, settings, watermark=watermark),
        failure,
        tuple(reading.notes),
        origin,
    )


@lru_cache
def _usual_reader(
    gateway: Gateway, path: str, enabled: tuple[str, ...]
) -> tuple[Operation, CompiledReader] | None:
    """The operation of usual bodies at a create path, and its reader."""
    operation = gateway.create_paths[path].sole_operation(enabled)
    read = None if operation is None else compiled_reader(operation)
    return None if operation is None or read is None else (operation, read)


UNKNOWN_FIELD: Final = "body.unknown_field"
UNKNOWN_NOTE: Final = "unknown field ignored: "


def _refuse_unknown(message: str, settings: Settings, account: str, notes: tuple[str, ...]) -> Refused:
    """The refusal of a field that the service would ignore; often its name is misspelled."""
    refusal, values = VALIDATION_SHAPES[settings.validation_errors], (("message", message),)
    return Refused(refusal, UNKNOWN_FIELD, ASSUMED, "strict_fields", account, values, None, notes)


def _verdict(
    reading: ValidationResult, body: object, settings: Settings, gateway: Gateway
) -> tuple[Violation | None, str | None]:
    """The violation for which the request is refused, or the message with which its task fails, if any."""
    failure: str | None = None
    fatal: Violation | None = None
    for violation in reading.violations:
        field = violation.rule.id.partition(".")[0]
        value = cast("dict[str, object]", body).get(field) if isinstance(body, dict) else None
        known_model = violation.rule.id == MODEL_RULE and value in settings.models
        if known_model or violation.rule.id in settings.ignore:
            if isinstance(value, str):
                reading.values[field] = value
        elif violation.effect is Effect.FAILS:
            failure = failure or violation.message
        elif fatal is None or (violation.rule.id == MODEL_RULE and gateway.looks_for_model_first):
            fatal = violation
    return fatal, failure


def refused_by(
    violation: Violation,
    settings: Settings,
    gateway: Gateway,
    account: str,
    notes: tuple[str, ...],
) -> Refused:
    """The command for a request that violates a rule of the contract."""
    rule = violation.rule
    if rule.id == MODEL_RULE:
        refusal = gateway.refusals[RefusalReason.UNKNOWN_MODEL]
        relax: str | None = f"models, or ignore {rule.id}"
    else:
        refusal = VALIDATION_SHAPES[settings.validation_errors]
        relax = f"ignore {rule.id}" if relaxable(rule.id) else None
    values = (("message", violation.message), ("model", violation.value))
    return Refused(refusal, rule.id, rule.source, relax, account, values, None, notes)


def _wants_watermark(body: object) -> bool:
    """Whether a body asks for results with a watermark.

    Kling's page and CometAPI's later page have the field, the page that the contract implements does not. So
    it is applied where it is well-formed, and otherwise ignored like any unknown field.
    """
    asked = cast("dict[str, object]", body).get(WATERMARK.value) if isinstance(body, dict) else None
    return isinstance(asked, dict) and cast("dict[str, object]", asked).get("enabled") is True


def _task_request(
    operation: Operation, reading: ValidationResult, settings: Settings, *, watermark: bool
) -> TaskRequest:
    values = {**operation.defaults, **reading.values}
    names = operation.value_names
    pictures = tuple([picture_record(picture, settings) for picture in reading.pictures])
    return TaskRequest(names, tuple([values.get(name) for name in names]), pictures, watermark)


def picture_record(picture: InputPicture, settings: Settings) -> PictureRecord:
    """The record of a picture; with a thumbnail of its bytes, if the setting is on."""
    data = picture.data
    if data is None:
        return PictureRecord(picture.field, picture.url)
    thumbnail: bytes | None = None
    if settings.thumbnails and picture.header is not None:
        from kling_mock.images.thumbnails import make_thumbnail

        thumbnail = make_thumbnail(data, picture.header)
    return PictureRecord(picture.field, picture.url, len(data), sha256(data).hexdigest(), thumbnail)
