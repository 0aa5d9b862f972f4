"""The body of a create: only the arguments given, validated against the contract before they are sent."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from kling_client.errors import ConfigError, InvalidRequest
from kling_client.images import Image, ImageLike, file_of, to_wire
from kling_contracts.composite_fields import AnyField, ListOf, Nested
from kling_contracts.image_fields import Picture, PictureList
from kling_contracts.operations import Operation, validate
from kling_contracts.suggestions import did_you_mean

SUBJECTS: Final = "subject_image_list"
SUBJECT: Final = "subject_image"
STYLE: Final = "style_image"
# The name or an alias of the scene image in every operation that has one.
_SCENE: Final = "scene_image"


def picture_keys(operation: Operation) -> frozenset[str]:
    """The keys in a body of the operation whose values are images."""
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
                # The items of a list of plain images have the key of the list.
                yield from field.names if isinstance(field.item, Picture) else ()
            case _:
                pass


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRequest:
    """The arguments of `generate`. None: not given, not sent; the server's default applies."""

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

    def body(self, operation: Operation) -> dict[str, object]:
        """The body for an operation, with images as given and without `extra`. Raises ConfigError."""
        if not any(field.name == SUBJECTS for field in operation.fields):
            names = ", ".join(field.name for field in operation.fields)
            raise ConfigError(
                f"generate requires an operation with subject images; for {operation.title} use create "
                f"with its fields: {names}"
            )
        one = isinstance(self.images, str | bytes | os.PathLike | Image)
        if one or not isinstance(self.images, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass None
            raise ConfigError(f"images: must be a list of images, not {type(self.images).__name__}")
        given = {
            SUBJECTS: [{SUBJECT: image} for image in self.images],
            "model_name": self.model,
            "prompt": self.prompt,
            _scene(operation): self.scene,
            STYLE: self.style,
            "n": self.n,
            "aspect_ratio": self.aspect_ratio,
            "callback_url": self.callback_url,
            "external_task_id": self.external_task_id,
        }
        return {name: value for name, value in given.items() if value is not None}


def _scene(operation: Operation) -> str:
    return next((field.name for field in operation.fields if _SCENE in field.names), _SCENE)


def _with_pictures(fields: Iterable[AnyField], body: Mapping[str, object]) -> dict[str, object]:
    """A copy of a JSON object with encoded images in the fields that are images."""
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
    """A create that is ready to send: its JSON, and the caller's external id for errors."""

    content: bytes
    external_task_id: str | None


def write(request: CreateRequest, operation: Operation, *, check: bool) -> Draft:
    """Encode the arguments of `generate` for an operation. A field in `extra` replaces an argument.

    Raises ConfigError if an argument or the JSON is invalid, OSError for an unreadable file, and with
    `check` InvalidRequest.
    """
    given = request.body(operation)
    subjects = cast("Sequence[Mapping[str, ImageLike]]", given[SUBJECTS])
    body: dict[str, object] = {**given, SUBJECTS: [{SUBJECT: to_wire(each[SUBJECT])} for each in subjects]}
    for name in (_scene(operation), STYLE):
        if name in given:
            body[name] = to_wire(cast("ImageLike", given[name]))
    extra = dict(request.extra or {})
    # Without `extra` the body has no values that JSON changes, so it is validated without a round trip.
    return _draft(body | extra, operation, given | extra, check=check, plain=not extra)


def write_fields(
    operation: Operation, body: Mapping[str, object] | None, fields: Mapping[str, object], *, check: bool
) -> Draft:
    """Encode the arguments of `create`. Raises ConfigError for an unknown keyword, else as `write`."""
    for name in fields:
        if name not in operation.keys:
            known = sorted(operation.keys)
            raise ConfigError(f"{operation.title}: unknown field {name!r}; {did_you_mean(name, known)}")
    given = {**(body or {}), **{name: value for name, value in fields.items() if value is not None}}
    return _draft(_with_pictures(operation.fields, given), operation, given, check=check, plain=False)


def _draft(
    body: Mapping[str, object],
    operation: Operation,
    given: Mapping[str, object],
    *,
    check: bool,
    plain: bool,
) -> Draft:
    try:
        # ASCII escapes can represent lone surrogates, which `check=False` permits and UTF-8 does not.
        content = json.dumps(body, allow_nan=False, separators=(",", ":")).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"the request cannot be encoded as JSON: {error}") from error
    if check:
        # The service receives the values after JSON: tuples become arrays, keys become strings.
        violations = validate(body if plain else json.loads(content), operation)
        if violations:
            raise InvalidRequest(violations, labels=_file_labels(given, [each.field for each in violations]))
    external_id = body.get("external_task_id")
    return Draft(content, external_id if isinstance(external_id, str) and external_id else None)


def _file_labels(given: object, paths: Iterable[str]) -> dict[str, str]:
    """Labels such as `small.png (subject image 2)`, by path, for the images that were given as files."""
    files = {path: file_of(_value_at(given, path)) for path in paths}
    return {path: f"{file} ({_image_title(path)})" for path, file in files.items() if file}


def _value_at(value: object, path: str) -> object:
    """The value at a path like `list[1].key`; None if the path does not exist."""
    for key in re.findall(r"[^.\[\]]+", path):
        if isinstance(value, Mapping):
            value = cast("Mapping[str, object]", value).get(key)
        elif isinstance(value, list | tuple) and key.isdecimal():
            items = cast("Sequence[object]", value)
            value = items[int(key)] if int(key) < len(items) else None
        else:
            return None
    return value


def _image_title(path: str) -> str:
    """`subject_image_list[1].subject_image` as `subject image 2`; other paths unchanged."""
    found = re.fullmatch(rf"{SUBJECTS}\[(\d+)\]\.{SUBJECT}", path)
    return f"subject image {int(found[1]) + 1}" if found else path
