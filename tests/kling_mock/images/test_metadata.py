"""The metadata of a result picture, read back from its bytes."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from kling_contracts.image_files import encoded, png
from kling_mock import read_picture
from kling_mock.images.urls import PictureInfo
from kling_mock.task_request import PictureRecord

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Start

Alteration = Callable[[bytes], bytes]
URL = "https://pictures.test/b.png"


@pytest.fixture(scope="module")
def drawn(start: Start) -> tuple[PictureInfo, bytes]:
    """The expected metadata of the second picture of a task, written by hand, and the picture's bytes."""
    caller = start(pace="instant")
    subject = png(300, 400)
    task_id = caller.create(
        subject_image_list=[{"subject_image": encoded(subject)}, {"subject_image": URL}],
        prompt="at sea, \u8239",
        n=2,
        aspect_ratio="3:2",
    )["task_id"]
    url = caller.query(task_id)["task_result"]["images"][1]["url"]
    pictures = (
        PictureRecord("subject_image_list[0].subject_image", None, len(subject), sha256(subject).hexdigest()),
        PictureRecord("subject_image_list[1].subject_image", URL),
    )
    result = PictureInfo(task_id, 1, 2, 1248, 832, "3:2", "kling-v2", "at sea, \u8239", pictures)
    return result, caller.picture(url).body


def test_a_picture_contains_its_metadata(drawn: tuple[PictureInfo, bytes]) -> None:
    result, data = drawn
    read = read_picture(data)
    assert [(each.field, each.url, each.sha256) for each in read.pictures] == [
        (each.field, each.url, each.sha256) for each in result.pictures
    ]
    assert read == result


@pytest.mark.parametrize(
    ("alter", "message"),
    [
        (lambda data: b"GIF89a" + data, "not a PNG: it begins with b'GIF89a"),
        (lambda data: data[:100] + b"!" + data[101:], "damaged"),
        (lambda data: data[:-6], "truncated"),
        (lambda _: png(8, 8), "no kling-mock metadata"),
    ],
    ids=["another format", "one byte changed", "the end missing", "another program's"],
)
def test_altered_pictures_are_refused(
    alter: Alteration, message: str, drawn: tuple[PictureInfo, bytes]
) -> None:
    with pytest.raises(ValueError, match=message):
        read_picture(alter(drawn[1]))
