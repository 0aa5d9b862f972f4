"""The JSON body of a create request, from the fields and pictures that are kept of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from kling_contracts.vocabulary import WATERMARK
from kling_mock.journal_limits import TEXT_KEPT
from kling_mock.task_request import TaskRequest

_STEP: Final = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_TRUNCATED: Final = re.compile(r"\.\.\. \(\d+ characters\)")
_ENDING: Final = 40


@dataclass(frozen=True, slots=True)
class InlinePicture:
    """The place of a picture that was sent inline; its bytes are not kept. `size` is in bytes.

    `name` is `picture1`, `picture2`, ... `field` is the path in the body.
    """

    name: str
    field: str
    size: int
    sha256: str

    def describe(self) -> str:
        return f"the picture sent as {self.field}: {self.size} bytes, SHA-256 {self.sha256}"


def body_of(request: TaskRequest) -> dict[str, Any]:
    """The body with all kept fields; in place of each inline picture an `InlinePicture`.

    Raises ValueError if a value was truncated in the journal.
    """
    body: dict[str, Any] = {}
    for name, value in request.values.items():
        if (
            isinstance(value, str)
            and len(value) > TEXT_KEPT
            and _TRUNCATED.search(value, len(value) - _ENDING)
        ):
            raise ValueError(f"{name}: only its first {TEXT_KEPT} characters are kept")
        _put(body, name, deepcopy(value))
    count = 0
    for each in request.pictures:
        value = each.url
        if value is None:
            count += 1
            _put(body, each.field, InlinePicture(f"picture{count}", each.field, each.size, each.sha256))
        else:
            _put(body, each.field, value)
    if request.watermark:
        body[WATERMARK.value] = {"enabled": True}
    return body


def pictures_in(value: object) -> Iterator[InlinePicture]:
    """The places of inline pictures in a body, in order."""
    match value:
        case InlinePicture():
            yield value
        case dict():
            for each in value.values():  # pyright: ignore[reportUnknownVariableType] -- JSON
                yield from pictures_in(each)  # pyright: ignore[reportUnknownArgumentType] -- the same
        case list():
            for each in value:  # pyright: ignore[reportUnknownVariableType] -- the same
                yield from pictures_in(each)  # pyright: ignore[reportUnknownArgumentType] -- the same
        case _:
            return


def _put(body: dict[str, Any], path: str, value: object) -> None:
    """Set the value at a path such as `subject_image_list[0].subject_image`."""
    steps = [step[1] or int(step[2]) for step in _STEP.finditer(path)]
    place: Any = body
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        made: Any = value if following is None else [] if isinstance(following, int) else {}
        if isinstance(step, str):
            place = place.setdefault(step, made)
        else:
            if step == len(place):
                place.append(made)
            place = place[step]
