"""The body of a create: exactly the arguments given, checked against the contract before they are sent."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from kling_client.errors import ConfigError, InvalidRequest
from kling_client.images import Image, ImageLike, to_wire
from kling_contracts.composite_fields import AnyField, ListOf, Nested
from kling_contracts.image_fields import Picture, PictureList
from kling_contracts.operations import Operation, validate

SUBJECTS: Final = "subject_image_list"
SUBJECT: Final = "subject_image"
STYLE: Final = "style_image"
# The name or an alias of the scene picture in every operation that has one.
_SCENE: Final = "scene_image"


def picture_keys(operation: Operation) -> frozenset[str]:
    """The keys in a body of the operation whose values are pictures."""
    return frozenset(_picture_keys(operation.fields))


def _picture_keys(fields: Iterable[AnyField]) -> Iterable[str]:
    for field in fields:
        match field:
            case Picture():
                yield from field.names
            case PictureList():
                yield from field.item.names
            case Nested():
                yield from _picture_keys(field.fields)
            case ListOf():
                yield from _picture_keys([field.item])
                # A list of bare pictures has them under its own name.
                yield from field.names if isinstance(field.item, Picture) else ()
            case _:
                pass


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRequest:
    """The arguments of `generate`. None means: not given, so not sent, so the server's default."""

    images: Sequence[ImageLike]
    prompt: str | None = None
    aspect_ratio: str | None = None
    n: int | None = None
    scene: ImageLike | None = None
    style: ImageLike | None = None
    model: str | None = None
    callback_url: str | None = None
    external_task_id: str | None = None
    extra: Mapping[str, object] | None = None

    def to_wire(self, operation: Operation) -> dict[str, object]:
        """The body for an operation. A field in `extra` replaces the argument of that name."""
        if not any(field.name == SUBJECTS for field in operation.fields):
            names = ", ".join(field.name for field in operation.fields)
            raise ConfigError(
                f"generate is for operations with subject pictures; for {operation.title} use create "
                f"with its fields: {names}"
            )
        one = isinstance(self.images, str | bytes | os.PathLike | Image)
        if one or not isinstance(self.images, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass None
            raise ConfigError(f"images must be a list of pictures, not one {type(self.images).__name__}")
        pictures = [{SUBJECT: to_wire(image)} for image in self.images]
        given = {
            SUBJECTS: pictures,
            "model_name": self.model,
            "prompt": self.prompt,
            _scene(operation): None if self.scene is None else to_wire(self.scene),
            STYLE: None if self.style is None else to_wire(self.style),
            "n": self.n,
            "aspect_ratio": self.aspect_ratio,
            "callback_url": self.callback_url,
            "external_task_id": self.external_task_id,
        }
        return {name: value for name, value in given.items() if value is not None} | dict(self.extra or {})


def _scene(operation: Operation) -> str:
    return next((field.name for field in operation.fields if _SCENE in field.names), _SCENE)


def body_of(
    operation: Operation, body: Mapping[str, object] | None, fields: Mapping[str, object]
) -> dict[str, object]:
    """The body of a create from the arguments of `create`, with its pictures as they go over the wire.

    Raises ConfigError for a keyword that is not a field of the operation, OSError for an unreadable file.
    """
    for name in fields:
        if name not in operation.keys:
            near = difflib.get_close_matches(name, operation.keys, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(operation.keys))}"
            raise ConfigError(f"{operation.title} has no field {name!r}; {hint}")
    given = {name: value for name, value in fields.items() if value is not None}
    return _with_pictures(operation.fields, {**(body or {}), **given})


def _with_pictures(fields: Iterable[AnyField], body: Mapping[str, object]) -> dict[str, object]:
    """A JSON object whose pictures are encoded where the fields have such."""
    encoded = dict(body)
    for field in fields:
        for name in field.names:
            if name in encoded:
                encoded[name] = _encoded(field, encoded[name])
    return encoded


def _encoded(field: AnyField, value: object) -> object:
    if isinstance(field, Picture) and isinstance(value, Image | bytes | os.PathLike):
        return to_wire(cast("ImageLike", value))
    if isinstance(field, Nested) and isinstance(value, Mapping):
        return _with_pictures(field.fields, cast("Mapping[str, object]", value))
    if isinstance(field, ListOf | PictureList) and isinstance(value, list | tuple):
        return [_encoded_item(field, item) for item in cast("Sequence[object]", value)]
    return value


def _encoded_item(field: ListOf | PictureList, item: object) -> object:
    if isinstance(field, ListOf):
        return _encoded(field.item, item)
    if isinstance(item, Mapping):
        return _with_pictures([field.item], cast("Mapping[str, object]", item))
    return item


@dataclass(frozen=True, slots=True)
class Draft:
    """A create that is ready to go: its JSON, and the caller's own id for the case that no answer comes."""

    content: bytes
    external_task_id: str | None


def write(request: CreateRequest, operation: Operation, *, check: bool) -> Draft:
    """Encode the arguments of `generate` for an operation. See `write_body`."""
    return write_body(request.to_wire(operation), operation, check=check, plain=not request.extra)


def write_body(
    body: Mapping[str, object], operation: Operation, *, check: bool, plain: bool = False
) -> Draft:
    """Encode the body of a create. `plain`: it holds only values that JSON leaves unchanged.

    Raises ConfigError if JSON cannot hold it, InvalidRequest for what `check` finds.
    """
    try:
        # ASCII escapes carry what `check=False` lets through and UTF-8 could not: lone surrogates.
        content = json.dumps(body, allow_nan=False, separators=(",", ":")).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"the request cannot be written as JSON: {error}") from error
    if check:
        # What JSON made of it is what the service will see: tuples are arrays, keys are text.
        violations = validate(body if plain else json.loads(content), operation)
        if violations:
            raise InvalidRequest(violations)
    external_id = body.get("external_task_id")
    return Draft(content, external_id if isinstance(external_id, str) and external_id else None)
