"""Fonts of result pictures, and which of them draws a character.

Inter (a dependency) has Latin, Greek and Cyrillic. Chinese, Japanese and Korean need the package of the extra
`fonts`, or a font of the system. Files are opened when a picture first needs them, and kept open.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal, NamedTuple

from PIL import Image, ImageDraw, ImageFont

Region = Literal["JP", "KR", "SC", "TC"]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

BASE_PACKAGE: Final = "fontpkg_inter"
EAST_ASIAN_PACKAGE: Final = "noto_cjk_sans_otc"
# Without that package: files of Linux distributions, macOS and Windows, those of the region first.
_SYSTEM_FILES: Final = (
    "NotoSansCJK-Regular.ttc",
    "SourceHanSans.ttc",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "Arial Unicode.ttf",
)
_REGION_FILES: Final[dict[Region, tuple[str, ...]]] = {
    "JP": ("ヒラギノ角ゴシック W3.ttc", "YuGothM.ttc", "meiryo.ttc"),
    "KR": ("AppleSDGothicNeo.ttc", "malgun.ttf", "NanumGothic.ttf"),
    "SC": ("Hiragino Sans GB.ttc", "PingFang.ttc", "msyh.ttc"),
    "TC": ("PingFang.ttc", "msjh.ttc"),
}
_COLLECTION_MAXIMUM: Final = 16
_PROBE_SIZE: Final = 16
_UNASSIGNED: Final = "\U0010ffff"  # no font has it: drawn as the font's sign for a missing glyph
# One ideograph is drawn differently in Japan, Korea and China; the letters beside it show which is meant.
_JAPANESE: Final = re.compile("[\u3041-\u3096\u30a1-\u30fa\uff66-\uff9d]")
_KOREAN: Final = re.compile("[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]")
_TAIWANESE: Final = re.compile("[\u3105-\u312f]")


class Face(NamedTuple):
    """A font file, and the number of the font in it. No path: the font that Pillow brings along (ASCII)."""

    path: str | None
    number: int = 0


@cache
def base_face() -> Face:
    """The font for Latin, Greek and Cyrillic."""
    return Face(_packaged(BASE_PACKAGE))


@cache
def east_asian_faces(region: Region) -> tuple[Face, ...]:
    """The fonts for Chinese, Japanese and Korean, best first; empty without the package and a system font."""
    packaged = _packaged(EAST_ASIAN_PACKAGE)
    if packaged is not None:
        return (_of_region(packaged, region),)
    others = [name for names in _REGION_FILES.values() for name in names]
    names = dict.fromkeys((*_REGION_FILES[region], *_SYSTEM_FILES, *others))
    paths = dict.fromkeys(path for name in names if (path := _installed(name)) is not None)
    return tuple(_of_region(path, region) for path in paths)


def region_of(text: str) -> Region:
    """The region whose glyphs a text wants, by its kana, Hangul or Bopomofo; mainland China otherwise."""
    if _JAPANESE.search(text):
        return "JP"
    if _KOREAN.search(text):
        return "KR"
    return "TC" if _TAIWANESE.search(text) else "SC"


@cache
def font(face: Face, size: int) -> Font:
    """A font at a size in pixels, without shaping: the same whether or not Pillow finds libraqm."""
    if face.path is None:
        return ImageFont.load_default(size)
    return ImageFont.truetype(face.path, size, face.number, layout_engine=ImageFont.Layout.BASIC)


def face_for(text: str, region: Region) -> Face | None:
    """The font that has every character of a text, or None.

    Some system fonts have scripts that need shaping, so East Asian fonts draw East Asian characters only.
    """
    widths = {unicodedata.east_asian_width(char) for char in text}
    candidates: list[Face] = []
    if not widths & {"W", "F"}:
        candidates.append(base_face())
    if widths <= {"W", "F", "H", "A"}:
        candidates.extend(east_asian_faces(region))
    return next((face for face in candidates if all(_has(face, char) for char in text)), None)


@lru_cache(maxsize=8192)
def _has(face: Face, char: str) -> bool:
    mask = _mask(face, char)
    return any(mask) and mask != _missing(face)


@cache
def _missing(face: Face) -> bytes:
    return _mask(face, _UNASSIGNED)


def _mask(face: Face, char: str) -> bytes:
    mask = Image.new("L", (_PROBE_SIZE * 2, _PROBE_SIZE * 2))
    at = (_PROBE_SIZE // 2, _PROBE_SIZE * 3 // 2)
    ImageDraw.Draw(mask).text(at, char, fill=255, font=font(face, _PROBE_SIZE), anchor="ls")
    return mask.tobytes()


def _packaged(package: str) -> str | None:
    """The upright font of an installed font package. The package is not imported."""
    spec = find_spec(package)
    for folder in () if spec is None else spec.submodule_search_locations or ():
        for path in sorted(Path(folder).rglob("*.[ot]t[fc]")):
            if "Italic" not in path.name:
                return str(path)
    return None


def _installed(name: str) -> str | None:
    """The path of a system font by its file name. Pillow knows the folders of each system."""
    try:
        found = ImageFont.truetype(name, _PROBE_SIZE)
    except OSError:
        return None
    return str(found.path)


def _of_region(path: str, region: Region) -> Face:
    """Of a file of several fonts, the one named after the region; the first where none is."""
    for index in range(_COLLECTION_MAXIMUM):
        try:
            family = ImageFont.truetype(path, _PROBE_SIZE, index).getname()[0]
        except OSError:
            break
        if family and family.endswith(f" {region}"):
            return Face(path, index)
    return Face(path)
