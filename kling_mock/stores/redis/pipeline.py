"""One connection of an event loop for the commands of all its requests.

Commands that wait at the same time are written together, and their replies are read together: requests share
the system calls, and the work of redis-py for them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

from kling_mock.stores.redis.address import PATIENCE, Address, connect
from kling_mock.stores.redis.commands import Argument

# Seconds after which the deadline of the next reply is moved: to move it takes longer than to read a reply.
COARSE: Final = 0.5


class Pipeline:
    """Sends commands and returns their replies, over one connection.

    If the connection is lost, the commands that were sent get the error; others are sent over a new one.
    """

    def __init__(self, address: Address) -> None:
        from hiredis import pack_command  # pyright: ignore[reportUnknownVariableType] -- as below
        from redis import exceptions

        # Its type stub has no type of the result, and commands of one word.
        self._pack = cast("Callable[[tuple[Argument, ...]], bytes]", pack_command)
        self._errors = exceptions
        self._pool: Any = connect(address, asynchronous=True, patience=None).connection_pool
        self._loop = asyncio.get_running_loop()
        self._unsent: list[tuple[bytes, asyncio.Future[Any]]] = []
        self._sent: deque[asyncio.Future[Any]] = deque()
        self._connection: Any = None
        self._idle: Any = None
        self._running: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None

    def send(self, command: tuple[Argument, ...]) -> asyncio.Future[Any]:
        """The future of the reply to a command. Its exceptions are those of redis-py."""
        reply = self._loop.create_future()
        self._unsent.append((self._pack(command), reply))
        if self._running is None:
            self._running = self._loop.create_task(self._run())
        elif self._connection is not None and self._writing is None:
            # A task, so that other requests of this iteration of the event loop can add their commands.
            self._writing = self._loop.create_task(self._write_more(self._connection))
        return reply

    async def close(self) -> None:
        """Close the connection. Commands that wait get an error; a later one opens a new connection."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        await self._pool.disconnect()

    async def _run(self) -> None:
        """Send commands and read replies until no command waits."""
        try:
            while self._unsent:
                await self._exchange()
        finally:
            self._running = None
            if self._sent or self._unsent:  # cancelled
                self._fail(self._errors.ConnectionError("the connection was closed"), unsent=True)

    async def _exchange(self) -> None:
        """Send commands and read replies over one connection, until no command waits or it is lost."""
        connection: Any = None
        error: Exception | None = None
        try:
            async with asyncio.timeout(PATIENCE) as patience:
                connection = self._connection = await self._connect()
                await self._write(connection, is_first=True)
                await self._read(connection, patience)
        except TimeoutError:
            error = self._errors.TimeoutError(f"no reply within {PATIENCE:g} s")
        except (self._errors.RedisError, OSError) as problem:
            error = problem
        finally:
            self._connection = None
            if error is not None:
                self._fail(error, unsent=connection is None)
            if connection is None:
                pass
            elif self._sent or error is not None:  # replies to them would be taken for those of others
                await connection.disconnect(nowait=True)
                await self._pool.release(connection)
            else:
                self._idle = connection

    async def _connect(self) -> Any:
        """The connection that was used last, unless it was closed meanwhile; the pool takes longer."""
        connection, self._idle = self._idle, None
        if connection is not None:
            if not await self._is_lost(connection):
                return connection
            await connection.disconnect(nowait=True)
            await self._pool.release(connection)
        return await self._pool.get_connection()

    async def _is_lost(self, connection: Any) -> bool:
        """Whether an idle connection was closed."""
        # The name of the method before redis-py 8.
        can_read = getattr(connection, "can_read", None) or connection.can_read_destructive
        try:
            return not connection.is_connected or bool(await can_read())
        except (self._errors.RedisError, OSError):
            return True

    async def _write_more(self, connection: Any) -> None:
        try:
            await self._write(connection)
        except (self._errors.RedisError, OSError):  # the connection is closed, as the reader notices
            pass
        finally:
            self._writing = None

    async def _write(self, connection: Any, *, is_first: bool = False) -> None:
        """Write the commands. `is_first`: no reply is expected, so that redis-py may check the server."""
        while self._unsent and connection is self._connection and connection.is_connected:
            commands, self._unsent = self._unsent, []
            self._sent.extend([reply for _, reply in commands])
            data = b"".join([packed for packed, _ in commands])
            await connection.send_packed_command(data, check_health=is_first)
            is_first = False

    async def _read(self, connection: Any, patience: asyncio.Timeout) -> None:
        """Read the replies to all commands."""
        sent, time, moved = self._sent, self._loop.time, 0.0
        while sent:
            result: Any = None
            problem: Exception | None = None
            try:
                result = await connection.read_response()
            except self._errors.ResponseError as error:
                problem = error
            reply = sent.popleft()
            if not reply.done():  # otherwise its request was cancelled
                if problem is None:
                    reply.set_result(result)
                else:
                    reply.set_exception(problem)
            now = time()
            if now - moved > COARSE:
                moved = now
                patience.reschedule(now + PATIENCE)

    def _fail(self, error: Exception, *, unsent: bool) -> None:
        failed = list(self._sent)
        self._sent.clear()
        if unsent:
            failed += [reply for _, reply in self._unsent]
            self._unsent.clear()
        for reply in failed:
            if not reply.done():
                reply.set_exception(error)
