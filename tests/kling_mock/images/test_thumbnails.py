"""Thumbnails of inline pictures, made if the setting `thumbnails` is on."""

from __future__ import annotations

import io
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from zlib import compress, crc32

import pytest
from msgspec.structs import replace
from PIL import Image

from kling_contracts.image_files import PictureHeader, encoded, read_header
from kling_mock.images.draw import draw_picture
from kling_mock.images.thumbnails import make_thumbnail
from kling_mock.images.urls import PictureInfo
from kling_mock.task_request import PictureRecord
from tests.rows import exhaustive, some_rows

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Start

FIELDS = [
    *(f"subject_image_list[{index}].subject_image" for index in range(4)),
    "scence_image",
    "style_image",
]


def picture(seed: int, kind: str = "PNG", size: tuple[int, int] = (640, 400)) -> bytes:
    """A picture with far more colours than a palette has."""
    red, green = Image.linear_gradient("L"), Image.radial_gradient("L")
    blue = Image.new("L", red.size, seed * 40 % 256)
    written = io.BytesIO()
    Image.merge("RGB", (red, green, blue)).rotate(seed * 30).resize(size).save(written, kind)
    return written.getvalue()


def thumbnail_of(data: bytes) -> bytes:
    header = read_header(data)
    assert header is not None
    made = make_thumbnail(data, header)
    assert made is not None
    return made


def result(*thumbnails: bytes | None) -> PictureInfo:
    pictures = tuple(
        PictureRecord(field, None, 1, f"{number:064x}", thumbnail)
        for number, (field, thumbnail) in enumerate(zip(FIELDS, thumbnails, strict=False))
    )
    return PictureInfo(
        "835493114549978297", 0, 1, 1024, 1024, "1:1", "kling-v2", "all of them \u4e00", pictures
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_thumbnail_is_small_and_like_its_picture(kind: str) -> None:
    data = picture(1, kind, (2000, 1000))
    with Image.open(io.BytesIO(thumbnail_of(data))) as small, Image.open(io.BytesIO(data)) as whole:
        assert small.size == (480, 240)
        mine = small.convert("RGB").resize((4, 2), Image.Resampling.BOX)
        theirs = whole.convert("RGB").resize((4, 2), Image.Resampling.BOX)
        pairs = zip(mine.tobytes(), theirs.tobytes(), strict=True)
        assert max(abs(one - other) for one, other in pairs) < 24


def test_the_result_shows_the_thumbnail() -> None:
    """The tile has its average colour; without a thumbnail it has a pattern."""
    red = io.BytesIO()
    Image.new("RGB", (400, 400), (250, 10, 10)).save(red, "PNG")
    with Image.open(io.BytesIO(draw_picture(result(thumbnail_of(red.getvalue()), None)))) as drawn:
        colours = drawn.convert("RGB")
        assert colours.getpixel((256, 300)) == (250, 10, 10)
        assert colours.getpixel((768, 300)) != (250, 10, 10)


def test_six_colourful_pictures_fit_into_one_palette() -> None:
    full = result(*(thumbnail_of(picture(seed)) for seed in range(6)))
    drawn = draw_picture(full)
    with Image.open(io.BytesIO(drawn)) as opened:
        assert (opened.mode, opened.size) == ("P", (1024, 1024))
        assert len(opened.getcolors() or []) > 150
    assert drawn == draw_picture(full)


@pytest.mark.parametrize(
    ("data", "header"),
    [
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, PictureHeader("png", 300, 300)),
        (picture(1)[:-400], PictureHeader("png", 640, 400)),
        (picture(1), PictureHeader("png", 60_000, 60_000)),
    ],
    ids=["no picture behind the header", "cut short", "billions of pixels"],
)
def test_a_picture_that_cannot_be_decoded_has_no_thumbnail(data: bytes, header: PictureHeader) -> None:
    assert make_thumbnail(data, header) is None


def chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4) + kind + content + crc32(kind + content).to_bytes(4)


def segment(marker: bytes, content: bytes) -> bytes:
    return b"\xff" + marker + (len(content) + 2).to_bytes(2) + content


def header_chunk(side: int) -> bytes:
    return chunk(b"IHDR", side.to_bytes(4) * 2 + b"\x08\x02\0\0\0")


def frame(side: int) -> bytes:
    return segment(b"\xc0", b"\x08" + side.to_bytes(2) * 2 + b"\x01\x01\x11\0")


@some_rows("side", [9, 9_999, 10_000, 20_000], usual=[9, 20_000])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_second_header_neither_warns_nor_fails(kind: str, side: int) -> None:
    """Pillow believes the last one, warns from 90 million pixels on, and raises from 179 million on."""
    data = picture(1, kind)
    before = 33 if kind == "PNG" else data.index(b"\xff\xda")
    twice = data[:before] + (header_chunk(side) if kind == "PNG" else frame(side)) + data[before:]
    header = read_header(twice)
    assert header is not None
    assert (header.width, header.height) == (640, 400)
    made = make_thumbnail(twice, header)
    assert made is None or side == 9


@some_rows(
    ("kind", "options", "extra"),
    [
        ("PNG", {"transparency": bytes(30)}, b""),
        ("PNG", {}, chunk(b"acTL", b"\0\0")),
        ("PNG", {}, chunk(b"zTXt", b"a\0\0" + compress(bytes(2_000_000)))),
        ("JPEG", {}, segment(b"\xe2", b"MPF\0MM\0*\0\0\0\x08")),
        ("JPEG", {}, segment(b"\xe1", b"Exif\0\0II*\0\x08\0\0\0\x01\0\x1a\x01\x05\0\x09\0\0\0\xff\0\0\0")),
        ("JPEG", {}, segment(b"\xfe", b"hi") + b"\xff"),
    ],
    usual=3,
    ids=["transparent palette", "no animation", "long text", "MPO", "Exif", "comment and filling"],
)
def test_metadata_neither_warns_nor_changes_the_thumbnail(
    kind: str, options: dict[str, Any], extra: bytes
) -> None:
    with Image.open(io.BytesIO(picture(1))) as opened:
        whole = opened.quantize(30) if options else opened.convert("RGB")
    plain, marked = io.BytesIO(), io.BytesIO()
    whole.save(plain, kind)
    whole.save(marked, kind, **options)
    at = 33 if kind == "PNG" else 2
    data = marked.getvalue()[:at] + extra + marked.getvalue()[at:]
    assert thumbnail_of(data) == thumbnail_of(plain.getvalue())


@exhaustive
def test_many_thumbnails_share_what_is_left_of_the_palette() -> None:
    many = tuple(
        PictureRecord(f"pictures[{seed}]", None, 1, f"{seed:064x}", thumbnail_of(picture(seed)))
        for seed in range(9)
    )
    with Image.open(io.BytesIO(draw_picture(replace(result(), pictures=many)))) as drawn:
        assert drawn.size == (1024, 1024)
        assert len(drawn.getcolors() or []) > 200


@pytest.mark.parametrize("wanted", [True, False])
def test_a_request_keeps_thumbnails_only_with_the_setting(wanted: bool, start: Start) -> None:
    """For an inline picture size and digest are kept, for a linked one its URL."""
    data, url = picture(1), "https://pictures.test/b.png"
    task = start(thumbnails=wanted).make(
        subject_image_list=[{"subject_image": encoded(data)}, {"subject_image": url}]
    )
    assert task.request.subjects == (
        PictureRecord(
            FIELDS[0], None, len(data), sha256(data).hexdigest(), thumbnail_of(data) if wanted else None
        ),
        PictureRecord(FIELDS[1], url),
    )
