"""Prompts in many scripts, and the fonts that have them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

from PIL import ImageFont

INTER: Final = Path(str(files("fontpkg_inter") / "files" / "Inter[opsz,wght].ttf"))
NOTO: Final = Path(str(files("noto_cjk_sans_otc") / "NotoSansCJK-Regular.ttc"))
# Numbers of the fonts in the collection.
JAPANESE, KOREAN, CHINESE, TAIWANESE = range(4)

# Drawn letter by letter, each with a font that has all of it.
DRAWN: Final = {
    "Latin": ("Zwei Kätzchen, façade, Łódź, Győr, İstanbul, Trần Hưng Đạo, ǎǐǒǔ", INTER, 0),
    "Greek": ("Δύο γάτες στη θάλασσα, ἀρχαῖον κάλλος", INTER, 0),
    "Cyrillic": ("Два кота в море — «на рассвете», їжак, Ђорђе", INTER, 0),
    "Chinese": ("两只猫在海上航行，水彩画风格。", NOTO, CHINESE),  # noqa: RUF001 -- full width is meant
    "Japanese": ("海の上の二匹の猫、「夜明け」", NOTO, JAPANESE),
    "Korean": ("바다위의두고양이수채화", NOTO, KOREAN),
    "Taiwanese": ("海上的兩隻貓ㄇㄠ", NOTO, TAIWANESE),
}
# Replaced by notes, typed here.
NOTED: Final = {
    "قطتان في البحر": "[Arabic, 14 characters]",
    "שני חתולים, 2!": "[Hebrew, 10 characters], 2!",
    "समुद्र में": "[Devanagari, 10 characters]",
    "แมวสองตัว": "[Thai, 9 characters]",
    "\u1c5a": "[Ol Chiki]",
    "a cat \U0001f431 at sea": "a cat [emoji] at sea",
    "\U0001f431, \U0001f436\u200d\U0001f9ba!": "[emoji, 6 characters]!",
    "gold مرحبا بكم \U0001f431": "gold [Arabic, 9 characters] [emoji]",
    "\u0301\u0302 \u20dd": "[combining mark, 4 characters]",
    "a\x00\x1b[0m": "a[control, 2 characters][0m",
    "\u200b\u202e": "[invisible, 2 characters]",
    "\ue000": "[private use]",
    "\u0378": "[unassigned]",
    " \t\n": "[white space, 3 characters]",
}
# Drawn as the same letters in another form.
RESPELT: Final = {
    "e\u0301": "é",
    "\u1112\u1161\u11ab": "한",
    "\ufb01ne": "fine",
    "\U0001d4f1\U0001d4f2": "hi",
    "за\u0301мок": "замок",  # noqa: RUF001 -- Cyrillic; a mark that composes with no letter is left out
    "\u2764\ufe0f": "\u2764",
    "one \n  two": "one two",
}
MORE: Final = {
    "empty": "",
    "long": ("the two of them at sea, soft light " * 100)[:2500],
    "no spaces": "thetwoofthematseawatercolour" * 20,
    "wide": "W" * 400,
}


def opened(path: Path, number: int, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), size, number, layout_engine=ImageFont.Layout.BASIC)
