"""Thumbnails of inline pictures for the result pictures. Made at creation, because the bytes are not kept."""

from __future__ import annotations

import io
from typing import Final

from PIL import Image

from kling_contracts.image_files import PictureHeader

# Six thumbnails and the other colours of a result fit in one palette of 256.
COLOURS: Final = 30
SIDE: Final = 480
# A file of a few bytes may declare billions of pixels; no thumbnail is made of such a picture.
PIXELS_MAXIMUM: Final = 60_000_000


def make_thumbnail(data: bytes, header: PictureHeader) -> bytes | None:
    """A PNG of at most 480 pixels a side and 30 colours; None if the picture cannot be decoded."""
    if header.width * header.height > PIXELS_MAXIMUM:
        return None
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
            picture.draft("RGB", (SIDE, SIDE))  # lets the JPEG decoder decode at a smaller size
            small = picture.convert("RGB")
    except (OSError, SyntaxError, ValueError):  # Pillow raises all three for damaged files
        return None
    small.thumbnail((SIDE, SIDE))
    written = io.BytesIO()
    small.quantize(COLOURS, method=Image.Quantize.MEDIANCUT).save(written, "PNG")
    return written.getvalue()


def open_thumbnail(data: bytes) -> tuple[Image.Image, list[tuple[int, int, int]]]:
    """A thumbnail as an image of palette indices, and its palette."""
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        parts = picture.getpalette() or []
        colours = list(zip(parts[0::3], parts[1::3], parts[2::3], strict=True))
        return Image.frombytes("L", picture.size, picture.tobytes()), colours
