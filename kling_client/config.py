"""Configuration of a client. Each value comes from the argument, else the environment, else a default."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from kling_client.credentials import Credentials, resolve_credentials
from kling_client.errors import ConfigError
from kling_client.retry import Clock, Poll, Retry, monotonic, require_seconds
from kling_contracts.gateways import COMETAPI, GATEWAYS, PAGING, Gateway
from kling_contracts.operations import Operation
from kling_contracts.redaction import hide_in_urls
from kling_contracts.vocabulary import BASE_URL_VARIABLE, MEGABYTE

DEFAULT_GATEWAY: Final = COMETAPI.name
DEFAULT_TIMEOUT: Final = 30.0
DEFAULT_DEADLINE: Final = 600.0
DEFAULT_RETRY: Final = Retry()
DEFAULT_POLL: Final = Poll()
DEFAULT_MAX_IMAGE_BYTES: Final = 100 * MEGABYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The configuration of a client, which `configure` validates. Its repr does not contain the key."""

    gateway: Gateway
    credentials: Credentials = field(repr=False)
    base_url: str
    timeout: float
    retry: Retry
    poll: Poll
    max_image_bytes: int
    clock: Clock

    @property
    def operation(self) -> Operation:
        """The operation of new tasks: the gateway's main one."""
        return self.gateway.main

    @property
    def create_url(self) -> str:
        return self.base_url + self.gateway.create_path

    def task_url(self, task_id: str) -> str:
        """The URL to query a task. The id is escaped so that it is always one path segment."""
        segment = quote(task_id, safe="", errors="backslashreplace")
        if not segment.strip("."):  # HTTP libraries resolve the segments "." and ".."
            segment = segment.replace(".", "%2E")
        return f"{self.create_url}/{segment}"

    def page_url(self, number: int, size: int) -> str:
        """The URL of a page of the task list."""
        names = [parameter.name for parameter in PAGING]
        return f"{self.create_url}?{urlencode(dict(zip(names, (number, size), strict=True)))}"

    def redact(self, text: str) -> str:
        """Received text without the key, in whole or in part, and without secrets in URLs."""
        return hide_in_urls(self.credentials.redact(text))


def configure(  # noqa: PLR0913 -- options, all by keyword
    *,
    gateway: str | Gateway = DEFAULT_GATEWAY,
    operation: str | Operation | None = None,
    api_key: str | None = None,
    access_key: str | None = None,
    secret_key: str | None = None,
    base_url: str | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    retry: Retry = DEFAULT_RETRY,
    poll: Poll = DEFAULT_POLL,
    max_image_bytes: int = DEFAULT_MAX_IMAGE_BYTES,
    clock: Clock = monotonic,
) -> Config:
    """Build the configuration from the arguments of a client. Raises ConfigError; for the key last."""
    for name, kind, given in (("retry", Retry, retry), ("poll", Poll, poll)):
        if not isinstance(given, kind):  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass anything
            text = f"{name}: must be a {kind.__name__}, such as {kind.__name__}(first=2), not {given!r}"
            raise ConfigError(text)
    found = find_gateway(gateway) if isinstance(gateway, str) else gateway
    if operation is not None:
        found = focus(found, operation)
    require_seconds("timeout", timeout, above=True)
    if max_image_bytes < 1:
        raise ConfigError(f"max_image_bytes: must be at least 1, not {max_image_bytes}")
    return Config(
        gateway=found,
        base_url=resolve_base_url(found, base_url),
        credentials=resolve_credentials(found, api_key, access_key, secret_key),
        timeout=timeout,
        retry=retry,
        poll=poll,
        max_image_bytes=max_image_bytes,
        clock=clock,
    )


def find_gateway(name: str) -> Gateway:
    """The gateway of that name. Raises ConfigError with the known names."""
    for gateway in GATEWAYS:
        if gateway.name == name:
            return gateway
    known = " or ".join(repr(gateway.name) for gateway in GATEWAYS)
    raise ConfigError(f"gateway: must be {known}, not {name!r}")


def focus(gateway: Gateway, operation: str | Operation) -> Gateway:
    """The gateway with `operation` as its main one. Raises ConfigError if the gateway does not offer it."""
    try:
        found = gateway.find_operation(operation) if isinstance(operation, str) else operation
        return gateway.focused(found)
    except LookupError as error:
        raise ConfigError(str(error)) from error


def resolve_base_url(gateway: Gateway, explicit: str | None) -> str:
    """The service's origin plus an optional path prefix, without a trailing slash. Raises ConfigError."""
    given = os.environ.get(BASE_URL_VARIABLE, "").strip() if explicit is None else explicit.strip()
    if not given and explicit is not None:
        raise ConfigError(f"base_url is blank; omit it to use {BASE_URL_VARIABLE} or {gateway.base_url}")
    url = (given or gateway.base_url).rstrip("/")
    try:
        parts = urlsplit(url)
        usable = (
            parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
        )
    except ValueError:  # a port that is not a number, an invalid IPv6 address
        parts, usable = urlsplit(""), False
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            "base URL: must not contain a user name or password (value not shown); pass the key as api_key"
        )
    if not usable or parts.query or parts.fragment or not url.isprintable() or " " in url:
        raise ConfigError(
            "base URL: must be an absolute http(s) URL without query or fragment; "
            f"got {hide_in_urls(given)!r}"
        )
    # Path ends that the client appends itself. Base URLs copied from other SDKs often include them.
    kinds = "|".join(sorted({re.escape(route.tail.partition("/")[0]) for route in gateway.routes}))
    added = re.search(rf"({re.escape(gateway.prefix)})?(/v1(/(?:{kinds})(/[\w-]+)*)?)?$", parts.path)
    if added and added.group():
        shortened = url[: len(url) - len(added.group())]
        raise ConfigError(
            f"base URL: must not end with {added.group()}, which the client appends itself; use {shortened}"
        )
    return url
