"""Drawing result pictures with Pillow: a contact sheet of what the task was made from."""

from __future__ import annotations

import colorsys
import io

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from kling_mock.pictures import Sheet
from kling_mock.records import PictureRecord

GAP = 16
BAR = 120


def draw_sheet(sheet: Sheet) -> bytes:
    """A PNG of the sheet's size. Equal sheets give equal bytes."""
    image = Image.new("RGB", (sheet.width, sheet.height), (22, 24, 31))
    pen = ImageDraw.Draw(image)
    for box, picture in zip(_boxes(sheet), sheet.pictures, strict=True):
        _draw_tile(pen, box, picture)
    _draw_caption(pen, sheet)
    info = PngInfo()
    info.add_text("Software", "kling-mock")
    info.add_text("kling-mock:task_id", sheet.task_id)
    info.add_text("kling-mock:index", str(sheet.number))
    written = io.BytesIO()
    image.quantize(64).save(written, "PNG", compress_level=1, pnginfo=info)
    return written.getvalue()


def _boxes(sheet: Sheet) -> list[tuple[int, int, int, int]]:
    """One box per picture: as many columns as the sheet is wide for."""
    count = len(sheet.pictures)
    columns = max(1, min(count, round((count * sheet.width / sheet.height) ** 0.5)))
    rows = -(-count // columns)
    wide = (sheet.width - GAP * (columns + 1)) // columns
    high = (sheet.height - BAR - GAP * (rows + 1)) // rows
    corners = (
        (GAP + (wide + GAP) * (at % columns), GAP + (high + GAP) * (at // columns)) for at in range(count)
    )
    return [(left, top, left + wide, top + high) for left, top in corners]


def _colour(digest: bytes, at: int, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(digest[at] / 255, 0.35 + digest[at + 1] / 640, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _draw_tile(pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], picture: PictureRecord) -> None:
    """A tile of its own for each digest: an 8 x 4 mirrored pattern in two of its colours."""
    digest = bytes.fromhex(picture.sha256)
    left, top, right, bottom = box
    pen.rectangle(box, fill=_colour(digest, 0, 0.45))
    wide, high = (right - left) / 8, (bottom - top) / 4
    for cell in range(16):
        if not digest[4 + cell // 8] >> (cell % 8) & 1:
            continue
        row, column = divmod(cell, 4)
        for at in (column, 7 - column):
            corner = (left + at * wide, top + row * high)
            pen.rectangle((*corner, corner[0] + wide, corner[1] + high), fill=_colour(digest, 2, 0.85))
    field = picture.field.removesuffix(".subject_image").replace("subject_image_list", "subject ")
    pen.text((left + 10, top + 8), field, fill="white", font=ImageFont.load_default(20))


def _draw_caption(pen: ImageDraw.ImageDraw, sheet: Sheet) -> None:
    top = sheet.height - BAR + 8
    prompt = " ".join(sheet.prompt.split()) or "(no prompt)"
    # The bundled font has Latin letters only; what it lacks is shown as a dot instead of a box.
    shown = "".join(char if char.isascii() or "\u00a0" <= char < "\u0180" else "\u00b7" for char in prompt)
    limit = sheet.width // 13
    shown = shown if len(shown) <= limit else shown[: limit - 1].rstrip() + "..."
    pen.text((GAP, top), shown, fill="white", font=ImageFont.load_default(26))
    facts = f"{sheet.task_id}   {sheet.number + 1}/{sheet.of}   {sheet.aspect_ratio}   {sheet.model_name}"
    pen.text((GAP, top + 44), facts, fill=(150, 156, 172), font=ImageFont.load_default(20))
    pen.text((GAP, top + 74), "kling-mock", fill=(104, 110, 128), font=ImageFont.load_default(16))
