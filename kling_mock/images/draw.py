"""Draws result pictures with Pillow: a tile for each input picture, and a caption with prompt and task id.

Pictures are drawn in palette colours, which is several times faster than quantising a drawn picture.
"""

from __future__ import annotations

import colorsys
import io
from hashlib import sha256
from typing import Final

from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from kling_mock.images.metadata import KEYWORD, metadata_text
from kling_mock.images.text import Ramp, set_line, wrap
from kling_mock.images.thumbnails import open_thumbnail
from kling_mock.images.urls import PictureInfo
from kling_mock.records import PictureRecord

Colour = tuple[int, int, int]
Box = tuple[int, int, int, int]

GROUND: Final[Colour] = (20, 22, 30)
CARD: Final[Colour] = (34, 37, 49)
INK: Final[Colour] = (240, 242, 248)
FAINT: Final[Colour] = (146, 152, 172)
SCENE: Final[Colour] = (52, 96, 150)
STYLE: Final[Colour] = (134, 66, 128)

GAP: Final = 16
CAPTION: Final = 148
STRIP: Final = 40
STEPS: Final = 8


class _Palette:
    """The palette of a picture: colours by their index."""

    def __init__(self) -> None:
        self._places: dict[Colour, int] = {}

    def place(self, colour: Colour) -> int:
        return self._places.setdefault(colour, len(self._places))

    def ramp(self, ground: Colour, ink: Colour) -> Ramp:
        """The palette indices of even steps from ground to ink, for antialiased letters."""
        return tuple(
            self.place(
                (
                    _between(ground[0], ink[0], step),
                    _between(ground[1], ink[1], step),
                    _between(ground[2], ink[2], step),
                )
            )
            for step in range(STEPS)
        )

    def colours(self) -> list[int]:
        return [part for colour in self._places for part in colour]


def _between(low: int, high: int, step: int) -> int:
    return low + (high - low) * step // (STEPS - 1)


def draw_picture(result: PictureInfo) -> bytes:
    """A PNG of the result's size. Equal arguments give equal bytes."""
    palette = _Palette()
    image = Image.new("L", (result.width, result.height), palette.place(GROUND))
    if not result.pictures:
        box = (GAP, GAP, result.width - GAP - 1, result.height - CAPTION - 1)
        digest = sha256(f"{result.task_id}/{result.index}".encode()).digest()
        _draw_pattern(ImageDraw.Draw(image), palette, box, digest)
    for box, picture in zip(_boxes(result), result.pictures, strict=True):
        _draw_card(image, palette, box, picture)
    _draw_caption(image, palette, result)
    info = PngInfo()
    info.add_itxt(KEYWORD, metadata_text(result))
    image.putpalette(palette.colours())
    written = io.BytesIO()
    image.save(written, "PNG", compress_level=1, pnginfo=info)
    return written.getvalue()


