"""Pictures made from nothing, for requests that need one: real PNGs and JPEGs of any size, in few bytes.

Every decoder opens them. They need no picture library, so that the strategies and the document do not either.
"""

from __future__ import annotations

import base64
import zlib
from typing import Final

# One table for both kinds of coefficient: a single code, one bit long, that says "nothing here".
_NO_COEFFICIENT: Final = bytes([1, *[0] * 15, 0])


def png(width: int, height: int, size: int = 0) -> bytes:
    """A white PNG of so many pixels, one bit each; `size` pads it to exactly so many bytes.

    Raises ValueError where the padding, which takes 12 bytes or more, cannot give that size.
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
        raise ValueError(f"a {width}x{height} PNG cannot have {size} bytes")
    # Lower-case first and last letters: an ancillary chunk that readers skip and editors may copy.
    return head + _chunk(b"paDd", bytes(spare)) + tail


def jpeg(width: int, height: int) -> bytes:
    """A grey JPEG of so many pixels."""
    blocks = -(-width // 8) * -(-height // 8)
    # Two zero bits a block, "no difference" and "end of block"; what is left of the last byte is ones.
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
    """Bytes the way a request carries them: strict base64, padded, on one line."""
    return base64.b64encode(data).decode()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)


def _segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(data) + 2).to_bytes(2) + data
