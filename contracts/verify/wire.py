"""All contact with HTTP: one request out, one answer or the reason why there was none."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

import httpx

from contracts.verify.addresses import is_loopback
from contracts.verify.answer import Answer
from contracts.verify.exchange import Headers

# How long a server may be silent, in seconds, while there is time: a run waits no longer than its deadline.
_SILENCE: Final = 30.0
_CONNECT: Final = 10.0
# What a result picture may have at most; more is not read.
LARGEST_ANSWER: Final = 64 * 1024 * 1024
# How long an answer may take from its first byte to its last, in seconds: some never end.
_LONGEST_ANSWER: Final = 30.0
_AGENT: Final = ("user-agent", "kling-contracts")


class Wire:
    """A connection to one server. Paths go out byte for byte as given; redirects are not followed.

    `time_left` is asked before each request: nobody waits for an answer longer than that, in seconds.
    """

    def __init__(self, base_url: str, transport: httpx.BaseTransport | None = None) -> None:
        self._base = httpx.URL(base_url.rstrip("/"))
        # Loopback is no business of a proxy.
        local = is_loopback(base_url)
        self._client = httpx.Client(
            transport=transport, timeout=_SILENCE, trust_env=not local, follow_redirects=False
        )
        self.time_left: Callable[[], float] = lambda: math.inf

    def send(self, method: str, target: str, headers: Headers, body: bytes | None) -> Answer:
        """Send a request. `target` is path and query as they go on the wire, or a whole URL."""
        try:
            url = target if target.startswith(("http://", "https://")) else self._url(target)
            raw = [(name.encode(), value.encode("utf-8")) for name, value in (*headers, _AGENT)]
            patience = httpx.Timeout(min(_SILENCE, max(self.time_left(), 1.0)), connect=_CONNECT)
            request = self._client.build_request(method, url, headers=raw, content=body, timeout=patience)
            response = self._client.send(request, stream=True)
            try:
                received = _read(response)
            finally:
                response.close()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            early = httpx.ConnectError | httpx.ConnectTimeout | httpx.InvalidURL | httpx.UnsupportedProtocol
            return Answer(0, failure=f"{type(error).__name__}: {error}", arrived=not isinstance(error, early))
        answered = tuple((name.lower(), value) for name, value in response.headers.multi_items())
        return Answer(response.status_code, answered, received)

    def close(self) -> None:
        self._client.close()

    def _url(self, target: str) -> httpx.URL:
        prefix = self._base.raw_path.rstrip(b"/")
        return self._base.copy_with(raw_path=prefix + target.encode("utf-8"))


def _read(response: httpx.Response) -> bytes:
    chunks: list[bytes] = []
    size = 0
    began = time.monotonic()
    for chunk in response.iter_bytes():
        chunks.append(chunk)
        size += len(chunk)
        if size > LARGEST_ANSWER:
            raise httpx.DecodingError(f"the answer has more than {LARGEST_ANSWER} bytes")
        if time.monotonic() - began > _LONGEST_ANSWER:
            raise httpx.ReadTimeout(f"the answer did not end within {_LONGEST_ANSWER:.0f} seconds")
    return b"".join(chunks)
