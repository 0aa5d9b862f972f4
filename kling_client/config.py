"""Which gateway, where it is, and with what: explicit argument, then environment, then default."""

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
from kling_contracts.vocabulary import BASE_URL_VARIABLE, MEGABYTE

DEFAULT_GATEWAY: Final = COMETAPI.name
DEFAULT_TIMEOUT: Final = 30.0
DEFAULT_RETRY: Final = Retry()
DEFAULT_POLL: Final = Poll()
DEFAULT_MAX_IMAGE_BYTES: Final = 100 * MEGABYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything a client was told, checked. The key is in no repr."""

    gateway: Gateway
    credentials: Credentials = field(repr=False)
    base_url: str
    timeout: float = DEFAULT_TIMEOUT
    retry: Retry = DEFAULT_RETRY
    poll: Poll = DEFAULT_POLL
    max_image_bytes: int = DEFAULT_MAX_IMAGE_BYTES
    clock: Clock = monotonic

    def __post_init__(self) -> None:
        require_seconds("timeout", self.timeout, above=True)
        if self.max_image_bytes < 1:
            raise ConfigError(f"max_image_bytes must be at least 1, not {self.max_image_bytes}")

    @property
    def operation(self) -> Operation:
        """The operation that tasks are created for: the main one of the gateway."""
        return self.gateway.main

    @property
    def create_url(self) -> str:
        return self.base_url + self.gateway.create_path

    def task_url(self, task_id: str) -> str:
        """Where a task is queried. The id is one path segment, whatever is in it."""
        segment = quote(task_id, safe="", errors="backslashreplace")
        if not segment.strip("."):  # "." and ".." would be taken for directories
            segment = segment.replace(".", "%2E")
        return f"{self.create_url}/{segment}"

    def page_url(self, number: int, size: int) -> str:
        """Where a page of the list of tasks is."""
        names = [parameter.name for parameter in PAGING]
        return f"{self.create_url}?{urlencode(dict(zip(names, (number, size), strict=True)))}"

    def redact(self, text: str) -> str:
        """Text from outside without the key, should anybody have echoed it."""
        return self.credentials.redact(text)


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
    """The configuration for the arguments of a client. Raises ConfigError."""
    found = find_gateway(gateway) if isinstance(gateway, str) else gateway
    if operation is not None:
        found = focus(found, operation)
    return Config(
        gateway=found,
        credentials=resolve_credentials(found, api_key, access_key, secret_key),
        base_url=resolve_base_url(found, base_url),
        timeout=timeout,
        retry=retry,
        poll=poll,
        max_image_bytes=max_image_bytes,
        clock=clock,
    )


def find_gateway(name: str) -> Gateway:
    """The gateway of a name. Raises ConfigError that lists them."""
    for gateway in GATEWAYS:
        if gateway.name == name:
            return gateway
    known = " and ".join(repr(gateway.name) for gateway in GATEWAYS)
    raise ConfigError(f"there is no gateway {name!r}: there are {known}")


def focus(gateway: Gateway, operation: str | Operation) -> Gateway:
    """The gateway with an operation as its main one. Raises ConfigError if it has no such operation."""
    try:
        found = gateway.find_operation(operation) if isinstance(operation, str) else operation
        return gateway.focused(found)
    except LookupError as error:
        raise ConfigError(str(error)) from error


def resolve_base_url(gateway: Gateway, explicit: str | None) -> str:
    """The origin of the service and any path it is mounted under, without a slash at the end."""
    given = os.environ.get(BASE_URL_VARIABLE, "").strip() if explicit is None else explicit.strip()
    if not given and explicit is not None:
        raise ConfigError(f"base_url is blank: leave it out to use {BASE_URL_VARIABLE} or {gateway.base_url}")
    url = (given or gateway.base_url).rstrip("/")
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
    # Ends that the client adds by itself. Other SDKs take base URLs that end so, and people paste them.
    kinds = "|".join(sorted({re.escape(route.tail.partition("/")[0]) for route in gateway.routes}))
    added = re.search(rf"({re.escape(gateway.prefix)})?(/v1(/(?:{kinds})(/[\w-]+)*)?)?$", parts.path)
    if added and added.group():
        way_out = url[: len(url) - len(added.group())]
        raise ConfigError(
            f"the base URL must not end with {added.group()}, which the client adds by itself: use {way_out}"
        )
    return url
