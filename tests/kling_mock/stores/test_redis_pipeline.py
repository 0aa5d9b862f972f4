"""The commands of concurrent requests share writes, and each gets its own reply or error."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as NoReply

from kling_mock.stores.redis import pipeline
from kling_mock.stores.redis.address import Address
from kling_mock.stores.redis.pipeline import Pipeline
from tests.kling_mock.stores.redis_server import redis_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

# A command whose reply never comes.
SILENT = (b"BLPOP", "absent", 0)


def run(check: Callable[[Pipeline], Awaitable[None]]) -> None:
    async def checked() -> None:
        opened = Pipeline(Address.parse(redis_server().url()))
        try:
            await check(opened)
        finally:
            await opened.close()

    asyncio.run(checked())


def test_commands_of_one_iteration_are_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error is that of its command alone; the reply to a request that was cancelled is dropped."""
    written: list[bytes] = []
    send = AbstractConnection.send_packed_command

    async def counted(self: Any, command: Any, **options: Any) -> None:
        written.append(command)
        await send(self, command, **options)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", counted)

    async def check(opened: Pipeline) -> None:
        assert await opened.send((b"ECHO", "first")) == b"first"
        for _ in range(2):
            written.clear()
            replies = [opened.send((b"ECHO", f"{number}é")) for number in range(20)]
            wrong = opened.send((b"ABSENT",))
            replies.append(opened.send((b"ECHO", 20)))
            replies[3].cancel()
            found = await asyncio.gather(*replies[:3], *replies[4:])
            assert found == [f"{number}é".encode() for number in range(20) if number != 3] + [b"20"]
            with pytest.raises(ResponseError, match="unknown command"):
                await wrong
            assert len([each for each in written if b"ECHO" in each]) == 1

    run(check)


def test_a_lost_connection_is_an_error_of_the_commands_that_were_sent() -> None:
    async def check(opened: Pipeline) -> None:
        number = await opened.send((b"CLIENT", "ID"))
        lost = [opened.send(SILENT), opened.send((b"ECHO", "after it"))]
        for _ in range(3):  # they are sent
            await asyncio.sleep(0)
        with redis.Redis(unix_socket_path=redis_server().socket) as other:
            other.client_kill_filter(_id=number)
        for reply in lost:
            with pytest.raises(ConnectionLost):
                await reply
        assert await opened.send((b"ECHO", "again")) == b"again"

    run(check)


def test_an_idle_connection_that_was_closed_is_replaced() -> None:
    async def check(opened: Pipeline) -> None:
        number = await opened.send((b"CLIENT", "ID"))
        with redis.Redis(unix_socket_path=redis_server().socket) as other:
            other.client_kill_filter(_id=number)
        for _ in range(5):  # the event loop reads the end of the connection
            await asyncio.sleep(0)
        assert await opened.send((b"CLIENT", "ID")) > number

    run(check)


def test_commands_without_a_reply_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Together, since replies are in the order of the commands; later ones are sent over a new connection."""
    monkeypatch.setattr(pipeline, "PATIENCE", 0.1)

    async def check(opened: Pipeline) -> None:
        for reply in (opened.send(SILENT), opened.send((b"ECHO", "after it"))):
            with pytest.raises(NoReply, match=r"no reply within 0\.1 s"):
                await reply
        assert await opened.send((b"ECHO", "again")) == b"again"

    run(check)


def test_a_server_that_cannot_be_reached_is_an_error_of_all_commands() -> None:
    async def check() -> None:
        opened = Pipeline(Address.parse("unix:///absent/socket"))
        for reply in [opened.send((b"PING",)) for _ in range(2)]:
            with pytest.raises(ConnectionLost):
                await reply
        await opened.close()

    asyncio.run(check())


def test_a_closed_pipeline_fails_what_waits() -> None:
    async def check(opened: Pipeline) -> None:
        reply = opened.send(SILENT)
        await asyncio.sleep(0)
        await opened.close()
        with pytest.raises(ConnectionLost, match="was closed"):
            await reply
        assert await opened.send((b"ECHO", "again")) == b"again"

    run(check)
