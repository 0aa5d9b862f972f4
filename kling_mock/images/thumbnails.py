"""Thumbnails of inline pictures for the result pictures. Made at creation, because the bytes are not kept."""

from __future__ import annotations

import io
from typing import Final

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from kling_contracts.image_files import PictureHeader

# Six thumbnails and the other colours of a result fit in one palette of 256.
COLOURS: Final = 30
SIDE: Final = 480
# A file of a few bytes may declare billions of pixels; no thumbnail is made of such a picture.
PIXELS_MAXIMUM: Final = 60_000_000
_START_OF_SCAN: Final = b"\xda"
# Comments and application segments, but for JFIF's and Adobe's, which define how colours are stored.
_JPEG_METADATA: Final = frozenset(bytes([marker]) for marker in (*range(0xE1, 0xEE), 0xEF, 0xFE))


def make_thumbnail(data: bytes, header: PictureHeader) -> bytes | None:
    """A PNG of at most 480 pixels a side and 30 colours; None for a picture that cannot be decoded.

    It never warns, since a warning may be an error in a test: Pillow's decoders are called directly, not by
    `Image.open`, which warns of large pictures, and get no metadata. A file may hold two headers, so the size
    that Pillow reads is checked, too.
    """
    if header.width * header.height > PIXELS_MAXIMUM:
        return None
    decoder, bare = (PngImageFile, _bare_png) if header.format == "png" else (JpegImageFile, _bare_jpeg)
    try:
        with decoder(io.BytesIO(bare(data))) as picture:
            if picture.width * picture.height > PIXELS_MAXIMUM:
                return None
            picture.draft("RGB", (SIDE, SIDE))  # JPEG decoders can skip details beyond that size
            small = picture.convert("RGB")
    except (OSError, SyntaxError, ValueError):  # Pillow raises all three for damaged files
        return None
    small.thumbnail((SIDE, SIDE))
    written = io.BytesIO()
    small.quantize(COLOURS, method=Image.Quantize.MEDIANCUT).save(written, "PNG")
    return written.getvalue()


def _bare_png(data: bytes) -> bytes:
    """A PNG without ancillary chunks: text, colour profiles, animation, transparency."""
    parts, at = [data[:8]], 8
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4])
        if data[at + 4 : at + 5].isupper():
            parts.append(data[at:end])
        at = end
    return b"".join(parts)


def _bare_jpeg(data: bytes) -> bytes:
    """A JPEG without metadata before its first scan. Raises ValueError if its segments cannot be followed."""
    parts, at = [data[:2]], 2
    while data[at : at + 1] == b"\xff":
        marker = data[at + 1 : at + 2]
        if marker == _START_OF_SCAN:
            return b"".join((*parts, data[at:]))
        end = at + 1 if marker == b"\xff" else at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if marker not in _JPEG_METADATA:
            parts.append(data[at:end])
        at = end
    raise ValueError(f"a JPEG segment must begin with ff; got {data[at : at + 1].hex() or 'the end'} at {at}")


def open_thumbnail(data: bytes) -> tuple[Image.Image, list[tuple[int, int, int]]]:
    """A thumbnail as an image of palette indices, and its palette."""
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        parts = picture.getpalette() or []
        colours = list(zip(parts[0::3], parts[1::3], parts[2::3], strict=True))
        return Image.frombytes("L", picture.size, picture.tobytes()), colours
