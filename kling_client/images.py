"""Images to send: a file, bytes or a URL. Files and bytes become raw base64."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, cast

from kling_client.errors import ConfigError
from kling_contracts.vocabulary import BODY_MAXIMUM, MEGABYTE


@dataclass(frozen=True, slots=True)
class Image:
    """An image in its wire form.

    `wire` is an http(s) URL or raw base64 without a `data:` prefix, `file` the path it was read from, which
    error messages show.
    """

    wire: str
    file: str | None = field(default=None, compare=False)

    @classmethod
    def from_path(cls, path: str | os.PathLike[str]) -> Image:
        """Read a PNG or JPEG file. Raises OSError if it cannot be read, ConfigError if it is too large."""
        file = Path(path)
        size = file.stat().st_size
        if size > BODY_MAXIMUM.value:
            limit = BODY_MAXIMUM.value // MEGABYTE
            raise ConfigError(
                f"{file}: must fit into a request of at most {limit} MB; got {size / MEGABYTE:.1f} MB"
            )
        return cls(base64.b64encode(file.read_bytes()).decode("ascii"), str(path))

    @classmethod
    def from_bytes(cls, data: bytes) -> Image:
        """Encode the content of a PNG or JPEG file."""
        return cls(base64.b64encode(data).decode("ascii"))

    @classmethod
    def from_url(cls, url: str) -> Image:
        """An image that the service downloads itself."""
        return cls(url)

    def __repr__(self) -> str:
        if "://" in self.wire[:10]:
            return f"Image.from_url({self.wire!r})"
        digest = hashlib.sha256(self.wire.encode("utf-8", "backslashreplace")).hexdigest()[:8]
        return f"<Image {len(self.wire)} characters of base64, sha256 {digest}>"


ImageLike: TypeAlias = Image | os.PathLike[str] | str | bytes
"""An `Image`, a file as a Path, the bytes of a file, or a string that is sent unchanged: URL or base64."""


def to_wire(image: ImageLike) -> str:
    """The wire form of an image. Raises OSError for an unreadable file, ConfigError for another type."""
    match image:
        case Image():
            return image.wire
        case str():
            return image
        case bytes():
            return Image.from_bytes(image).wire
        case os.PathLike():
            return Image.from_path(image).wire
        case _:
            raise ConfigError(
                f"image: must be a Path, bytes, an Image, or a string with a URL or base64, "
                f"not {type(image).__name__}"
            )


def file_of(image: object) -> str | None:
    """The path of an image that was given as a file, else None."""
    if isinstance(image, Image):
        return image.file
    return os.fsdecode(cast("os.PathLike[str]", image)) if isinstance(image, os.PathLike) else None
