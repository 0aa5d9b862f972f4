"""httpx and httpx2, blocking and asynchronous: each as a function that makes a client and sends requests.

A `Way` has the names of its library, so that a test reads the same for all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import httpx
import httpx2
import trio

from kling_contracts.gateways import COMETAPI
from kling_contracts.image_files import encoded, png

BASE = COMETAPI.base_url
CREATE = COMETAPI.create_path
NOT_FOUND = f"{BASE}/nothing"
ELSEWHERE = "https://elsewhere.test/x"
KEY = {"authorization": "Bearer sk-one"}
BODY = {"subject_image_list": [{"subject_image": encoded(png(300, 300))}] * 2}
# Creating an SSL context takes longer than most tests, and no request leaves the process.
QUICK: dict[str, Any] = {"verify": False, "trust_env": False}


@dataclass(frozen=True)
class Way:
    """One library, and one of its two kinds of clients."""

    library: Any
    run: Callable[[Callable[[], Coroutine[Any, Any, Any]]], Any] | None

    @property
    def blocking(self) -> bool:
        return self.run is None

    @property
    def Client(self) -> Any:  # noqa: N802 -- a class
        return self.library.Client if self.blocking else self.library.AsyncClient

    @property
    def HTTPTransport(self) -> Any:  # noqa: N802 -- a class
        return self.library.HTTPTransport if self.blocking else self.library.AsyncHTTPTransport

    @property
    def method(self) -> str:
        return "handle_request" if self.blocking else "handle_async_request"

    def send(self, client: Any, method: str, url: str, **options: Any) -> Any:
        """Send one request with a client that stays open, and read the response."""
        return self.do(client, lambda: client.request(method, url, **options))

    def fetch(self, url: str, method: str = "GET", *, client: Any = None, **options: Any) -> Any:
        """Send one request with a client of its own (`client`: its options), which is closed afterwards."""
        made = self.Client(**QUICK, **(client or {}))
        return self.do(made, lambda: made.request(method, url, **options), close=True)

    def do(self, client: Any, call: Callable[[], Any], *, close: bool = False) -> Any:
        """Call a method of a client; its result is awaited where the client is asynchronous."""
        if self.run is None:
            try:
                return call()
            finally:
                if close:
                    client.close()

        async def main() -> Any:
            try:
                found = call()
                return await found if isinstance(found, Awaitable) else found
            finally:
                if close:
                    await client.aclose()

        return self.run(main)

    def close(self, client: Any) -> None:
        self.do(client, lambda: None, close=True)

    def content(self, *chunks: bytes) -> Any:
        """A generator of a body, of the kind that the client accepts."""
        if self.blocking:
            return (chunk for chunk in chunks)

        async def generate() -> Any:
            for chunk in chunks:
                yield chunk

        return generate()


def _on_asyncio(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(main())


WAYS = {
    f"{library.__name__} {kind}": Way(library, run)
    for library in (httpx, httpx2)
    for kind, run in (("blocking", None), ("asyncio", _on_asyncio), ("trio", trio.run))
}
