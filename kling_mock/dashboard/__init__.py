"""The dashboard: a page at `/_mock/` that shows and steers a server by its control API.

Its files contain no secret and do not depend on the server, so they are served without the token.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from types import MappingProxyType
from typing import Final, NamedTuple

from kling_contracts.vocabulary import CONTROL_PREFIX
from kling_mock.http import Headers, Reply, Request

MEDIA_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "html": "text/html; charset=utf-8",
        "css": "text/css; charset=utf-8",
        "js": "text/javascript; charset=utf-8",
        "svg": "image/svg+xml",
    }
)
FOLDER: Final = f"{CONTROL_PREFIX}/ui/"
# The page loads nothing of other hosts, and runs no script and inserts no HTML that it receives as data.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_HEADERS: Final[Headers] = (
    # A browser asks whether its copy is current, so that it never has files of two versions.
    ("cache-control", "no-cache"),
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
)


class File(NamedTuple):
    """A file of the page, with a tag of its content."""

    content: bytes
    media_type: str
    etag: str


@lru_cache(maxsize=1)
def page_files() -> Mapping[str, File]:
    """The files of the page by their paths in URLs. They are read once."""
    found: dict[str, File] = {}
    for file in files(__name__).iterdir():
        name = file.name
        media_type = MEDIA_TYPES.get(name.rpartition(".")[2])
        if media_type is not None:
            content = file.read_bytes()
            path = f"{CONTROL_PREFIX}/" if name == "index.html" else FOLDER + name
            found[path] = File(content, media_type, f'"{sha256(content).hexdigest()[:20]}"')
    return MappingProxyType(found)


def page_reply(request: Request) -> Reply | None:
    """The reply to a request for the page or one of its files; None for every other request."""
    if request.method not in ("GET", "HEAD"):
        return None
    if request.path == CONTROL_PREFIX:  # relative, since the application may be mounted under a prefix
        return Reply(307, (("location", f"{CONTROL_PREFIX.rpartition('/')[2]}/"), *_HEADERS), b"")
    file = page_files().get(request.path)
    if file is None:
        return None
    headers = (("content-type", file.media_type), ("etag", file.etag), *_HEADERS)
    if request.header("if-none-match") == file.etag:
        return Reply(304, headers, b"")
    return Reply(200, headers, file.content)
