"""Pictures to send: from a file, from bytes, by URL. Files and bytes become raw base64."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from kling_client.errors import ConfigError
from kling_contracts.vocabulary import BODY_MAXIMUM, MEGABYTE


@dataclass(frozen=True, slots=True)
class Image:
    """A picture as it goes over the wire: `wire` is an http(s) URL or raw base64 without a `data:` prefix."""

    wire: str

    @classmethod
    def from_path(cls, path: str | os.PathLike[str]) -> Image:
        """The content of a file, read now. Raises OSError where it cannot be read."""
        file = Path(path)
        if file.stat().st_size > BODY_MAXIMUM.value:
            limit = BODY_MAXIMUM.value // MEGABYTE
            raise ConfigError(f"{file} is larger than any request may be ({limit} MB)")
        return cls.from_bytes(file.read_bytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> Image:
        """The content of a PNG or JPEG file."""
        return cls(base64.b64encode(data).decode("ascii"))

    @classmethod
    def from_url(cls, url: str) -> Image:
        """A picture that the service fetches by itself."""
        return cls(url)

    def __repr__(self) -> str:
        if "://" in self.wire[:10]:
            return f"Image.from_url({self.wire!r})"
        digest = hashlib.sha256(self.wire.encode("utf-8", "backslashreplace")).hexdigest()[:8]
        return f"<Image {len(self.wire)} characters of base64, sha256 {digest}>"


# Text is sent as it is: a URL, or base64 that was made already. A file is a Path.
ImageLike: TypeAlias = Image | os.PathLike[str] | str | bytes


def to_wire(image: ImageLike) -> str:
    """What is sent for a picture. Raises OSError for a file that cannot be read."""
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
            raise ConfigError(f"{image!r} is no picture: give a Path, bytes, an Image, a URL or base64")
