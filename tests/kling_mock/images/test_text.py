"""Prompts in lines: which characters are drawn, which are replaced by a note, and that lines fit."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw

from kling_mock.images import fonts, text
from kling_mock.images.text import Line, draw_line, wrap
from tests.intent import ALPHABETS, alphabets, census, missing, saw
from tests.kling_mock.images.prompts import DRAWN, MORE, NOTED, RESPELT, opened
from tests.profiles import CI

RAMP = tuple(range(0, 256, 51))
LETTERS = "".join([*(prompt for prompt, _, _ in DRAWN.values()), *NOTED, *RESPELT])
CHARACTERS = st.one_of(
    st.sampled_from("ab 海\u0301\u200d\U0001f431"),
    st.sampled_from(LETTERS),
    st.characters(exclude_categories=["Cs"]),
)
TEXTS = st.lists(CHARACTERS, max_size=60).map("".join)  # st.text would draw from all of them alike
DRAW = given(TEXTS, st.integers(60, 500), st.integers(1, 3))


def shown(line: Line) -> str:
    return "".join(glyph.text for glyph in line.glyphs)


def whole(prompt: str) -> str:
    """A prompt on one line, however long."""
    return "".join(map(shown, wrap(prompt, 20, 100_000, 1).lines))


@pytest.mark.parametrize("script", DRAWN)
def test_a_script_is_drawn_as_a_font_that_has_it_draws_it(script: str) -> None:
    """Compared with Pillow drawing the whole line at once."""
    prompt, path, number = DRAWN[script]
    mine, theirs = (Image.new("L", (1200, 60)) for _ in range(2))
    draw_line(mine, (10, 40), wrap(prompt, 27, 1100, 1).lines[0], RAMP, RAMP)
    normal = unicodedata.normalize("NFC", prompt)
    ImageDraw.Draw(theirs).text((10, 40), normal, fill=255, font=opened(path, number, 27), anchor="ls")
    assert mine.getbbox() is not None
    difference = ImageChops.difference(mine, theirs.point(lambda ink: round(ink / 51) * 51))
    assert difference.getbbox() is None


@pytest.mark.parametrize(("prompt", "drawn"), [*NOTED.items(), *RESPELT.items()])
def test_what_is_not_drawn_letter_by_letter(prompt: str, drawn: str) -> None:
    assert whole(prompt) == drawn


def test_a_note_has_its_own_ink() -> None:
    picture = Image.new("L", (600, 60))
    draw_line(picture, (10, 40), wrap("\u0628", 27, 500, 1).lines[0], (0, 9), (0, 7))
    assert {colour for _, colour in picture.getcolors() or []} == {0, 7}


@pytest.mark.parametrize(
    ("prompt", "room", "lines"),
    [
        ("one two three", 90, ["one two", "three"]),
        ("onetwothree", 90, ["onetwoth", "ree"]),
        ("海上的猫在海上", 85, ["海上的猫", "在海上"]),
        ("海上的猫。在海", 85, ["海上的", "猫。在海"]),
        ("바다 위의 두", 70, ["바다", "위의 두"]),
        ("one two three four", 90, ["one two", "three f\u2026"]),
        ("", 90, []),
    ],
)
def test_where_lines_break(prompt: str, room: int, lines: list[str]) -> None:
    """Between words, or ideographs, not before a full stop; within a word only if there is no other place."""
    assert [shown(line) for line in wrap(prompt, 20, room, 2).lines] == lines


def test_a_text_beyond_the_longest_prompt_is_cut() -> None:
    """Work is bounded where a setting lets longer prompts pass."""
    lines, complete = wrap("\u0628" * 2501, 20, 10_000, 1)
    assert [shown(line) for line in lines] == ["[Arabic, 2500 characters]\u2026"]
    assert not complete
    assert wrap("\u0628" * 2500, 20, 10_000, 1).whole


def lines_fit(prompt: str, room: int, maximum: int) -> None:
    """Lines stay within their room, begin and end with no space, and show all of the text or end in dots."""
    lines, complete = wrap(prompt, 20, room, maximum)
    assert len(lines) <= maximum
    assert all(line.width <= room for line in lines)
    assert all(shown(line).strip(" ") == shown(line) != "" for line in lines)
    letters, expected = ("".join(each).replace(" ", "") for each in (map(shown, lines), whole(prompt)))
    if complete:
        assert letters == expected
    else:
        assert letters.endswith("\u2026")
        assert expected.startswith(letters.removesuffix("\u2026"))


def drawn_lines_fit(prompt: str, room: int, maximum: int) -> None:
    saw("complete", wrap(prompt, 20, room, maximum).whole)
    for alphabet in alphabets(prompt):
        saw("alphabet", alphabet)
    lines_fit(prompt, room, maximum)


def search() -> None:
    """The property, with the same examples every time; a failure is not made smaller."""
    settings(CI, phases=[Phase.generate])(DRAW(drawn_lines_fit))()


@DRAW
def test_lines_fit(prompt: str, room: int, maximum: int) -> None:
    drawn_lines_fit(prompt, room, maximum)


@pytest.mark.parametrize("room", [60, 231, 1000])
@pytest.mark.parametrize("prompt", MORE.values(), ids=MORE)
def test_long_texts_fit(prompt: str, room: int) -> None:
    lines_fit(prompt, room, 2)


def test_both_outcomes_and_all_alphabets_are_drawn() -> None:
    with census() as seen:
        search()
    assert missing((True, False), seen, "complete") == []
    assert missing(ALPHABETS, seen, "alphabet") == []


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("_break", lambda line, room: len(line)),
        ("_stripped", lambda line: line),
        ("_dotted", lambda line, size, room: line),
    ],
)
def test_lines_that_do_not_fit_are_found(name: str, fault: object) -> None:
    with patch.object(text, name, fault), pytest.raises(AssertionError):
        search()


@pytest.fixture
def forgetful() -> Iterator[None]:
    """Fonts are looked for again, before and after the test."""
    caches = (fonts.base_face, fonts.east_asian_faces, text.drawing)
    for each in caches:
        each.cache_clear()
    yield
    for each in caches:
        each.cache_clear()


@pytest.mark.usefixtures("forgetful")
def test_without_a_font_for_them_chinese_japanese_and_korean_are_noted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fonts, "EAST_ASIAN_PACKAGE", "no_such_package")
    monkeypatch.setattr(fonts, "_installed", lambda _: None)
    assert whole("海上的猫，水彩 at sea") == "[Chinese, 7 characters] at sea"  # noqa: RUF001 -- meant
    assert whole("海の上の猫") == "[Japanese, 5 characters]"
    assert whole("바다 위") == "[Korean, 4 characters]"
    assert whole("ＡＢＣ") == "ABC"  # noqa: RUF001 -- meant


@pytest.mark.usefixtures("forgetful")
def test_without_any_font_package_ascii_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("BASE_PACKAGE", "EAST_ASIAN_PACKAGE"):
        monkeypatch.setattr(fonts, package, "no_such_package")
    monkeypatch.setattr(fonts, "_installed", lambda _: None)
    assert whole("a cat, é, Ж") == "a cat, e, [Cyrillic]"
