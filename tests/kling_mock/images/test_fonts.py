"""Where fonts come from, and which one draws a character."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kling_mock.images import fonts
from kling_mock.images.fonts import Face, Region, base_face, east_asian_faces, face_for, region_of
from tests.kling_mock.images.prompts import CHINESE, DRAWN, INTER, JAPANESE, KOREAN, NOTO, TAIWANESE


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the system's fonts, without the package for East Asian ones."""
    folder = tmp_path / "fonts"
    folder.mkdir()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path))
    monkeypatch.setattr(fonts, "EAST_ASIAN_PACKAGE", "no_such_package")
    east_asian_faces.cache_clear()
    yield folder
    east_asian_faces.cache_clear()


@pytest.mark.parametrize("script", DRAWN)
def test_a_script_has_its_font(script: str) -> None:
    prompt, path, number = DRAWN[script]
    letter = next(char for char in prompt if char > "\u2fff" or path == INTER)
    assert face_for(letter, region_of(prompt)) == Face(str(path), number)


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("海の上", "JP"),
        ("ネコ", "JP"),
        ("海, 바다", "KR"),
        ("貓ㄇㄠ", "TC"),
        ("海上", "SC"),
        ("・ at sea", "SC"),
        ("", "SC"),
    ],
)
def test_the_region_is_seen_by_the_letters(text: str, region: Region) -> None:
    assert region_of(text) == region


@pytest.mark.parametrize("char", ["م", "ह", "\U0001f431", "\U0010ffff", "\u200b"])
def test_no_font_has(char: str) -> None:
    assert face_for(char, "SC") is None


@pytest.mark.parametrize(
    ("region", "number"), [("JP", JAPANESE), ("KR", KOREAN), ("SC", CHINESE), ("TC", TAIWANESE)]
)
def test_a_font_of_the_system_is_used_without_the_package(region: Region, number: int, system: Path) -> None:
    (system / "NotoSansCJK-Regular.ttc").symlink_to(NOTO)
    (face,) = east_asian_faces(region)
    assert (Path(face.path or "").resolve(), face.number) == (NOTO.resolve(), number)
    assert face_for("海", region) == face


def test_a_font_of_the_region_is_preferred(system: Path) -> None:
    for name in ("wqy-microhei.ttc", "malgun.ttf"):
        (system / name).symlink_to(NOTO)
    assert [Path(face.path or "").name for face in east_asian_faces("KR")] == [
        "malgun.ttf",
        "wqy-microhei.ttc",
    ]


def test_fonts_for_east_asia_draw_nothing_else(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some have Arabic or Devanagari, which need shaping. Here one has Latin; East Asian, too, is only é."""
    (system / "wqy-microhei.ttc").symlink_to(INTER)
    monkeypatch.setattr(fonts, "BASE_PACKAGE", "no_such_package")
    base_face.cache_clear()
    try:
        assert base_face() == Face(None)
        assert face_for("\u00e9", "SC") == east_asian_faces("SC")[0]
        assert face_for("\u0119", "SC") is None
    finally:
        base_face.cache_clear()


def test_no_font_at_all(system: Path) -> None:
    assert list(system.iterdir()) == []
    assert east_asian_faces("SC") == ()
    assert face_for("海", "SC") is None


def test_fonts_are_opened_when_a_picture_needs_them() -> None:
    """Neither with the package nor with the drawing; and one file is opened once."""
    code = (
        "import sys, kling_mock; assert 'PIL' not in sys.modules\n"
        "from kling_mock.images import draw, fonts\n"
        "assert fonts.font.cache_info().misses == fonts.base_face.cache_info().misses == 0\n"
        "assert not {'fontpkg', 'fontpkg_inter', 'noto_cjk_sans_otc'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONWARNINGS": "error"})
