"""Field kinds of pictures: one picture, and a list of objects that contain one picture each."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Self, cast

from kling_contracts.fields import JSON, Array, Field
from kling_contracts.image_files import read_header
from kling_contracts.rules import (
    FILE_TOO_LARGE,
    NOT_BASE64,
    WRONG_TYPE,
    WRONG_VALUE,
    Effect,
    InputPicture,
    Rule,
    ValidationResult,
    Wording,
    is_text,
    shorten,
    typed,
)
from kling_contracts.vocabulary import (
    ASSUMED,
    INPUT_BYTES_MAXIMUM,
    INPUT_RATIO_MAXIMUM,
    INPUT_SIDE_MINIMUM,
    KLING_LIVE,
    KLING_PAGE,
    MEGABYTE,
    PIXELS_INVALID,
    SHAPE_INVALID,
    Fact,
    Source,
)
from kling_contracts.web_urls import LOOKS_WEB, URL_PATTERN, is_web_url

_GROUPS: Final = r"^(?:[A-Za-z0-9+/]{4})*"
_PADDED: Final = r"[A-Za-z0-9+/]{2}=="
# `(?!\n)$` since Python's `$`, unlike ECMA's, also matches before a final newline.
BASE64_PATTERN: Final = rf"{_GROUPS}(?:{_PADDED}|[A-Za-z0-9+/]{{3}}=|[A-Za-z0-9+/]{{4}})(?!\n)$"


def decode_base64(text: str) -> bytes | None:
    """Decode strict RFC 4648 base64 (padding required, no white space); None if invalid."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:  # binascii.Error, or a character outside ASCII
        return None
    # Some Python versions accept superfluous padding: "AAAA=", "AAAA====".
    return data if len(text) == -(-len(data) // 3) * 4 else None


_PREFIX: Final = re.compile(r"data:[^,]{0,200},", re.IGNORECASE)
_PATH_LENGTH: Final = 256
_TO_STANDARD: Final = str.maketrans("-_", "+/")


def _mistake(text: str) -> str:
    """The usual mistake by which a picture is not strict base64, for messages; empty for another one."""
    if prefix := _PREFIX.match(text):
        return f"; leave out the prefix '{shorten(prefix[0])}'"
    if len(text) < _PATH_LENGTH:  # rather the name of a file
        return ""
    joined = "".join(text.split())
    if joined != text and decode_base64(joined) is not None:
        return "; leave out spaces and line breaks"
    unpadded = joined.rstrip("=").translate(_TO_STANDARD)
    if decode_base64(unpadded + "=" * (-len(unpadded) % 4)) is not None:
        return "; it is base64url or has wrong padding: use base64.b64encode or its like"
    return ""


def _base64_schemas(maximum: int) -> list[JSON]:
    """JSON Schemas (alternatives) of base64 that decodes to at most `maximum` bytes."""
    groups, rest = divmod(maximum, 3)
    schemas: list[JSON] = [
        {"contentEncoding": "base64", "pattern": BASE64_PATTERN, "maxLength": groups * 4},
    ]
    if rest:
        last = _PADDED if rest == 1 else rf"(?:{_PADDED}|[A-Za-z0-9+/]{{3}}=)"
        pattern = rf"{_GROUPS}{last}(?!\n)$"
        schemas.append({"contentEncoding": "base64", "pattern": pattern, "maxLength": (groups + 1) * 4})
    return schemas


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Picture(Field):
    """A picture: an http(s) URL, or raw base64 without a `data:` prefix. PNG or JPEG.

    Text that is neither is refused. Bytes of another format, and a picture that is too small or too oblong,
    are accepted and make the task fail, as captured from the live service. The normalised value is the URL,
    or None for inline bytes; `reading.pictures` contains every picture.
    """

    @cached_property
    def not_base64(self) -> Rule:
        return self._rule("base64", "is a URL or raw base64", NOT_BASE64, KLING_LIVE)

    @cached_property
    def not_url(self) -> Rule:
        return self._rule(
            "url", "is an absolute http(s) URL if it begins with http(s)://", WRONG_VALUE, ASSUMED
        )

    @cached_property
    def too_large(self) -> Rule:
        limit = f"{INPUT_BYTES_MAXIMUM.value // MEGABYTE} MB"
        source = INPUT_BYTES_MAXIMUM.source
        return self._rule("max_bytes", f"has at most {limit}", FILE_TOO_LARGE, source, limit)

    @cached_property
    def no_picture(self) -> Rule:
        return self._failing("format", "is a PNG or JPEG", PIXELS_INVALID, KLING_PAGE)

    @cached_property
    def too_small(self) -> Rule:
        sentence = f"is at least {INPUT_SIDE_MINIMUM.value} px on each side"
        return self._failing("min_side", sentence, PIXELS_INVALID, INPUT_SIDE_MINIMUM.source)

    @cached_property
    def too_oblong(self) -> Rule:
        limit = INPUT_RATIO_MAXIMUM.value
        sentence = f"has an aspect ratio between 1:{limit} and {limit}:1"
        return self._failing("shape", sentence, SHAPE_INVALID, INPUT_RATIO_MAXIMUM.source)

    @property
    def rules(self) -> tuple[Rule, ...]:
        inline = (self.not_base64, self.too_large, self.no_picture, self.too_small, self.too_oblong)
        return (*super().rules, self.not_url, *inline)

    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        if not isinstance(value, str):
            return self._wrong_type(value, path, reading)
        if LOOKS_WEB.match(value):
            if not (is_text(value) and is_web_url(value)):
                return reading.violate(self.not_url, path, value)
            reading.pictures.append(InputPicture(path, value, None, None))
            return value
        return self._read_inline(value, path, reading)

    def _read_inline(self, value: str, path: str, reading: ValidationResult) -> None:
        # The text's length gives the size, so that a picture of 90 MB is refused without decoding it.
        size = len(value) // 4 * 3 - value[-2:].count("=")
        if size > INPUT_BYTES_MAXIMUM.value:
            return reading.violate(self.too_large, path, value, f"got {size:,} bytes")
        data = (reading.decode_base64 or decode_base64)(value)
        if data is None:
            return reading.violate(
                self.not_base64,
                path,
                value,
                f"got '{shorten(value)}' (length {len(value)}){_mistake(value)}",
            )
        picture = InputPicture(path, None, data, read_header(data))
        reading.pictures.append(picture)
        return self.judge(picture, value, reading)

    def judge(self, picture: InputPicture, value: object, reading: ValidationResult) -> None:
        """Report the first violation of a picture whose bytes are known; `value` is its text in the body."""
        header, path = picture.header, picture.field
        if header is None:
            size = len(picture.data or b"")
            return reading.violate(self.no_picture, path, value, f"got {size} bytes of another format")
        short, long = sorted((header.width, header.height))
        if short < INPUT_SIDE_MINIMUM.value or long > short * INPUT_RATIO_MAXIMUM.value:
            rule = self.too_small if short < INPUT_SIDE_MINIMUM.value else self.too_oblong
            return reading.violate(rule, path, value, f"it is {header.width} x {header.height}")
        return None

    def schema(self) -> JSON:
        return {
            "type": "string",
            "anyOf": [{"format": "uri", "pattern": URL_PATTERN}, *_base64_schemas(INPUT_BYTES_MAXIMUM.value)],
        }

    def _failing(self, name: str, predicate: str, text: Fact[str], source: Source) -> Rule:
        """A rule whose violation is accepted and makes the task fail with `text`."""
        rule = self._rule(name, predicate, Wording(text.value, text.source), source)
        return rule._replace(effect=Effect.FAILS)


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class PictureList(Array):
    """A list of objects that contain one picture each: `[{"subject_image": ...}, ...]`.

    An empty list counts as missing. Rule ids of the picture begin with its own name: `subject_image.base64`.
    """

    item: Picture

    unit = "images"

    @cached_property
    def no_object(self) -> Rule:
        predicate = f"is a list of objects with the key {self.item.name}"
        rule = self._rule("item_type", predicate, WRONG_TYPE, self.source, "object")
        return rule._replace(requirement=f"must be an object with the key {self.item.name}")

    @property
    def rules(self) -> tuple[Rule, ...]:
        # An empty list breaks `missing`, so no value can break a minimum of 1.
        counts = (self.too_few, self.too_many) if self.minimum.value > 1 else (self.too_many,)
        return (*super().rules, *counts, self.no_object, *self.item.rules)

    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        if not isinstance(value, list):
            return self._wrong_type(value, path, reading)
        items = cast("list[object]", value)
        if not items:
            return reading.violate(self.missing, path, items, "it is empty")
        self._check_count(items, path, reading)
        # Items beyond the maximum are not read: a body may have a million of them.
        if self.too_many.id in reading.lifted:
            paths = self._paths_of(path, len(items))
        else:
            paths = self.paths if path == self.name else self._paths_of(path, self.maximum.value)
        return [
            self._read_item(item, item_path, picture_path, reading)
            for item, (item_path, picture_path) in zip(items, paths, strict=False)
        ]

    @cached_property
    def paths(self) -> tuple[tuple[str, str], ...]:
        """Paths of each item and of its picture, for the list at the top level of the body; cached."""
        return self._paths_of(self.name, self.maximum.value)

    def _paths_of(self, path: str, count: int) -> tuple[tuple[str, str], ...]:
        elements = (f"{path}[{index}]" for index in range(count))
        return tuple((element, f"{element}.{self.item.name}") for element in elements)

    def within(self, prefix: str) -> Self:
        return replace(self, prefix=prefix, item=self.item.within(f"{prefix}{self.name}."))

    def _read_item(self, item: object, path: str, picture_path: str, reading: ValidationResult) -> object:
        if not isinstance(item, dict):
            return reading.violate(self.no_object, path, item, f"got {typed(item)}")
        given = cast("dict[str, object]", item)
        if len(given) > 1:
            reading.ignore_unknown(given, (self.item.name,), path)
        picture = given.get(self.item.name)
        if not picture and reading.absent(picture):
            return self.item.violate_missing(picture_path, picture, reading, given=self.item.name in given)
        url = self.item.read(picture, picture_path, reading)
        return {} if url is None else {self.item.name: url}

    def schema(self) -> JSON:
        properties = {self.item.name: {"description": self.item.doc, **self.item.schema()}}
        return self._schema_of({"type": "object", "required": [self.item.name], "properties": properties})
