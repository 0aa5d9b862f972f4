"""What a request brings back, and who sends requests: all that a session needs to know of HTTP."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from kling_contracts.verify.exchange import Headers


class Answer(NamedTuple):
    """`status` 0 and `failure` where nothing came. `arrived`: the request may have reached the server."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    failure: str = ""
    arrived: bool = True


class Sender(Protocol):
    """Sends one request. `target` is path and query as they go on the wire, or a whole URL."""

    def send(self, method: str, target: str, headers: Headers, body: bytes | None) -> Answer: ...
