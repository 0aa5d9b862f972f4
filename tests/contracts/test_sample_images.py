"""Sample images are valid, and `read_header` agrees with Pillow."""

import base64
import io
import struct

import pytest
from PIL import Image

from kling_contracts.image_files import encoded, jpeg, png, read_header


@pytest.mark.parametrize(("width", "height"), [(1, 1), (7, 9), (300, 300), (750, 300), (301, 999)])
@pytest.mark.parametrize("make", [png, jpeg])
def test_samples_open(make: object, width: int, height: int) -> None:
    """Pillow decodes every sample; `read_header` returns the same format and size."""
    data = png(width, height) if make is png else jpeg(width, height)
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        assert picture.size == (width, height)
        assert picture.format is not None
        assert read_header(data) == (picture.format.lower(), width, height)


def test_padding_is_exact() -> None:
    """A padded PNG has exactly the given size in bytes, and a decoder opens it."""
    least = len(png(300, 300)) + 12
    for size in (least, least + 1, 5000, 10485760):
        data = png(300, 300, size)
        assert len(data) == size
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
    with pytest.raises(ValueError, match=f"at least {least} bytes for a PNG of 300 x 300; got {least - 1}"):
        png(300, 300, least - 1)


def test_encoding() -> None:
    """`encoded` returns base64 as the contract requires it."""
    assert base64.b64decode(encoded(png(3, 3)), validate=True) == png(3, 3)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_headers_of_other_makers(form: str, mode: str) -> None:
    """Headers of files from Pillow, progressive and with comments."""
    for options in ({}, {"progressive": True}, {"comment": b"x" * 1000, "dpi": (72, 72)}):
        stream = io.BytesIO()
        Image.new(mode, (321, 123)).save(stream, form, **options)
        assert read_header(stream.getvalue()) == (form.lower(), 321, 123)


@pytest.mark.parametrize("data", [png(300, 300), jpeg(300, 300)])
def test_cut_off_pictures(data: bytes) -> None:
    """The header of a truncated file is right or None; no error."""
    whole = read_header(data)
    found = [read_header(data[:length]) for length in range(len(data))]
    assert set(found) == {None, whole}
    assert found.index(whole) <= 120


def test_jpeg_oddities() -> None:
    """Fill bytes are skipped; a segment with an invalid length ends the search."""
    frame = b"\xff\xc0\x00\x0b\x08" + struct.pack(">HH", 30, 40) + b"\x01\x01\x11\x00"
    assert read_header(b"\xff\xd8\xff\xff\xff" + frame[1:]) == ("jpeg", 40, 30)
    assert read_header(b"\xff\xd8\xff\x01" + frame) == ("jpeg", 40, 30)
    assert read_header(b"\xff\xd8\xff\xe0\x00\x01" + frame) is None
    assert read_header(b"\xff\xd8\xff\xe0\x00\x04ab?" + frame) is None
