"""Joins the commands of concurrent requests, so that several share one run of a script.

The start of a script (its functions, the clock) takes Redis longer than most commands in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from kling_mock.stores.redis.replies import HEAD, RedisReply
from kling_mock.stores.redis.session import RedisCommand, Session, joined

# With more, Redis would save little, and this process would have nothing to do until all are done.
JOINED: Final = 8

Run = Callable[[RedisCommand], Coroutine[Any, Any, RedisReply]]
_Member = tuple[RedisCommand, "asyncio.Future[RedisReply]"]


class Batches:
    """For one event loop: joins the commands of one script that are added in one iteration of it."""

    def __init__(self, run: Run, session: Session) -> None:
        self._run = run
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._added: list[_Member] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, command: RedisCommand) -> asyncio.Future[RedisReply]:
        """The future of the reply to this command alone."""
        if not self._added:
            self._loop.call_soon(self._start)
        reply = self._loop.create_future()
        self._added.append((command, reply))
        return reply

    def _start(self) -> None:
        added, self._added = self._added, []
        batches: dict[str, list[_Member]] = {}
        for member in added:
            command = member[0]
            if not command.is_part:
                self._start_batch([member])
                continue
            batch = batches.setdefault(command.script.sha, [])
            batch.append(member)
            if len(batch) == JOINED:
                self._start_batch(batches.pop(command.script.sha))
        for batch in batches.values():
            self._start_batch(batch)

    def _start_batch(self, batch: list[_Member]) -> None:
        task = self._loop.create_task(self._run_batch(batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_batch(self, batch: list[_Member]) -> None:
        try:
            reply = await self._run(joined([command for command, _ in batch]))
        except Exception as error:  # noqa: BLE001 -- each request raises it
            for _, future in batch:
                _end(future, error)
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        else:
            head = reply[:HEAD]
            for at, (command, future) in enumerate(batch, HEAD):
                result = reply[at]
                if isinstance(result, Exception):
                    _end(future, self._session.explain(result, writes=command.writes))
                else:
                    _end(future, [*head, result])


def _end(future: asyncio.Future[RedisReply], result: RedisReply | Exception) -> None:
    if future.done():  # its request was cancelled
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
