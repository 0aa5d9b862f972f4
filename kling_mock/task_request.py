"""The request of a task as it is kept: its fields, and its pictures without their bytes."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from operator import attrgetter
from sys import getsizeof
from typing import Any, Final, cast

from msgspec import Struct

from kling_contracts.redaction import hide_in_urls

# Estimated overhead in bytes of each header, value or picture that is kept.
PART_BYTES: Final = 180
# The largest memory in bytes of an empty text or a small number.
TEXT_BYTES: Final = 49
# Larger bodies have inline pictures, as a rule, which are not kept.
PLAIN_BODY: Final = 4_096
_FLAT: Final = frozenset({type(None), str, int, float, bool})
_ESCAPE: Final = ord("\\")
_thumbnail: Final = attrgetter("thumbnail")


class PictureRecord(Struct, frozen=True, gc=False, omit_defaults=True):
    """A picture of a request: its field, and its URL or the size and SHA-256 of its inline bytes.

    A picture that was fetched (setting `fetch_images`) has all three.

    Inline bytes are not kept, except for a thumbnail (a small PNG) if the setting `thumbnails` is on.
    """

    field: str
    url: str | None
    size: int = 0
    digest: str | None = None
    thumbnail: bytes | None = None

    @property
    def sha256(self) -> str:
        """The SHA-256 of the inline bytes or of the URL, in hexadecimal."""
        return self.digest or sha256((self.url or "").encode()).hexdigest()


class TaskRequest(Struct, frozen=True, gc=False, omit_defaults=True):
    """The fields and pictures of a create request, with defaults filled in.

    `names` are the fields of the operation except pictures; `items` are their values in the same order, None
    for a field that was not given and has no default. `watermark`: each result is delivered with a watermark
    as well.
    """

    names: tuple[str, ...]
    items: tuple[Any, ...]
    pictures: tuple[PictureRecord, ...]
    watermark: bool = False

    def __repr__(self) -> str:
        """Secrets of URLs are left out, since pytest shows the operands of a failed assertion."""
        shown = [f"{name}={value!r}" for name, value in self.values.items()]
        marked = ["watermark=True"] if self.watermark else []
        return hide_in_urls(f"TaskRequest({', '.join([*shown, f'pictures={self.pictures!r}', *marked])})")

    @property
    def size(self) -> int:
        """The approximate memory of the request in bytes."""
        size = PART_BYTES * (1 + len(self.pictures)) + sum(map(getsizeof, self.items))
        if not _FLAT.issuperset(map(type, self.items)):
            size += sum([_deep_size(item) - getsizeof(item) for item in self.items])
        for picture in self.pictures:
            size += getsizeof(picture.url)
            if picture.thumbnail is not None:
                size += len(picture.thumbnail)
        return size

    def get(self, name: str) -> Any:
        """The value of a field; None if it was not given or the operation does not have it."""
        try:
            return self.items[self.names.index(name)]
        except ValueError:
            return None

    @property
    def values(self) -> Mapping[str, object]:
        """The given fields and the defaults, by name."""
        return {name: item for name, item in zip(self.names, self.items, strict=True) if item is not None}

    @property
    def prompt(self) -> str:
        """The prompt; empty if none was given."""
        prompt: str | None = self.get("prompt")
        return prompt or ""

    @property
    def n(self) -> int:
        """The number of results; 1 if the operation has no such field."""
        number: int | None = self.get("n")
        return number or 1

    @property
    def aspect_ratio(self) -> str | None:
        value: str | None = self.get("aspect_ratio")
        return value

    @property
    def model_name(self) -> str | None:
        value: str | None = self.get("model_name")
        return value

    @property
    def callback_url(self) -> str | None:
        value: str | None = self.get("callback_url")
        return value

    @property
    def external_task_id(self) -> str | None:
        try:  # as `get`, without a call: every request needs it
            value: str | None = self.items[self.names.index("external_task_id")]
        except ValueError:
            return None
        return value

    @property
    def subjects(self) -> tuple[PictureRecord, ...]:
        """The subject pictures, in order."""
        return tuple(each for each in self.pictures if each.field.startswith("subject_image_list"))


def size_bound(request: TaskRequest, body: bytes) -> int:
    """`request.size`, or an upper bound of it by the length of the body from which the request was read.

    Of a body in ASCII without escapes, each character is at most one byte of a text. The bound takes a
    quarter of the time.
    """
    items, pictures = request.items, request.pictures
    if (
        not 0 < len(body) <= PLAIN_BODY
        or not body.isascii()
        or _ESCAPE in body
        or not _FLAT.issuperset(map(type, items))
        or any(map(_thumbnail, pictures))
    ):
        return request.size
    return len(body) + TEXT_BYTES * len(items) + PART_BYTES * (1 + len(pictures))


def _deep_size(value: object) -> int:
    """The memory of a decoded JSON value in bytes. Iterative, because its depth is the client's choice."""
    size, pending = 0, [value]
    while pending:
        value = pending.pop()
        size += getsizeof(value)
        if isinstance(value, list):
            pending += cast("list[object]", value)
        elif isinstance(value, dict):
            for pair in cast("dict[str, object]", value).items():
                pending += pair
    return size
