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
from kling_mock.images.text import Ramp, draw_line, wrap
from kling_mock.images.thumbnails import open_thumbnail
from kling_mock.images.urls import PictureInfo
from kling_mock.task_request import PictureRecord

Colour = tuple[int, int, int]
Box = tuple[int, int, int, int]

GROUND: Final[Colour] = (20, 22, 30)
CARD: Final[Colour] = (34, 37, 49)
INK: Final[Colour] = (240, 242, 248)
FAINT: Final[Colour] = (146, 152, 172)
DIM: Final[Colour] = (118, 124, 144)
PALE: Final[Colour] = (204, 208, 220)
SCENE: Final[Colour] = (52, 96, 150)
STYLE: Final[Colour] = (134, 66, 128)

GAP: Final = 16
CAPTION: Final = 148
STRIP: Final = 40
FACT_MINIMUM: Final = 60
STEPS: Final = 8
# A multiple of the cells of a pattern: nine columns and six rows.
PATTERN_SIZE: Final = (288, 192)
PLACES: Final = 256


# For more tiles, which only the setting `ignore` allows, there is neither room nor colours; the metadata has
# all pictures.
TILES_MAXIMUM: Final = 48


class _Palette:
    """The palette of a picture: colours by their index."""

    def __init__(self) -> None:
        self._places: dict[Colour, int] = {}

    def place(self, colour: Colour) -> int:
        """The place of a colour; of the nearest one if all are taken, as by more than six thumbnails."""
        if colour not in self._places and len(self._places) == PLACES:
            return self._places[min(self._places, key=lambda other: _distance(colour, other))]
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


def _distance(one: Colour, other: Colour) -> int:
    return sum((part - its) ** 2 for part, its in zip(one, other, strict=True))


def _between(low: int, high: int, step: int) -> int:
    return low + (high - low) * step // (STEPS - 1)


def draw_picture(result: PictureInfo) -> bytes:
    """A PNG of the result's size. Equal arguments give equal bytes."""
    palette = _Palette()
    image = Image.new("L", (result.width, result.height), palette.place(GROUND))
    _draw_caption(image, palette, result)
    if not result.pictures:
        box = (GAP, GAP, result.width - GAP - 1, result.height - CAPTION - GAP - 1)
        digest = sha256(f"{result.task_id}/{result.index}".encode()).digest()
        _draw_pattern(ImageDraw.Draw(image), palette, box, digest)
    tiles = result.pictures[:TILES_MAXIMUM]
    for box, picture in zip(_boxes(result, len(tiles)), tiles, strict=True):
        _draw_card(image, palette, box, picture)
    info = PngInfo()
    info.add_itxt(KEYWORD, metadata_text(result))
    image.putpalette(palette.colours())
    written = io.BytesIO()
    image.save(written, "PNG", compress_level=1, pnginfo=info)
    return written.getvalue()


def draw_pattern(picture: PictureRecord) -> bytes:
    """A small PNG of the pattern of an input picture, derived from its digest."""
    palette = _Palette()
    image = Image.new("L", PATTERN_SIZE)
    pen = ImageDraw.Draw(image)
    right, bottom = PATTERN_SIZE[0] - 1, PATTERN_SIZE[1] - 1
    _draw_pattern(pen, palette, (0, 0, right, bottom), bytes.fromhex(picture.sha256))
    image.putpalette(palette.colours())
    written = io.BytesIO()
    image.save(written, "PNG", compress_level=1)
    return written.getvalue()


def _boxes(result: PictureInfo, count: int) -> list[Box]:
    """Boxes for `count` pictures, in the grid whose boxes are closest to squares."""
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
    at, room = (left + 12, bottom - 13), right - left - 24
    ink, pale = palette.ramp(colour, INK), palette.ramp(colour, PALE)
    used = 0.0
    for line in wrap(label, 20, room, 1).lines:
        draw_line(image, at, line, ink, pale)
        used = line.width
    for line in wrap(picture.sha256[:8], 17, room, 1).lines:
        if used + GAP + line.width <= room:
            draw_line(image, (right - 12 - round(line.width), at[1]), line, pale, pale)


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
    baseline, step = top + 24, 36
    lines, whole = wrap(result.prompt or "(no prompt)", 27, room, 2)
    if not whole:
        baseline, step = top + 18, 25
        lines, whole = wrap(result.prompt, 21, room, 3)
    for line in lines:
        draw_line(image, (left, baseline), line, ink if result.prompt else faint, faint)
        baseline += step
    facts = [f"{result.index + 1} of {result.count}", result.aspect_ratio, result.model_name, result.task_id]
    _draw_facts(image, (left, top + 96), facts, room, faint)
    signed = [
        "kling-mock",
        "watermark" if result.watermark else None,
        None if whole else f"prompt of {len(result.prompt)} characters",
    ]
    _draw_facts(image, (left, top + 122), signed, room, palette.ramp(GROUND, DIM))


def _draw_facts(
    image: Image.Image, at: tuple[int, int], facts: list[str | None], room: int, ramp: Ramp
) -> None:
    """Facts on one line; one that does not fit is cut, and those behind it are left out."""
    used = 0
    for fact in filter(None, facts):
        if room - used < FACT_MINIMUM:
            break
        for line in wrap(fact, 19, room - used, 1).lines:
            draw_line(image, (at[0] + used, at[1]), line, ramp, ramp)
            used += round(line.width) + 28
