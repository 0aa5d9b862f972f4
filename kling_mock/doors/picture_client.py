"""Fetches pictures over HTTP, in threads: no key, cookie or proxy, with limits of size, time and redirects.

The host of each request is judged by the setting `fetch_images` before its name is resolved, and the address
to which the connection is made afterwards, so a name that resolves to another address later gains nothing.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import urljoin, urlsplit

from kling_contracts.redaction import hide_in_urls
from kling_contracts.virtual_time.threads import RealTimeThread, real_now
from kling_contracts.vocabulary import INPUT_BYTES_MAXIMUM
from kling_mock.callbacks.policy import is_loopback
from kling_mock.callbacks.post_request import USER_AGENT, Target, target_of
from kling_mock.fetched_pictures import FetchedPicture
from kling_mock.setting_types import Reach

# Each picture is fetched within this number of seconds of real time, redirects included.
FETCH_SECONDS: Final = 5.0
REDIRECTS_MAXIMUM: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HEADERS: Final = {"accept": "image/png, image/jpeg", "user-agent": USER_AGENT}


class NotAllowed(Exception):
    """The setting does not allow to fetch from a host."""


class NotFetched(Exception):
    """A picture cannot be fetched."""


def fetch_pictures(
    urls: Sequence[str], reach: Reach, seconds: float = FETCH_SECONDS
) -> Mapping[str, FetchedPicture]:
    """The pictures at these URLs, fetched in parallel, each within a number of seconds. It does not raise."""
    fetches = [_PictureFetch(url, reach) for url in urls]
    end = real_now() + seconds
    for each in fetches:
        each.start()
    for each in fetches:
        each.join(max(end - real_now(), 0.0))
    found: dict[str, FetchedPicture] = {}
    for each in fetches:
        result = each.result
        if result is None:
            each.abort()
            result = FetchedPicture(problem=f"no complete response within {seconds:g} s")
        found[each.url] = result
    return found


class _PictureFetch(RealTimeThread):
    """One fetch in a thread of its own, since no timeout of a socket limits the whole time."""

    def __init__(self, url: str, reach: Reach) -> None:
        super().__init__(name="kling-mock picture", daemon=True)
        self.url = url
        self.result: FetchedPicture | None = None
        self._reach = reach
        self._socket: socket.socket | None = None
        self._aborted = False

    def run(self) -> None:
        try:
            self.result = FetchedPicture(self._follow())
        except NotAllowed as problem:
            self.result = FetchedPicture(problem=str(problem), allowed=False)
        except NotFetched as problem:
            self.result = FetchedPicture(problem=str(problem))
        except Exception as problem:  # noqa: BLE001 -- of the network, a hostile response or a guard of names
            text = hide_in_urls(f"{type(problem).__name__}: {problem}")
            self.result = FetchedPicture(problem=text)

    def abort(self) -> None:
        """End the connection, so that the thread ends."""
        self._aborted = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _follow(self) -> bytes:
        url = self.url
        for _ in range(REDIRECTS_MAXIMUM + 1):
            answer = self._get(url)
            if isinstance(answer, bytes):
                return answer
            url = urljoin(url, answer)
        raise NotFetched(f"more than {REDIRECTS_MAXIMUM} redirects")

    def _get(self, url: str) -> bytes | str:
        """The body of a response with status 200, or the target of a redirect."""
        if urlsplit(url).scheme not in ("http", "https"):
            raise NotFetched(f"a redirect to {urlsplit(url).scheme or 'no'} scheme; only http and https are")
        target = target_of(url)
        connection = self._connect(target)
        try:
            connection.putrequest("GET", target.path_and_query, skip_host=True, skip_accept_encoding=True)
            for name, value in {"host": target.authority, **_HEADERS, "connection": "close"}.items():
                connection.putheader(name, value)
            connection.endheaders()
            with connection.getresponse() as response:
                location = response.getheader("location")
                if response.status in _REDIRECTS and location is not None:
                    return location
                if response.status != 200:
                    raise NotFetched(f"the response has status {response.status}")
                return _read(response)
        finally:
            self._socket = None
            connection.close()

    def _connect(self, target: Target) -> http.client.HTTPConnection:
        """A connection to an allowed address of the host."""
        addresses = self._addresses(target)
        for number, address in enumerate(addresses, 1):
            try:
                connected = socket.create_connection((address, target.port), FETCH_SECONDS)
                break
            except OSError:
                if number == len(addresses):
                    raise
        else:
            raise NotFetched(f"{target.host} has no address")
        self._socket = connected
        if self._aborted:
            connected.close()
            raise NotFetched("too late")
        connection = http.client.HTTPConnection(target.host, target.port, timeout=FETCH_SECONDS)
        connection.sock = connected
        if target.scheme == "https":
            try:
                context = ssl.create_default_context()
                connection.sock = self._socket = context.wrap_socket(connected, server_hostname=target.host)
            except BaseException:
                connected.close()
                raise
        return connection

    def _addresses(self, target: Target) -> list[str]:
        """The allowed addresses of a host, whose name is resolved only if it is allowed itself."""
        anywhere = self._reach == "any"
        if not anywhere and not is_loopback(target.host):
            raise NotAllowed(
                f"{target.host} is not this machine (127.0.0.1, ::1, localhost); --fetch-images any allows it"
            )
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        allowed = [each for each in addresses if anywhere or is_loopback(each)]
        if addresses and not allowed:
            raise NotAllowed(
                f"{target.host} is {addresses[0]}, which is not this machine; --fetch-images any allows it"
            )
        return allowed


def _read(response: http.client.HTTPResponse) -> bytes:
    """The body. Raises NotFetched if it is larger than a picture may be, or incomplete."""
    limit = INPUT_BYTES_MAXIMUM.value
    declared = response.length
    if declared is not None and declared > limit:
        raise NotFetched(f"{declared:,} bytes; at most {limit:,} are fetched")
    body = response.read(limit + 1)
    if len(body) > limit:
        raise NotFetched(f"more than {limit:,} bytes, the most that are fetched")
    if declared is not None and len(body) < declared:
        raise NotFetched(f"{len(body):,} bytes of {declared:,}")
    return body
