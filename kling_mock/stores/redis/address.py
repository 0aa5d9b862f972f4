"""The address of a namespace in Redis: `redis://HOST:PORT/0?namespace=NAME`, and the errors that name it."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self
from urllib.parse import parse_qsl, urlencode

from kling_contracts.explained_error import ExplainedError
from kling_contracts.extras import missing_package
from kling_contracts.redaction import hide_in_urls
from kling_mock.stores import StateNotKept

if TYPE_CHECKING:
    import redis

SCHEMES: Final = ("redis", "rediss", "unix")
DEFAULT_NAMESPACE: Final = "kling-mock"
# Scripts are replicated by their effects, and limit their memory before their first write.
OLDEST: Final = (7, 0)
# Seconds until a connection is established, or a reply arrives.
PATIENCE: Final = 5.0
# Of one process or event loop. Requests beyond that wait.
CONNECTIONS: Final = 32
_NAME: Final = re.compile(r"[\w.-]{1,64}", re.ASCII)


class RedisRefused(ExplainedError, ValueError):
    """A namespace that cannot be used; the message names the address, the reason and a remedy."""


class Address(NamedTuple):
    """A URL for redis-py, the name of the namespace, and the URL as it is shown: without the password."""

    url: str
    namespace: str
    shown: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """The address of a URL. Raises ValueError."""
        base, _, query = url.partition("?")
        scheme = base.partition("://")[0]
        if scheme not in SCHEMES:
            raise ValueError(f"state must be the path of a file; {scheme:.20}:// is not supported")
        place = base.partition("://")[2]
        database = place.partition("/")[2]
        if not place or (scheme != "unix" and not (database or "0").isdecimal()):
            raise ValueError(f"state: must be {scheme}://HOST:PORT/NUMBER; got {hide_in_urls(base):.100}")
        options = dict(parse_qsl(query, keep_blank_values=True))
        namespace = options.pop("namespace", DEFAULT_NAMESPACE)
        if _NAME.fullmatch(namespace) is None:
            raise ValueError(
                f"state: the namespace must be 1 to 64 letters, digits and . _ -; got {namespace!r:.100}"
            )
        shown = f"{hide_in_urls(base)}?namespace={namespace}"
        return cls(f"{base}?{urlencode(options)}" if options else base, namespace, shown)

    @property
    def prefix(self) -> str:
        """The beginning of all keys; the part in braces is the hash tag of a cluster."""
        return f"{{{self.namespace}}}:"


def connect(address: Address, *, asynchronous: bool = False, patience: float | None = PATIENCE) -> Any:
    """A client of redis-py, whose connections are opened when they are needed. Raises RedisRefused.

    It waits `patience` seconds for a reply; None: without a limit. It repeats nothing: a commit may have
    taken effect before its connection was lost.
    """
    try:
        import hiredis  # noqa: F401 # pyright: ignore[reportUnusedImport] -- for `Pipeline`
        import redis.asyncio
        from redis.backoff import NoBackoff
    except ModuleNotFoundError as error:
        raise RedisRefused(f"state {address.shown}: {missing_package(error, 'redis')}") from error
    library: Any = redis.asyncio if asynchronous else redis
    try:
        pool = library.BlockingConnectionPool.from_url(
            address.url,
            max_connections=CONNECTIONS,
            timeout=PATIENCE,
            protocol=2,
            retry=library.retry.Retry(NoBackoff(), 0),
            socket_timeout=patience,
            socket_connect_timeout=PATIENCE,
        )
        if not asynchronous:
            pool.connection_class(**pool.connection_kwargs)
    except ValueError as error:
        raise RedisRefused(f"state {address.shown}: {error}") from None
    except TypeError as error:  # of the constructor, whose arguments are the options of the URL
        raise RedisRefused(f"state {address.shown}: an option that redis-py does not know: {error}") from None
    return library.Redis.from_pool(pool)


@contextmanager
def explained(address: Address, *, writes: bool = False) -> Generator[None]:
    """Raise StateNotKept for errors of Redis and of the connection. `writes`: of a commit."""
    from redis import exceptions

    try:
        yield
    except exceptions.RedisError as error:
        reason = _reason(error, address, writes=writes)
        if reason is None:
            raise
        raise StateNotKept(f"state {address.shown}: {reason}") from error


def _reason(error: redis.RedisError, address: Address, *, writes: bool) -> str | None:
    """The reason and remedy of an error; None for an error of the scripts themselves."""
    from redis import exceptions

    text = str(error)
    if isinstance(error, exceptions.OutOfMemoryError):
        return "the memory of Redis is full (maxmemory); raise it, or free some"
    if isinstance(error, exceptions.ReadOnlyError):
        return "it is a read-only replica; use the address of the primary"
    if isinstance(error, exceptions.BusyLoadingError):
        return "Redis is loading its data; try again later"
    if isinstance(error, exceptions.AuthenticationError | exceptions.NoPermissionError):
        return f"Redis refuses the user: {text:.200}"
    if isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError):
        unknown = "; the request may have taken effect" if writes else ""
        return f"Redis does not answer ({text or type(error).__name__:.200}){unknown}; start it, or try again"
    if text.startswith(("KLINGMOCK foreign", "WRONGTYPE")):
        return (
            f"the namespace {address.namespace} has keys that kling-mock did not write; "
            "use another ?namespace=NAME"
        )
    if text.startswith("KLINGMOCK format"):
        return (
            f"the namespace {address.namespace} was written by another version of kling-mock; "
            "upgrade this one, or use another ?namespace=NAME"
        )
    if text.startswith(("MISCONF", "NOREPLICAS", "MASTERDOWN", "BUSY", "CLUSTERDOWN", "TRYAGAIN", "MOVED")):
        return text[:300]
    return None


def check_version(address: Address, info: dict[str, Any]) -> None:
    """Raise RedisRefused if the server is too old, or does not report its version."""
    version = str(info.get("redis_version", ""))
    numbers = tuple(int(each) for each in re.findall(r"\d+", version)[:2])
    if numbers < OLDEST:
        raise RedisRefused(
            f"state {address.shown}: the server has version {version or 'unknown'}; "
            f"use Redis {OLDEST[0]}.{OLDEST[1]} or later, or Valkey"
        )
