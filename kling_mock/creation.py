"""Reading a create request: size, JSON, and the operation's rules, as far as the settings keep them."""

from __future__ import annotations

from hashlib import sha256
from typing import Final, cast

from contracts.gateways import VALIDATION_SHAPES, Gateway, Route, Situation
from contracts.operations import Operation
from contracts.rules import Effect, InputPicture, Reading, Violation
from kling_mock.commands import Create, Refused, refused
from kling_mock.decoding import decode
from kling_mock.records import PictureRecord, TaskRequest
from kling_mock.replies import Request
from kling_mock.settings import Settings, relaxable

MODEL_RULE: Final = Situation.UNKNOWN_MODEL.value


def read_create(
    request: Request, settings: Settings, gateway: Gateway, route: Route, account: str
) -> Create | Refused:
    if request.size > settings.body_cap:
        return refused(gateway, Situation.TOO_LARGE, account, relax="body_cap")
    repeated: list[str] = []
    try:
        body = decode(request.body, repeated)
    except ValueError as error:
        return refused(gateway, Situation.BAD_JSON, account, (("message", str(error)),))
    operation = route.operation(body, settings.operations)
    reading = operation.read(body, null_is_absent=settings.null_is_absent)
    if repeated:
        reading.notes.extend(f"duplicate key, the last one wins: {key[:60]!a}" for key in repeated)
    fatal, failure = _verdict(reading, body, settings, gateway)
    if fatal is not None:
        return refused_by(fatal, settings, gateway, account, tuple(reading.notes))
    return Create(
        gateway,
        operation,
        account,
        _task_request(operation, reading, settings),
        failure,
        tuple(reading.notes),
        settings.base_url or request.origin,
    )


def _verdict(
    reading: Reading, body: object, settings: Settings, gateway: Gateway
) -> tuple[Violation | None, str | None]:
    """The violation that refuses the request, if any, and else the text the task is to fail with."""
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
    names = operation.value_names
    pictures = tuple([_picture_record(picture, settings) for picture in reading.pictures])
    return TaskRequest(names, tuple([values.get(name) for name in names]), pictures)


def _picture_record(picture: InputPicture, settings: Settings) -> PictureRecord:
    data = picture.data
    if data is None:
        return PictureRecord(picture.field, picture.url)
    thumbnail: bytes | None = None
    if settings.thumbnails and picture.header is not None:
        from kling_mock.thumbnails import make_thumbnail

        thumbnail = make_thumbnail(data, picture.header)
    return PictureRecord(picture.field, None, len(data), sha256(data).hexdigest(), thumbnail)
