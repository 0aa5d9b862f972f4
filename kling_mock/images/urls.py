"""Result URLs, and the contents of result pictures as data. `draw` makes the PNG."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from msgspec import Struct

from kling_contracts.gateways import RESULT_HOST
from kling_contracts.vocabulary import DEFAULT_ASPECT_RATIO, RESULT_PIXELS
from kling_mock.records import TaskRecord
from kling_mock.rng import draw_bits
from kling_mock.task_request import PictureRecord

# The host of result pictures in captured replies of the service.
RESULT_ORIGIN: Final = f"https://{RESULT_HOST}"
_RATIO: Final = re.compile(r"([1-9]\d{0,3}):([1-9]\d{0,3})")
PIXELS: Final = 1_000_000
RESULT_FOLDER: Final = "/bs2/upload-kling-api/"
_PLACE: Final = re.compile(
    rf"{RESULT_FOLDER}\d{{10}}/(image|video|audio)/(\d{{1,20}})-(\d{{1,4}})_raw_\1_0(_watermark)?"
    r"\.(?:png|mp4|mp3)"
)


class Place(NamedTuple):
    """A result: the one that the path of a result URL identifies."""

    task_id: str
    number: int
    path: str
    watermark: bool = False


class PictureInfo(Struct, frozen=True, gc=False):
    """The contents of a result picture. Equal contents give equal bytes."""

    task_id: str
    index: int
    count: int
    width: int
    height: int
    aspect_ratio: str | None
    model_name: str | None
    prompt: str
    pictures: tuple[PictureRecord, ...]
    watermark: bool = False


def result_url(record: TaskRecord, index: int, seed: int, *, watermark: bool = False) -> str:
    return record.origin + result_path(record, index, seed, watermark=watermark)


def result_path(record: TaskRecord, index: int, seed: int, *, watermark: bool = False) -> str:
    folder, kind = record.result.folder, record.result
    name = f"{record.id}-{index}_raw_{folder}_0{'_watermark' if watermark else ''}.{kind.extension}"
    return f"{_account_folder(seed, record.account)}{folder}/{name}"


@lru_cache(maxsize=256)
def _account_folder(seed: int, account: str) -> str:
    """The path before the folders of an account; it has a number of ten digits."""
    return f"{RESULT_FOLDER}{draw_bits(seed, account, 'bucket') % 10**10:010d}/"


def locate(path: str) -> Place | None:
    """The result that a path identifies, or None."""
    found = _PLACE.fullmatch(path)
    return None if found is None else Place(found[2], int(found[3]), path, found[4] is not None)


def picture_info(record: TaskRecord, index: int, *, watermark: bool = False) -> PictureInfo:
    request = record.request
    width, height = _size(request.aspect_ratio)
    return PictureInfo(
        record.id,
        index,
        request.n,
        width,
        height,
        request.aspect_ratio,
        request.model_name,
        request.prompt,
        request.pictures,
        watermark,
    )


def _size(ratio: str | None) -> tuple[int, int]:
    """Width and height for a ratio: those of the contract or, for other ratios, about one megapixel."""
    sizes = RESULT_PIXELS.value
    if ratio is None:
        return sizes[DEFAULT_ASPECT_RATIO.value]
    asked = _RATIO.fullmatch(ratio)
    if ratio in sizes or asked is None:
        return sizes.get(ratio, sizes[DEFAULT_ASPECT_RATIO.value])
    shape = min(max(int(asked[1]) / int(asked[2]), 1 / 4), 4)
    return round((PIXELS * shape) ** 0.5 / 8) * 8, round((PIXELS / shape) ** 0.5 / 8) * 8
