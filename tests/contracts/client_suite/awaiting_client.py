"""A correct client over the streams of `asyncio`."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import socket
from urllib.parse import urlsplit

from kling_contracts.client_suite import Outcome, Service
from tests.contracts.client_suite.plain_client import Body, Data, PlainClient


class _Read(socket.socket):
    """Bytes already received, as a socket for `HTTPResponse`."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def makefile(self, *_: object, **__: object) -> io.BytesIO:  # type: ignore[override]
        return io.BytesIO(self.content)


class AwaitingClient(PlainClient):
    """Its own timeout is a timer of the loop."""

    async def submit(self, service: Service, request: Body) -> str:  # type: ignore[override]
        self.check(service, request)
        content = json.dumps(request).encode()
        return str((await self.talk(service, "POST", service.create_url, content))["task_id"])

    async def query(self, service: Service, task_id: str) -> Outcome:  # type: ignore[override]
        return self.read(await self.talk(service, "GET", service.task_url(task_id)))

    async def talk(self, service: Service, method: str, url: str, content: bytes = b"") -> Data:
        return await asyncio.wait_for(self.talk_on(service, method, url, content), 60)

    async def talk_on(self, service: Service, method: str, url: str, content: bytes) -> Data:
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            headers = self.headers(service) | {"Content-Length": str(len(content)), "Connection": "close"}
            lines = [
                f"{method} {parts.path} HTTP/1.1",
                *(f"{name}: {value}" for name, value in headers.items()),
            ]
            writer.write("\r\n".join((*lines, "", "")).encode() + content)
            answer = http.client.HTTPResponse(_Read(await reader.read()))
            answer.begin()
            return self.judge(answer.status, answer.read())
        finally:
            writer.close()
