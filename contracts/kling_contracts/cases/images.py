"""Small valid images as base64, and images of an exact size in bytes."""

from __future__ import annotations

from functools import cache
from typing import Final

from kling_contracts.image_files import encoded, jpeg, png
from kling_contracts.vocabulary import INPUT_RATIO_MAXIMUM, INPUT_SIDE_MINIMUM

# The minimum side, and the maximum other side for it.
SIDE: Final = INPUT_SIDE_MINIMUM.value
LONG: Final = int(SIDE * INPUT_RATIO_MAXIMUM.value)
WEB_PICTURE: Final = "https://example.com/subject.png"


@cache
def picture(width: int = SIDE, height: int = SIDE) -> str:
    """A small valid PNG as base64, which unlike a URL depends on no host."""
    return encoded(png(width, height))


@cache
def photograph(width: int = SIDE, height: int = SIDE) -> str:
    """A small valid JPEG as base64."""
    return encoded(jpeg(width, height))


@cache
def bulky(size: int) -> str:
    return encoded(png(SIDE, SIDE, size))


def distinct(count: int) -> list[str]:
    """`count` pictures, all different: a server might count equal ones once."""
    return [(picture if at % 2 == 0 else photograph)(SIDE + at // 2, SIDE) for at in range(count)]
