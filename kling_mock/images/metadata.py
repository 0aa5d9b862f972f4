"""The metadata of a result picture, in its PNG text. A test uses it to check which picture it received."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from typing import Any, Final

from msgspec.structs import asdict

from kling_mock.images.urls import PictureInfo
from kling_mock.task_request import PictureRecord

KEYWORD: Final = "kling-mock"
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


def metadata_text(result: PictureInfo) -> str:
    """The metadata of a result as JSON."""
    pictures = [
        {"field": each.field, "url": each.url, "size": each.size, "sha256": each.sha256}
        for each in result.pictures
    ]
    facts = asdict(result) | {"pictures": pictures}
    return json.dumps(facts, ensure_ascii=False)


def read_picture(data: bytes) -> PictureInfo:
    """The metadata of a result picture: task id, index, prompt, and each input picture with its SHA-256.

    `data` is the downloaded PNG. Raises ValueError if it was not drawn by kling-mock, is damaged or
    truncated, and TypeError for a path or text.
    """
    if not isinstance(data, bytes | bytearray):  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass anything
        raise TypeError(f"read_picture: must be the bytes of a PNG, not {type(data).__name__}")
    chunks = tuple(_chunks(data))  # all of them, to detect truncation
    for kind, content in chunks:
        if kind == b"iTXt" and content.startswith(KEYWORD.encode() + b"\0"):
            # Keyword, NUL, two bytes for compression, then language and translated keyword, each with a NUL.
            text = content.split(b"\0", 1)[1][2:].split(b"\0", 2)[2]
            return _picture_info(json.loads(text))
    raise ValueError("the PNG has no kling-mock metadata: another program made or re-encoded it")


def _picture_info(facts: dict[str, Any]) -> PictureInfo:
    facts["pictures"] = tuple(
        PictureRecord(
            each["field"], each["url"], each["size"], each["sha256"] if each["url"] is None else None
        )
        for each in facts["pictures"]
    )
    return PictureInfo(**facts)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not data.startswith(_SIGNATURE):
        raise ValueError(f"not a PNG: it begins with {data[:8]!r}")
    at = len(_SIGNATURE)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4])
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if zlib.crc32(kind + content) != int.from_bytes(data[at + 8 + length : at + 12 + length]):
            raise ValueError("the PNG is damaged: a checksum is wrong")
        yield kind, content
        at += 12 + length
    if at != len(data):
        raise ValueError("the PNG is truncated")
