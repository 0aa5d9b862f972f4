"""The body of a create: exactly the arguments given, checked against the contract before they are sent."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from kling_client.errors import ConfigError, InvalidRequest
from kling_client.images import Image, ImageLike, to_wire
from kling_contracts.operations import MULTI_IMAGE, Operation, validate

# The page of one operation spells it so; everybody else, Kling itself included, has `scene_image`.
_SCENES: Final = {MULTI_IMAGE.name: "scence_image"}
_SCENE: Final = "scene_image"
SUBJECT: Final = "subject_image"
STYLE: Final = "style_image"


def picture_keys(operation: Operation) -> frozenset[str]:
    """The keys in a body of the operation whose values are pictures."""
    return frozenset({SUBJECT, STYLE, _scene(operation)})


def _scene(operation: Operation) -> str:
    return _SCENES.get(operation.name, _SCENE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRequest:
    """The arguments of `generate`. None means: not given, so not sent, so the server's default."""

    images: Sequence[ImageLike]
    prompt: str | None = None
    aspect_ratio: str | None = None
    n: int | None = None
    scene: ImageLike | None = None
    style: ImageLike | None = None
    model: str | None = None
    callback_url: str | None = None
    external_task_id: str | None = None
    extra: Mapping[str, object] | None = None

    def to_wire(self, operation: Operation) -> dict[str, object]:
        """The body for an operation. A field in `extra` replaces the argument of that name."""
        one = isinstance(self.images, str | bytes | os.PathLike | Image)
        if one or not isinstance(self.images, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass None
            raise ConfigError(f"images must be a list of pictures, not one {type(self.images).__name__}")
        pictures = [{SUBJECT: to_wire(image)} for image in self.images]
        given = {
            "subject_image_list": pictures,
            "model_name": self.model,
            "prompt": self.prompt,
            _scene(operation): None if self.scene is None else to_wire(self.scene),
            STYLE: None if self.style is None else to_wire(self.style),
            "n": self.n,
            "aspect_ratio": self.aspect_ratio,
            "callback_url": self.callback_url,
            "external_task_id": self.external_task_id,
        }
        return {name: value for name, value in given.items() if value is not None} | dict(self.extra or {})


@dataclass(frozen=True, slots=True)
class Draft:
    """A create that is ready to go: its JSON, and the caller's own id for the case that no answer comes."""

    content: bytes
    external_task_id: str | None


def write(request: CreateRequest, operation: Operation, *, check: bool) -> Draft:
    """Encode a request for an operation.

    Raises ConfigError if JSON cannot hold it, InvalidRequest for what `check` finds.
    """
    body = request.to_wire(operation)
    try:
        # ASCII escapes carry what `check=False` lets through and UTF-8 could not: lone surrogates.
        content = json.dumps(body, allow_nan=False, separators=(",", ":")).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"the request cannot be written as JSON: {error}") from error
    if check:
        # What JSON made of it is what the service will see: tuples are arrays, keys are text.
        seen = cast("object", json.loads(content)) if request.extra else body
        violations = validate(seen, operation)
        if violations:
            raise InvalidRequest(violations)
    external_id = body.get("external_task_id")
    return Draft(content, external_id if isinstance(external_id, str) and external_id else None)
