"""Headers of images, byte by byte: every marker of a JPEG, the shortest complete headers, truncated ones.

Damage of whole images, compared with images that Pillow writes.
"""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import pytest
from PIL import Image

from kling_contracts import image_files
from kling_contracts.image_files import damage_of, read_header
from tests.rows import each_row

SIGNATURE = b"\x89PNG\r\n\x1a\n"
FRAME = b"\x00\x0b\x08\x01\x2c\x01\x90"  # length, 8 bits per sample, height 300, width 400
SIZED = ("jpeg", 400, 300)
# ITU T.81, table B.1
FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
BARE = {0x01, 0xD0, 0xD1, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8}


def png(chunk: bytes, width: int, height: int) -> bytes:
    return SIGNATURE + b"\x00\x00\x00\x0d" + chunk + width.to_bytes(4) + height.to_bytes(4)


def jpeg(before: bytes) -> bytes:
    """A JPEG header with the bytes `before` between start marker and frame."""
    return b"\xff\xd8" + before + b"\xff\xc0" + FRAME


def test_the_shortest_png_ends_with_its_height() -> None:
    shortest = png(b"IHDR", 400, 300)
    assert len(shortest) == 24
    assert read_header(shortest) == ("png", 400, 300)
    assert read_header(shortest[:-1]) is None
    assert read_header(shortest + b"\x08\x02\x00\x00\x00") == ("png", 400, 300)


@pytest.mark.parametrize("chunk", [b"IDAT", b"tEXt", b"IHDS", b"ihdr"])
def test_the_first_chunk_of_a_png_is_its_header(chunk: bytes) -> None:
    assert read_header(png(chunk, 400, 300)) is None


def test_sides_of_a_png_have_four_bytes() -> None:
    assert read_header(png(b"IHDR", 0x01020304, 0x05060708)) == ("png", 0x01020304, 0x05060708)


def test_sides_of_a_jpeg_have_two_bytes() -> None:
    data = b"\xff\xd8\xff\xc0\x00\x0b\x08\x01\x02\x03\x04"
    assert read_header(data) == ("jpeg", 0x0304, 0x0102)


@each_row("marker", range(0x01, 0xFF))
def test_every_marker_of_a_jpeg(marker: int) -> None:
    """A frame has the size; a bare marker has no length; other segments are skipped by their length."""
    here = b"\xff" + bytes([marker])
    expected = ("jpeg", 200, 100) if marker in FRAMES else SIZED
    if marker in BARE:
        assert read_header(jpeg(b"\xff\xe0\x00\x02" + here)) == SIZED
        return
    # Skipped by its length, this segment is followed by the true frame; as a frame it would be 100 x 200.
    segment = here + b"\x00\x0b\x08\x00\x64\x00\xc8\x00\x00\x00\x00"
    assert read_header(jpeg(b"\xff\xe0\x00\x02" + segment)) == expected


@pytest.mark.parametrize("fill", range(4))
def test_markers_may_have_fill_bytes_before_them(fill: int) -> None:
    assert read_header(jpeg(b"\xff\xe0\x00\x02" + b"\xff" * fill)) == SIZED


@pytest.mark.parametrize(("length", "expected"), [(0, None), (1, None), (2, SIZED)])
def test_a_length_counts_itself(length: int, expected: object) -> None:
    """The length of a segment includes its own two bytes; less than two is invalid."""
    assert read_header(jpeg(b"\xff\xe0\x00" + bytes([length]))) == expected


def test_a_length_has_two_bytes() -> None:
    assert read_header(jpeg(b"\xff\xe0\x01\x04" + bytes(0x0102))) == SIZED


def test_a_jpeg_ends_at_the_earliest_with_its_width() -> None:
    whole = jpeg(b"\xff\xe0\x00\x02")
    assert read_header(whole) == SIZED
    assert [read_header(whole[:length]) for length in range(3, len(whole))] == [None] * (len(whole) - 3)


def test_what_is_no_marker_is_no_jpeg() -> None:
    assert read_header(b"\xff\xd8\xff\xe0\x00\x02" + b"\xfe\xc0" + FRAME) is None
    assert read_header(b"\xff\xd8\xff\xe0\x00\x02" + b"\x00\xc0" + FRAME) is None


@cache
def drawn(kind: str, **options: Any) -> bytes:
    """A colourful image of 64 x 64 pixels."""
    image = Image.frombytes("RGB", (64, 64), bytes(at * at * 7 % 251 for at in range(64 * 64 * 3)))
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


KINDS: list[tuple[str, dict[str, Any]]] = [
    ("png", {}),
    ("jpeg", {"quality": 95}),
    ("jpeg", {"progressive": True}),
    ("jpeg", {"restart_marker_blocks": 1, "comment": b"a \xff\x05 b"}),
]


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_whole_images_have_no_damage(kind: str, options: dict[str, Any]) -> None:
    whole = drawn(kind, **options)
    assert damage_of(whole) == ""
    assert damage_of(whole + b"metadata") == ""
    assert damage_of(b"GIF89a" + whole) == ""


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_an_image_that_ends_early_is_damaged(kind: str, options: dict[str, Any]) -> None:
    whole = drawn(kind, **options)
    signature = 8 if kind == "png" else 3
    assert [at for at in range(signature, len(whole) - 1, 7) if not damage_of(whole[:at])] == []


def test_every_wrong_byte_of_a_png_is_damage() -> None:
    whole = drawn("png")
    wrong = (whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(8, len(whole), 11))
    assert all(map(damage_of, wrong))


@pytest.mark.parametrize(
    ("old", "new", "damage"),
    [
        (b"\xff\xd3", b"\xff\xd4", "a restart out of order"),
        (b"\xff\xd3", b"\xff\x05", "invalid marker"),
        (b"\xff\xd3", b"\xff\xc4", "no "),
        (b"\xff\xc0\x00\x11", b"\xff\xc0\x00\x10", "no marker"),
        (b"\xff\xc0\x00\x11", b"\xff\xc0\xff\xff", "no "),
    ],
)
def test_the_damage_of_a_jpeg(old: bytes, new: bytes, damage: str) -> None:
    whole = drawn("jpeg", restart_marker_blocks=1)
    assert damage_of(whole.replace(old, new, 1)).startswith(damage)


def test_empty_segments_end() -> None:
    assert damage_of(b"\xff\xd8" + b"\xff\xe0\x00\x02" * 20_000) == "too many segments"


def test_our_own_images_are_whole() -> None:
    assert damage_of(image_files.png(300, 300, 5000)) == damage_of(image_files.jpeg(1000, 300)) == ""
