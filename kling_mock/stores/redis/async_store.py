"""The Redis store with asynchronous methods, for one event loop of asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar, cast

from kling_mock.stores import Change, Expect, Key, Read, Snapshot, Steps
from kling_mock.stores.redis.address import connect
from kling_mock.stores.redis.batches import Batches
from kling_mock.stores.redis.pipeline import Pipeline
from kling_mock.stores.redis.replies import RedisReply
from kling_mock.stores.redis.session import RedisCommand, Session
from kling_mock.stores.redis.turns import Turns

T = TypeVar("T")

# The number of requests that use Redis at the same time: more only wait longer for each other.
AT_ONCE: Final = 32
# An entry of a stream: its id and fields.
Entry = tuple[bytes, Mapping[bytes, bytes]]


class AsyncRedisStore:
    """The asynchronous methods of a `RedisStore`, with connections of its own; see `RedisStore.in_loop`."""

    def __init__(self, session: Session) -> None:
        from redis import exceptions

        self.session = session
        self._errors = exceptions
        self._client = connect(session.address, asynchronous=True)
        self._pipeline = Pipeline(session.address)
        self._batches = Batches(self._run, session)
        # For a whole request, as others may change its preconditions between read and commit.
        self._turns = Turns(AT_ONCE)

    async def read(self, keys: Sequence[Key[Any]]) -> Snapshot:
        commands = self.session.read(keys)
        command = next(commands)
        while True:
            try:
                command = commands.send(await self._batches.add(command))
            except StopIteration as end:
                snapshot: Snapshot = end.value
                return snapshot

    async def commit(self, change: Change) -> Expect | None:
        return self.session.outcome(change, await self._batches.add(self.session.commit_command(change)))

    async def perform(self, steps: Steps[T]) -> T:
        """Execute the steps of a request, as `run_async` does; those about one task or account take turns."""
        step = next(steps)
        turn = await self._turns.begin(step.keys if type(step) is Read else ())
        try:
            while True:
                answer: Snapshot | Expect | None
                if type(step) is Read:
                    answer = await self.read(step.keys)
                else:
                    answer = await self.commit(step.change)
                try:
                    step = steps.send(answer)
                except StopIteration as end:
                    value: T = end.value
                    return value
        finally:
            self._turns.end(turn)

    async def latest(self, stream: bytes) -> bytes:
        """The id of the latest entry of a stream."""
        with self.session.explained():
            found = await self._client.xrevrange(stream, count=1)
        _end_if_cancelled()
        return latest_id(found)

    async def wait_for_entries(self, stream: bytes, after: bytes, seconds: float, number: int) -> list[Entry]:
        """The entries of a stream after this one; waits for the first one, at most `seconds`."""
        with self.session.explained():
            wait = int(seconds * 1_000)
            found: list[tuple[bytes, list[Entry]]] | None
            found = await self._client.xread({stream: after}, count=number, block=wait)
        _end_if_cancelled()
        return found[0][1] if found else []

    async def close(self) -> None:
        """Close all connections. A later call opens new ones."""
        await self._pipeline.close()
        await self._client.connection_pool.disconnect()

    async def _run(self, command: RedisCommand) -> RedisReply:
        words, send = self.session.words, self._pipeline.send
        try:
            try:
                return cast("RedisReply", await send(words(command)))
            except self._errors.NoScriptError:
                return cast("RedisReply", await send(words(command, whole=True)))
        except self._errors.RedisError:
            with self.session.explained(writes=command.writes):
                raise


def latest_id(found: Sequence[Entry]) -> bytes:
    """The id of the only entry; that before all others if there is none."""
    return found[0][0] if found else b"0-0"


def _end_if_cancelled() -> None:
    """Raise CancelledError if this task was cancelled: redis-py may lose that while it opens a connection."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
