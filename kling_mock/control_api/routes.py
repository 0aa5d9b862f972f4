"""The routes of the imitated service, with the fields of their requests: as data for a form."""

from __future__ import annotations

from collections.abc import Iterator

from kling_contracts.composite_fields import AnyField
from kling_contracts.fields import Array, Choice, Flag, Integer, Number, Text
from kling_contracts.image_fields import Picture, PictureList
from kling_mock.control_api import models
from kling_mock.fake import Fake


def list_routes(fake: Fake) -> models.Routes:
    """List the create routes of the gateways, one for each operation that is enabled."""
    return models.Routes(tuple(_routes(fake)))


def _routes(fake: Fake) -> Iterator[models.RouteInfo]:
    settings = fake.settings
    for gateway in settings.gateways:
        for path, route in gateway.create_paths.items():
            optional = [each for each in route.optional if each.name in settings.operations]
            for operation in (*route.operations, *optional):
                yield models.RouteInfo(
                    gateway=gateway.title,
                    operation=operation.name,
                    title=operation.title,
                    path=path,
                    fields=tuple([_field(each) for each in operation.fields]),
                )


def _field(field: AnyField) -> models.RequestField:
    minimum: float | None = None
    maximum: float | None = None
    options: tuple[str, ...] = ()
    item: str | None = None
    kind: models.FieldKind
    match field:
        case Picture():
            kind = "picture"
        case PictureList():
            kind, item = "pictures", field.item.name
        case Choice():
            kind, options = "choice", field.options.value
        case Integer():
            kind = "integer"
        case Number():
            kind = "number"
        case Flag():
            kind = "flag"
        case Text():
            kind, maximum = "text", None if field.maximum is None else field.maximum.value
        case _:
            kind = "json"
    if isinstance(field, Array | Integer | Number):
        minimum, maximum = field.minimum.value, field.maximum.value
    return models.RequestField(
        name=field.name,
        kind=kind,
        doc=field.doc,
        required=field.required,
        default=field.default,
        options=options,
        minimum=minimum,
        maximum=maximum,
        item=item,
    )
