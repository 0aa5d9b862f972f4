"""Results as facts: their URLs and, of pictures, their size and what they show. `drawing` draws them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from kling_contracts.gateways import RESULT_HOST
from kling_contracts.vocabulary import DEFAULT_ASPECT_RATIO, RESULT_PIXELS
from kling_mock.records import PictureRecord, TaskRecord
from kling_mock.rng import draw_bits

# The host and path of a picture that the real service answered with.
RESULT_ORIGIN: Final = f"https://{RESULT_HOST}"
_RATIO: Final = re.compile(r"([1-9]\d{0,3}):([1-9]\d{0,3})")
PIXELS: Final = 1_000_000
_PLACE: Final = re.compile(
    r"/bs2/upload-kling-api/\d{10}/(image|video|audio)/(\d{1,20})-(\d{1,4})_raw_\1_0\.(?:png|mp4|mp3)"
)


class Place(NamedTuple):
    """The result that the path of a result URL is for."""

    task_id: str
    number: int
    path: str


@dataclass(frozen=True, slots=True)
class PictureInfo:
    """All that a result picture shows. Equal sheets give equal bytes."""

    task_id: str
    index: int
    count: int
    width: int
    height: int
    aspect_ratio: str | None
    model_name: str | None
    prompt: str
    pictures: tuple[PictureRecord, ...]


def result_url(record: TaskRecord, index: int, seed: int) -> str:
    return record.origin + result_path(record, index, seed)


def result_path(record: TaskRecord, index: int, seed: int) -> str:
    bucket = _bucket(seed, record.account)
    kind = record.result
    name = f"{record.id}-{index}_raw_{kind.folder}_0.{kind.extension}"
    return f"/bs2/upload-kling-api/{bucket:010d}/{kind.folder}/{name}"


@lru_cache(maxsize=256)
def _bucket(seed: int, account: str) -> int:
    """The ten digits that stand for an account in its URLs."""
    return draw_bits(seed, account, "bucket") % 10**10


def locate(path: str) -> Place | None:
    """The result that a path is for, if it is for one."""
    found = _PLACE.fullmatch(path)
    return None if found is None else Place(found[2], int(found[3]), path)


def picture_info(record: TaskRecord, index: int) -> PictureInfo:
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
    )


def _size(ratio: str | None) -> tuple[int, int]:
    """The size for a ratio: the contract's, or, where the settings let others pass, about as many pixels."""
    sizes = RESULT_PIXELS.value
    if ratio is None:
        return sizes[DEFAULT_ASPECT_RATIO.value]
    asked = _RATIO.fullmatch(ratio)
    if ratio in sizes or asked is None:
        return sizes.get(ratio, sizes[DEFAULT_ASPECT_RATIO.value])
    shape = min(max(int(asked[1]) / int(asked[2]), 1 / 4), 4)
    return round((PIXELS * shape) ** 0.5 / 8) * 8, round((PIXELS / shape) ** 0.5 / 8) * 8
