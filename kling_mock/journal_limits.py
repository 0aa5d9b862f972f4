"""Limits of a journal entry: its size is bounded whatever a client sends."""

from __future__ import annotations

from typing import Final, cast

from msgspec.structs import replace

from kling_contracts.rules import shorten
from kling_mock.task_request import PictureRecord, TaskRequest, size_bound

# The journal keeps a request of at most this size in bytes; of a larger one it truncates texts and lists.
REQUEST_KEPT: Final = 262_144
TEXT_KEPT: Final = 4_096
PICTURES_KEPT: Final = 100


def kept_request(request: TaskRequest | None, body: bytes) -> tuple[TaskRequest | None, int]:
    """The request for the journal, the same object unless it is too large, and its size in bytes.

    `body` is the body from which the request was read; empty if it was not kept.
    The texts of a large request are truncated to 4096 characters, objects and lists described in a few words,
    and the pictures after the hundredth are left out.
    """
    if request is None:
        return None, 0
    size = size_bound(request, body)
    if size <= REQUEST_KEPT:
        return request, size
    items = tuple(_kept(item) for item in request.items)
    pictures = tuple(_kept_picture(each) for each in request.pictures[:PICTURES_KEPT])
    kept = TaskRequest(request.names, items, pictures, request.watermark)
    return kept, kept.size


def _kept(item: object) -> object:
    if isinstance(item, str):
        return _kept_text(item)
    return shorten(cast("object", item)) if isinstance(item, dict | list) else item


def _kept_picture(picture: PictureRecord) -> PictureRecord:
    if picture.url is None or len(picture.url) <= TEXT_KEPT:
        return picture
    return replace(picture, url=_kept_text(picture.url), digest=picture.sha256)


def _kept_text(text: str) -> str:
    return text if len(text) <= TEXT_KEPT else f"{text[:TEXT_KEPT]}... ({len(text)} characters)"
