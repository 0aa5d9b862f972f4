"""What a result picture says of itself, in its PNG text: enough to prove that the right one arrived."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from kling_mock.images.urls import PictureInfo
from kling_mock.records import PictureRecord

KEYWORD: Final = "kling-mock"
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


def metadata_text(result: PictureInfo) -> str:
    """A result as the text that its picture carries."""
    pictures = [
        {"field": each.field, "url": each.url, "size": each.size, "sha256": each.sha256}
        for each in result.pictures
    ]
    facts = asdict(result) | {"pictures": pictures}
    return json.dumps(facts, ensure_ascii=False)


def read_picture(data: bytes) -> PictureInfo:
    """What a result picture shows: task id, index, prompt, and each input with its SHA-256.

    Takes the bytes of a PNG as it was downloaded. Raises ValueError if it is no picture of this fake, or
    was changed on the way.
    """
    chunks = tuple(_chunks(data))  # to the end: half a picture is changed, too
    for kind, content in chunks:
        if kind == b"iTXt" and content.startswith(KEYWORD.encode() + b"\0"):
            # Keyword, NUL, two bytes of compression, language and translated keyword, each ended by NUL.
            text = content.split(b"\0", 1)[1][2:].split(b"\0", 2)[2]
            return _sheet(json.loads(text))
    raise ValueError(
        "this PNG carries no testimony of kling-mock: it was made or rewritten by something else"
    )


def _sheet(facts: dict[str, Any]) -> PictureInfo:
    facts["pictures"] = tuple(
        PictureRecord(
            each["field"], each["url"], each["size"], each["sha256"] if each["url"] is None else None
        )
        for each in facts["pictures"]
    )
    return PictureInfo(**facts)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not data.startswith(_SIGNATURE):
        raise ValueError(f"this is no PNG: it begins with {data[:8]!r}")
    at = len(_SIGNATURE)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4])
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if zlib.crc32(kind + content) != int.from_bytes(data[at + 8 + length : at + 12 + length]):
            raise ValueError("this PNG is damaged: a checksum is wrong")
        yield kind, content
        at += 12 + length
    if at != len(data):
        raise ValueError("this PNG is cut short")
