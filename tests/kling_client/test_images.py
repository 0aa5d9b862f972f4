"""Encoding of images: a URL or raw base64."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_client import ConfigError, Image
from kling_client.images import to_wire
from kling_contracts.vocabulary import BODY_MAXIMUM


@given(st.binary(max_size=300))
def test_bytes_become_raw_base64_without_a_prefix(data: bytes) -> None:
    text = to_wire(data)
    assert base64.b64decode(text, validate=True) == data
    assert not text.startswith("data:")
    assert "\n" not in text


def test_path_bytes_and_image_of_one_file_are_sent_alike(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"\x89PNG")
    expected = base64.b64encode(b"\x89PNG").decode()
    assert {to_wire(file), to_wire(b"\x89PNG"), to_wire(Image.from_path(str(file)))} == {expected}


@pytest.mark.parametrize(
    "text", ["https://h/a.png", "aGVsbG8=", "data:image/png;base64,aGVsbG8=", "a.png", ""]
)
def test_text_is_sent_as_it_is(text: str) -> None:
    """Invalid text as well: `check=False` exists to test servers."""
    assert to_wire(text) == text
    assert to_wire(Image.from_url(text)) == text


def test_a_missing_file_is_the_operating_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        to_wire(tmp_path / "none.png")


def test_a_file_that_no_request_can_hold_is_refused_unread(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    with film.open("wb") as file:
        file.truncate(BODY_MAXIMUM.value + 1)
    with pytest.raises(
        ConfigError, match=r"film\.mp4: must fit into a request of at most 96 MB; got 96\.0 MB"
    ):
        Image.from_path(film)


def test_the_repr_of_a_picture_does_not_show_its_content() -> None:
    assert len(repr(Image.from_bytes(bytes(10_000)))) < 80
    assert repr(Image.from_url("https://h/a.png")) == "Image.from_url('https://h/a.png')"
