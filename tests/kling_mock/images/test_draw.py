"""Result pictures of every ratio and prompt: the places of their parts, which do not overlap."""

from __future__ import annotations

import io
from hashlib import sha256

import pytest
from PIL import Image

from kling_contracts.vocabulary import RESULT_PIXELS
from kling_mock.images import draw
from kling_mock.images.draw import CAPTION, GAP, GROUND, draw_picture
from kling_mock.images.text import wrap
from kling_mock.images.urls import PictureInfo
from kling_mock.task_request import PictureRecord
from tests.kling_mock.images.prompts import DRAWN, MORE, NOTED

PROMPTS = {**{name: prompt for name, (prompt, _, _) in DRAWN.items()}, **MORE}
PROMPTS |= {
    note: prompt for prompt, note in NOTED.items() if note.startswith(("[Arabic", "[Deva", "[comb", "a"))
}
FIELDS = (
    "subject_image_list[0].subject_image",
    "scence_image",
    "a_field_with_a_name_that_is_too_long_for_a_card",
)


def info(prompt: str, size: tuple[int, int] = (1024, 1024), pictures: int = 2) -> PictureInfo:
    records = tuple(
        PictureRecord(FIELDS[number % 3], None, 1, sha256(bytes([number])).hexdigest())
        for number in range(pictures)
    )
    return PictureInfo("835493114549978297", 0, 4, *size, "1:1", "kling-v2", prompt, records)


def drawn(result: PictureInfo) -> Image.Image:
    with Image.open(io.BytesIO(draw_picture(result))) as opened:
        return opened.convert("RGB")


def is_ground(picture: Image.Image, box: tuple[int, int, int, int]) -> bool:
    return {colour for _, colour in picture.crop(box).getcolors() or []} == {GROUND}


@pytest.mark.parametrize("ratio", RESULT_PIXELS.value)
def test_nothing_leaves_its_place(ratio: str) -> None:
    """The margins stay empty, and so do the rows between cards and prompt, prompt and facts."""
    width, height = RESULT_PIXELS.value[ratio]
    for number, prompt in enumerate(PROMPTS.values()):
        picture = drawn(info(prompt, (width, height), number % 7))
        top = height - CAPTION
        assert picture.size == (width, height)
        assert is_ground(picture, (width - GAP, 0, width, height)), prompt
        assert is_ground(picture, (0, 0, GAP, height)), prompt
        assert is_ground(picture, (GAP + 6, top - GAP, width, top)), prompt
        assert is_ground(picture, (GAP + 6, height - 5, width, height)), prompt


def test_a_text_that_leaves_its_place_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw, "wrap", lambda text, size, room, maximum: wrap(text, size, room + 40, maximum))
    with pytest.raises(AssertionError):
        test_nothing_leaves_its_place("3:2")


@pytest.mark.parametrize("name", ["Latin", "Greek", "Cyrillic", "Chinese", "Japanese", "Korean", "long"])
def test_prompts_that_differ_in_one_letter_look_different(name: str) -> None:
    prompt = PROMPTS[name]
    box = (0, 1024 - CAPTION, 1024, 1024 - 40)
    one, other = (drawn(info(text)).crop(box) for text in (prompt, prompt[:3] + "\u0416" + prompt[4:]))
    assert one.tobytes() != other.tobytes()
    assert one.tobytes() == drawn(info(prompt)).crop(box).tobytes()


def test_a_prompt_that_is_cut_tells_its_length() -> None:
    """In the last row, where otherwise only the name of the fake is."""
    row = (200, 1024 - 36, 1024, 1024 - GAP)
    assert is_ground(drawn(info("a cat")), row)
    assert is_ground(drawn(info("\u0628" * 2500)), row)
    assert not is_ground(drawn(info(MORE["long"])), row)


def test_no_prompt_is_not_a_prompt_of_those_words() -> None:
    box = (0, 1024 - CAPTION, 1024, 1024 - 40)
    assert drawn(info("")).crop(box).tobytes() != drawn(info("(no prompt)")).crop(box).tobytes()


def test_equal_results_give_equal_bytes() -> None:
    assert draw_picture(info(PROMPTS["Chinese"])) == draw_picture(info(PROMPTS["Chinese"]))
