"""The Redis store with asynchronous methods, for one event loop of asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar, cast

from kling_mock.stores import Change, Expect, Key, Read, Snapshot, Steps
from kling_mock.stores.redis.address import CONNECTIONS, connect
from kling_mock.stores.redis.replies import RedisReply
from kling_mock.stores.redis.session import RedisCommand, Session
from kling_mock.stores.redis.turns import Turns

T = TypeVar("T")

# The connections for other commands than those of requests.
RESERVED: Final = 2
# An entry: its id and fields. The entries of a stream: its key, and those in their order.
Entry = tuple[bytes, Mapping[bytes, bytes]]
StreamEntries = tuple[bytes, list[Entry]]


class AsyncRedisStore:
    """The asynchronous methods of a `RedisStore`, with connections of its own; see `RedisStore.in_loop`."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._client = connect(session.address, asynchronous=True)
        # For a whole request, as others may change its preconditions between read and commit. Waiting in the
        # pool of redis-py instead would be in no order, and end with an error.
        self._turns = Turns(CONNECTIONS - RESERVED)

    async def read(self, keys: Sequence[Key[Any]]) -> Snapshot:
        commands = self.session.read(keys)
        command = next(commands)
        while True:
            try:
                command = commands.send(await self._run(command))
            except StopIteration as end:
                snapshot: Snapshot = end.value
                return snapshot

    async def commit(self, change: Change) -> Expect | None:
        command = self.session.commit_command(change)
        return self.session.outcome(change, await self._run(command, writes=True))

    async def perform(self, steps: Steps[T]) -> T:
        """Execute the steps of a request, as `run_async` does; those about one task or account take turns."""
        step = next(steps)
        keys = step.keys if isinstance(step, Read) else ()
        async with self._turns.turn(keys):
            while True:
                answer: Snapshot | Expect | None
                if isinstance(step, Read):
                    answer = await self.read(step.keys)
                else:
                    answer = await self.commit(step.change)
                try:
                    step = steps.send(answer)
                except StopIteration as end:
                    value: T = end.value
                    return value

    async def latest(self, stream: bytes) -> bytes:
        """The id of the latest entry of a stream."""
        with self.session.explained():
            found: list[tuple[bytes, Any]] = await self._client.xrevrange(stream, count=1)
        _end_if_cancelled()
        return found[0][0] if found else b"0-0"

    async def wait_for_entries(
        self, positions: Mapping[bytes, bytes], seconds: float, number: int
    ) -> list[StreamEntries]:
        """The entries of streams after these positions; waits for the first one, at most `seconds`."""
        with self.session.explained():
            wait = int(seconds * 1_000)
            found: list[StreamEntries] | None
            found = await self._client.xread(dict(positions), count=number, block=wait)
        _end_if_cancelled()
        return found or []

    async def close(self) -> None:
        """Close all connections. A later call opens new ones."""
        await self._client.connection_pool.disconnect()

    async def _run(self, command: RedisCommand, *, writes: bool = False) -> RedisReply:
        from redis.exceptions import NoScriptError

        (source, sha), arguments = command
        prefix = self.session.address.prefix
        with self.session.explained(writes=writes):
            try:
                return cast("RedisReply", await self._client.evalsha(sha, 1, prefix, *arguments))
            except NoScriptError:
                return cast("RedisReply", await self._client.eval(source, 1, prefix, *arguments))


def _end_if_cancelled() -> None:
    """Raise CancelledError if this task was cancelled: redis-py may lose that while it opens a connection."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
