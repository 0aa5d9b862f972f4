"""What a few header bytes tell about a picture: PNG or JPEG, width and height. Nothing is decoded."""

from __future__ import annotations

from typing import Final, NamedTuple

_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_JPEG_SIGNATURE: Final = b"\xff\xd8\xff"
# Start-of-frame markers carry the size; C4, C8 and CC lie in the same range but are tables.
_JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE: Final = frozenset(range(0xD0, 0xD9)) | {0x01}


class PictureHeader(NamedTuple):
    """Format (`png` or `jpeg`) and size in pixels."""

    format: str
    width: int
    height: int


def read_header(data: bytes) -> PictureHeader | None:
    """The header of a PNG or JPEG, or None when the bytes are neither (or end before their size)."""
    if data.startswith(_PNG_SIGNATURE):
        return _read_png(data)
    if data.startswith(_JPEG_SIGNATURE):
        return _read_jpeg(data)
    return None


def _read_png(data: bytes) -> PictureHeader | None:
    if data[12:16] != b"IHDR" or len(data) < 24:
        return None
    return PictureHeader("png", int.from_bytes(data[16:20]), int.from_bytes(data[20:24]))


def _read_jpeg(data: bytes) -> PictureHeader | None:
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte before a marker
            position += 1
        elif marker in _JPEG_BARE:
            position += 2
        elif marker in _JPEG_FRAMES:
            height = int.from_bytes(data[position + 5 : position + 7])
            width = int.from_bytes(data[position + 7 : position + 9])
            return PictureHeader("jpeg", width, height) if len(data) >= position + 9 else None
        else:
            length = int.from_bytes(data[position + 2 : position + 4])
            if length < 2:  # it counts itself: such bytes are no JPEG, and would keep us stepping for long
                return None
            position += 2 + length
    return None
