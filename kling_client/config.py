"""Where the service is and with which key: explicit argument, then environment, then default."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlsplit

from contracts.gateways import COMETAPI
from contracts.vocabulary import API_KEY_VARIABLE, BASE_URL_VARIABLE, MEGABYTE
from kling_client.errors import ConfigError
from kling_client.retry import Clock, Poll, Retry, require_seconds

HIDDEN: Final = "[key]"
SHORTEST_SECRET: Final = 6

_PASTED_SCHEME: Final = re.compile(r"^bearer(\s+|$)", re.IGNORECASE)
_KEY: Final = re.compile(r"[\x21-\x7e]+")
# Ends that the client adds by itself. Other SDKs take base URLs that end so, and people paste them.
_ADDED: Final = re.compile(r"(/kling)?(/v1(/images(/[\w-]+)?)?)?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything a client was told, checked. The key is in no repr."""

    api_key: str = field(repr=False)
    base_url: str
    timeout: float
    retry: Retry
    poll: Poll
    max_image_bytes: int
    clock: Clock

    def __post_init__(self) -> None:
        require_seconds("timeout", self.timeout, above=True)
        if self.max_image_bytes < 1:
            raise ConfigError(f"max_image_bytes must be at least 1, not {self.max_image_bytes}")

    @property
    def create_url(self) -> str:
        return self.base_url + COMETAPI.create_path

    def task_url(self, task_id: str) -> str:
        """Where a task is queried. The id is one path segment, whatever is in it."""
        segment = quote(task_id, safe="", errors="backslashreplace")
        if not segment.strip("."):  # "." and ".." would be taken for directories
            segment = segment.replace(".", "%2E")
        return f"{self.create_url}/{segment}"

    def redact(self, text: str) -> str:
        """Text from outside without the key, should anybody have echoed it."""
        # A key of a few letters is a test's, and would hit ordinary words.
        return text.replace(self.api_key, HIDDEN) if len(self.api_key) >= SHORTEST_SECRET else text


DEFAULT_MAX_IMAGE_BYTES: Final = 100 * MEGABYTE


def resolve_key(explicit: str | None) -> str:
    """The key, without white space around it or a pasted `Bearer` in front. Raises ConfigError."""
    given = os.environ.get(API_KEY_VARIABLE, "") if explicit is None else explicit
    key = _PASTED_SCHEME.sub("", given.strip())
    if not key and explicit is None:
        raise ConfigError(f"no API key: set {API_KEY_VARIABLE} or pass api_key")
    if not key:
        raise ConfigError(f"api_key is blank: leave it out to use {API_KEY_VARIABLE}")
    if not _KEY.fullmatch(key):
        raise ConfigError(
            "the API key holds white space, control or non-ASCII characters (it is not shown here)"
        )
    return key


def resolve_base_url(explicit: str | None) -> str:
    """The origin of the service and any path it is mounted under, without a slash at the end."""
    given = os.environ.get(BASE_URL_VARIABLE, "").strip() if explicit is None else explicit.strip()
    if not given and explicit is not None:
        raise ConfigError(
            f"base_url is blank: leave it out to use {BASE_URL_VARIABLE} or {COMETAPI.base_url}"
        )
    url = (given or COMETAPI.base_url).rstrip("/")
    try:
        parts = urlsplit(url)
        usable = (
            parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
        )
    except ValueError:  # a port that is no number, a broken IPv6 address
        parts, usable = urlsplit(""), False
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            "the base URL holds a user name or password (not shown here); give the key as api_key"
        )
    if not usable or parts.query or parts.fragment or not url.isprintable() or " " in url:
        raise ConfigError(f"the base URL must be an absolute http(s) URL without query, not {given!r}")
    added = _ADDED.search(parts.path)
    if added and added.group():
        way_out = url[: len(url) - len(added.group())]
        raise ConfigError(
            f"the base URL must not end with {added.group()}, which the client adds by itself: use {way_out}"
        )
    return url
