"""PNG and JPEG files without an image library: read a header, create a small file of any dimensions.

`read_header` reads a few bytes and decodes no pixels. `png` and `jpeg` create small files that every decoder
opens, for strategies, examples and tests.
"""

from __future__ import annotations

import base64
import re
import zlib
from typing import Final, NamedTuple

_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_JPEG_SIGNATURE: Final = b"\xff\xd8\xff"
# Start-of-frame markers contain the size; C4, C8 and CC in the same range do not.
_JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE: Final = frozenset(range(0xD0, 0xD9)) | {0x01}


# Files have some dozen segments. Millions of empty ones would take seconds to skip.
_JPEG_STEPS: Final = 10_000
_NO_FILL: Final = re.compile(rb"[^\xff]")
_FIRST_MARKER, _SCAN, _END = 0xC0, 0xDA, 0xD9
_MARKER: Final = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
# In the pixels FF is followed by 00 or a restart; a marker ends them.
_AFTER_SCAN: Final = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]", re.DOTALL)
_RESTART: Final = re.compile(rb"\xff([\xd0-\xd7])")


class PictureHeader(NamedTuple):
    """Format (`png` or `jpeg`) and size in pixels."""

    format: str
    width: int
    height: int


def read_header(data: bytes) -> PictureHeader | None:
    """Format and size of a PNG or JPEG; None for other formats, or if the header is incomplete."""
    if data.startswith(_PNG_SIGNATURE):
        return _read_png(data)
    if data.startswith(_JPEG_SIGNATURE):
        return _read_jpeg(data)
    return None


def damage_of(data: bytes) -> str:
    """The first damage of a PNG or JPEG; empty for a whole file, and for other data.

    For a PNG: a wrong checksum, invalid pixels, no end. A JPEG has no checksums: a wrong length or marker, a
    restart out of order, no end.
    """
    if data.startswith(_PNG_SIGNATURE):
        return _png_damage(data)
    return _jpeg_damage(data) if data.startswith(_JPEG_SIGNATURE) else ""


def _png_damage(data: bytes) -> str:
    position, pixels = len(_PNG_SIGNATURE), zlib.decompressobj()
    try:
        while position + 12 <= len(data):
            end = position + 12 + int.from_bytes(data[position : position + 4])
            kind, content = data[position + 4 : position + 8], data[position + 8 : end - 4]
            if zlib.crc32(kind + content) != int.from_bytes(data[end - 4 : end]):
                return f"wrong checksum of the chunk at byte {position}"
            if kind == b"IDAT":
                pixels.decompress(content, _MOST_PIXELS)
            if kind == b"IEND":
                return ""
            position = end
    except zlib.error as error:
        return f"invalid pixels: {error}"
    return "no end"


def _jpeg_damage(data: bytes) -> str:
    position = 2
    for _ in range(_JPEG_STEPS):
        found = _MARKER.match(data, position)
        if found is None:
            return f"no marker at byte {position}" if position < len(data) else "no end"
        marker, position = found[1][0], found.end()
        if marker == _END:
            return ""
        if marker < _FIRST_MARKER and marker not in _JPEG_BARE:
            return f"invalid marker at byte {found.start()}"
        if marker not in _JPEG_BARE:
            position += max(int.from_bytes(data[position : position + 2]), 2)
        if marker == _SCAN:
            end = _AFTER_SCAN.search(data, position)
            if end is None:
                return "no end"
            restarts = [each[1][0] & 7 for each in _RESTART.finditer(data, position, end.start())]
            if any(number != at % 8 for at, number in enumerate(restarts)):
                return f"a restart out of order in the pixels after byte {position}"
            position = end.start()
    return "too many segments"


def _read_png(data: bytes) -> PictureHeader | None:
    if data[12:16] != b"IHDR" or len(data) < 24:
        return None
    return PictureHeader("png", int.from_bytes(data[16:20]), int.from_bytes(data[20:24]))


def _read_jpeg(data: bytes) -> PictureHeader | None:
    position = 2
    for _ in range(_JPEG_STEPS):
        if position + 4 > len(data) or data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker == 0xFF:  # fill bytes before a marker
            found = _NO_FILL.search(data, position)
            if found is None:
                return None
            position = found.start() - 1
        elif marker in _JPEG_BARE:
            position += 2
        elif marker in _JPEG_FRAMES:
            height = int.from_bytes(data[position + 5 : position + 7])
            width = int.from_bytes(data[position + 7 : position + 9])
            return PictureHeader("jpeg", width, height) if len(data) >= position + 9 else None
        else:
            length = int.from_bytes(data[position + 2 : position + 4])
            if length < 2:  # invalid, as it includes its own two bytes; without the check the loop is slow
                return None
            position += 2 + length
    return None


# Bytes of pixels that are decompressed of one chunk: enough to find damage, and a limit for any file.
_MOST_PIXELS: Final = 64 * 1024 * 1024

# The Huffman table of both kinds of coefficients: one code of one bit, which means "zero".
_NO_COEFFICIENT: Final = bytes([1, *[0] * 15, 0])


def png(width: int, height: int, size: int = 0) -> bytes:
    """A white PNG of `width` x `height` pixels; `size`, if not 0, pads it to exactly that number of bytes.

    Raises ValueError if `size` is less than that of the unpadded file plus the 12 bytes of a padding chunk.
    """
    row = b"\0" + b"\xff" * -(-width // 8)
    head = b"\x89PNG\r\n\x1a\n" + _chunk(
        b"IHDR", width.to_bytes(4) + height.to_bytes(4) + bytes([1, 0, 0, 0, 0])
    )
    tail = _chunk(b"IDAT", zlib.compress(row * height, 9)) + _chunk(b"IEND", b"")
    if not size:
        return head + tail
    spare = size - len(head) - len(tail) - len(_chunk(b"paDd", b""))
    if spare < 0:
        raise ValueError(f"size: at least {size - spare} bytes for a PNG of {width} x {height}; got {size}")
    # The lower-case letters mark an ancillary chunk, which decoders skip.
    return head + _chunk(b"paDd", bytes(spare)) + tail


def jpeg(width: int, height: int) -> bytes:
    """A grey JPEG of `width` x `height` pixels."""
    blocks = -(-width // 8) * -(-height // 8)
    # A block is two zero bits, "no difference" and "end of block"; ones fill the last byte.
    spare = -2 * blocks % 8
    scan = bytearray(-(-2 * blocks // 8))
    scan[-1] |= (1 << spare) - 1
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xDB, b"\0" + b"\1" * 64),
            _segment(0xC0, b"\x08" + height.to_bytes(2) + width.to_bytes(2) + b"\1\1\x11\0"),
            _segment(0xC4, b"\x00" + _NO_COEFFICIENT),
            _segment(0xC4, b"\x10" + _NO_COEFFICIENT),
            _segment(0xDA, b"\1\1\0\0\x3f\0"),
            bytes(scan),
            b"\xff\xd9",
        )
    )


def encoded(data: bytes) -> str:
    """Bytes as base64 for a request: padded, without line breaks."""
    return base64.b64encode(data).decode()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)


def _segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(data) + 2).to_bytes(2) + data
