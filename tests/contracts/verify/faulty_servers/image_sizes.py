"""Servers that measure images wrongly, so that tasks succeed that must fail."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Final

from kling_contracts.gateways import COMETAPI, KLING, Gateway
from kling_contracts.image_files import PictureHeader, encoded, png, read_header
from tests.contracts.verify.faulty_servers.base import FaultyServer, Group
from tests.contracts.verify.faulty_servers.messages import Object, Request, as_object, subjects_in
from tests.contracts.verify.faulty_servers.tasks import everywhere

group: Final = Group()
Spares = Callable[[str, PictureHeader | None], bool]
# Most of these faults need more images than a small budget allows.
_IMAGES: Final = 40
_BOTH: Final = (COMETAPI, KLING)


def _sparing(rule: str, *gateways: Gateway, images: int = _IMAGES) -> Callable[[Spares], Spares]:
    """A faulty server as a predicate of a field and its image: such images are accepted as valid."""

    def note(spares: Spares) -> Spares:
        class Sparing(FaultyServer):
            def before(self, request: Request) -> None:
                for holder in _holders(request):
                    for name, value in holder.items():
                        pictured = name.endswith("_image") and isinstance(value, str) and bool(value)
                        if pictured and spares(name, _header(str(value))):
                            holder[name] = encoded(png(300, 300))
                            _ = request.body

        group.add(
            f"outcomes.{rule}",
            spares.__name__,
            (spares.__doc__ or "").strip(),
            Sparing,
            gateways or _BOTH,
            images=images,
        )
        return spares

    return note


def _holders(request: Request) -> list[Object]:
    """The objects of a create that contain images."""
    if not request.creates:
        return []
    return [request.peek, *map(as_object, subjects_in(request))]


_NO_BASE64: Final = PictureHeader("url", 1000, 1000)


def _header(text: str) -> PictureHeader | None:
    try:
        return read_header(base64.b64decode(text, validate=True))
    except ValueError:
        return _NO_BASE64


@_sparing("subject_image.min_side", images=20)
def looks_at_the_width(name: str, header: PictureHeader | None) -> bool:
    """Only the width of a subject image is checked."""
    return name == "subject_image" and header is not None and header.width >= 300 > header.height


@_sparing("subject_image.min_side")
def looks_at_the_height(name: str, header: PictureHeader | None) -> bool:
    """Only the height of a subject image is checked."""
    return name == "subject_image" and header is not None and header.height >= 300 > header.width


@_sparing("subject_image.shape")
def subjects_of_any_shape(name: str, header: PictureHeader | None) -> bool:
    """The aspect ratio of a subject image is not checked."""
    return name == "subject_image" and header is not None and max(header[1:]) > 2.5 * min(header[1:])


@_sparing("subject_image.format")
def subjects_of_any_kind(name: str, header: PictureHeader | None) -> bool:
    """The format of a subject image is not checked."""
    return name == "subject_image" and header is None


@_sparing("scence_image.min_side", COMETAPI)
def small_scences(name: str, header: PictureHeader | None) -> bool:
    """The size of the scene image is not checked."""
    return name == "scence_image" and header is not None and min(header[1:]) < 300


@_sparing("scene_image.min_side", KLING)
def small_scenes(name: str, header: PictureHeader | None) -> bool:
    """The size of the scene image is not checked."""
    return name == "scene_image" and header is not None and min(header[1:]) < 300


@_sparing("style_image.min_side")
def small_styles(name: str, header: PictureHeader | None) -> bool:
    """The size of the style image is not checked."""
    return name == "style_image" and header is not None and min(header[1:]) < 300


@group.server("outcomes.succeeds")
class NoJPEG(FaultyServer):
    """Tasks with JPEG subjects fail."""

    def before(self, request: Request) -> None:
        for entry in map(as_object, subjects_in(request)):
            if str(entry.get("subject_image")).startswith("/9j/"):
                entry["subject_image"] = encoded(png(20, 20))
                _ = request.body


@everywhere(group, "outcomes.succeeds")
def all_fail(task: Object) -> None:
    """Every task fails."""
    if task["task_status"] == "succeed":
        task |= {"task_status": "failed", "task_status_msg": "internal error", "task_result": {}}
        task.pop("final_unit_deduction", None)