def _boxes(result: PictureInfo) -> list[Box]:
    """One box per picture, in the grid whose boxes are closest to squares."""
    count = len(result.pictures)
    if not count:
        return []
    room = (result.width, result.height - CAPTION)

    def size(columns: int) -> tuple[int, int]:
        rows = -(-count // columns)
        return (room[0] - GAP * (columns + 1)) // columns, (room[1] - GAP * (rows + 1)) // rows

    columns = max(range(1, count + 1), key=lambda number: min(size(number)))
    wide, high = size(columns)
    boxes: list[Box] = []
    for at in range(count):
        row, column = divmod(at, columns)
        # An incomplete last row is centred.
        left_over = columns - min(columns, count - row * columns)
        left = GAP + (wide + GAP) * column + (wide + GAP) * left_over // 2
        top = GAP + (high + GAP) * row
        boxes.append((left, top, left + wide - 1, top + high - 1))
    return boxes


def _draw_card(image: Image.Image, palette: _Palette, box: Box, picture: PictureRecord) -> None:
    """A thumbnail, or a pattern derived from the picture's digest, and a strip with field and digest."""
    left, top, right, bottom = box
    pen = ImageDraw.Draw(image)
    label, colour = _role(picture.field)
    pen.rectangle(box, fill=palette.place(colour))
    inner = (left, top, right, bottom - STRIP)
    if picture.thumbnail is None:
        _draw_pattern(pen, palette, inner, bytes.fromhex(picture.sha256))
    else:
        _paste_thumbnail(image, palette, inner, picture.thumbnail)
    baseline = bottom - STRIP + 8
    used = set_line(image, (left + 12, baseline), label, 20, palette.ramp(colour, INK))
    digest = picture.sha256[:8]
    if right - left > used + 130:
        set_line(image, (right - 96, baseline + 3), digest, 17, palette.ramp(colour, FAINT))


def _paste_thumbnail(image: Image.Image, palette: _Palette, box: Box, data: bytes) -> None:
    """The thumbnail, scaled to the box and centred on the background."""
    left, top, right, bottom = box
    wide, high = right - left + 1, bottom - top + 1
    small, colours = open_thumbnail(data)
    factor = min(wide / small.width, high / small.height)
    size = (max(round(small.width * factor), 1), max(round(small.height * factor), 1))
    places = [palette.place(colour) for colour in colours]
    table = [places[min(value, len(places) - 1)] for value in range(256)]
    shown = small.resize(size, Image.Resampling.NEAREST).point(table, "L")  # pyright: ignore[reportUnknownMemberType] -- Pillow names a type of numpy
    ImageDraw.Draw(image).rectangle(box, fill=palette.place(GROUND))
    image.paste(shown, (left + (wide - size[0]) // 2, top + (high - size[1]) // 2))


def _role(field: str) -> tuple[str, Colour]:
    if field.startswith("subject_image_list"):
        number = int(field.partition("[")[2].partition("]")[0]) + 1
        return f"subject {number}", CARD
    if field.startswith("style"):
        return "style", STYLE
    return ("scene" if field in ("scence_image", "scene_image") else field), SCENE


def _draw_pattern(pen: ImageDraw.ImageDraw, palette: _Palette, box: Box, digest: bytes) -> None:
    """A mirrored pattern of nine by six cells in three colours, all derived from the digest."""
    left, top, right, bottom = box
    hue = digest[0] / 256
    ground = palette.place(_colour(hue, 0.42, 0.34))
    inks = (
        palette.place(_colour(hue + 0.06 + digest[1] / 2048, 0.55, 0.88)),
        palette.place(_colour(hue + 0.45 + digest[2] / 2048, 0.40, 0.78)),
    )
    pen.rectangle(box, fill=ground)
    columns, rows = 9, 6
    bits = int.from_bytes(digest[4:16])
    for cell in range(5 * rows):
        choice = bits >> (cell * 2) & 3
        if choice < 2:
            continue
        row, column = divmod(cell, 5)
        for across in {column, columns - 1 - column}:
            pen.rectangle(
                (
                    left + (right - left + 1) * across // columns,
                    top + (bottom - top + 1) * row // rows,
                    left + (right - left + 1) * (across + 1) // columns - 1,
                    top + (bottom - top + 1) * (row + 1) // rows - 1,
                ),
                fill=inks[choice - 2],
            )


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _draw_caption(image: Image.Image, palette: _Palette, result: PictureInfo) -> None:
    top = result.height - CAPTION + 4
    hue = int(result.task_id[-4:]) / 10_000 + result.index / max(result.count, 1)
    accent = palette.place(_colour(hue, 0.6, 0.9))
    pen = ImageDraw.Draw(image)
    pen.rectangle((GAP, top, GAP + 5, result.height - GAP - 1), fill=accent)
    left, room = GAP + 20, result.width - 2 * GAP - 20
    ink, faint = palette.ramp(GROUND, INK), palette.ramp(GROUND, FAINT)
    lines = wrap(result.prompt, 27, room, 2)
    for at, text in enumerate(lines or ["(no prompt)"]):
        set_line(image, (left, top - 4 + 36 * at), text, 27, ink if lines else faint)
    begin = float(left)
    facts = (f"{result.index + 1} of {result.count}", result.aspect_ratio, result.model_name, result.task_id)
    for fact in filter(None, facts):
        begin += set_line(image, (round(begin), top + 76), fact, 19, faint) + 28
    set_line(image, (left, top + 102), "kling-mock", 19, palette.ramp(GROUND, (92, 97, 116)))
