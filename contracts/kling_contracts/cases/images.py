"""Small valid images as a request gives them, and images exactly as large as wanted."""

from __future__ import annotations

from functools import cache
from typing import Final

from kling_contracts.image_files import encoded, jpeg, png
from kling_contracts.vocabulary import INPUT_RATIO_MAXIMUM, INPUT_SIDE_MINIMUM

# The shortest side that is allowed, and the longest one beside it.
SIDE: Final = INPUT_SIDE_MINIMUM.value
LONG: Final = int(SIDE * INPUT_RATIO_MAXIMUM.value)
WEB_PICTURE: Final = "https://example.com/subject.png"


@cache
def picture(width: int = SIDE, height: int = SIDE) -> str:
    """A small valid picture, inline: it needs no host that would have to be up."""
    return encoded(png(width, height))


@cache
def photograph(width: int = SIDE, height: int = SIDE) -> str:
    """The same as a JPEG."""
    return encoded(jpeg(width, height))


@cache
def bulky(size: int) -> str:
    return encoded(png(SIDE, SIDE, size))


def distinct(count: int) -> list[str]:
    """So many pictures, no two alike: whether equal ones count is a question of its own."""
    return [(picture if at % 2 == 0 else photograph)(SIDE + at // 2, SIDE) for at in range(count)]
