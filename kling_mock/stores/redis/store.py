"""The Redis store with blocking methods."""

from __future__ import annotations

from asyncio import AbstractEventLoop, get_running_loop
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final
from weakref import WeakKeyDictionary, finalize

from kling_mock.stores import Change, Expect, Key, Snapshot, StateNotKept, Steps, run
from kling_mock.stores.record_format import Item
from kling_mock.stores.redis.address import Address, RedisRefused, check_version, connect, explained
from kling_mock.stores.redis.async_store import AsyncRedisStore, latest_id
from kling_mock.stores.redis.clock import RedisClock
from kling_mock.stores.redis.commands import StoreLimits
from kling_mock.stores.redis.replies import RedisReply
from kling_mock.stores.redis.session import RedisCommand, Session, checked

# Longer than any attempt to deliver takes. When a process ends, others deliver its callbacks after that.
LEASE_SECONDS: Final = 30
# A large state is exported or imported in this time.
TRANSFER_SECONDS: Final = 120.0


class RedisStore:
    """A store in a namespace of a Redis or Valkey server, shared with other processes.

    `url` is `redis://HOST:PORT/0?namespace=NAME`, with `rediss` or `unix` as well. Raises RedisRefused if the
    namespace cannot be used. While Redis does not answer, `read` and `commit` raise StateNotKept.
    """

    def __init__(self, url: str, *, retention: float, journal_bytes: int) -> None:
        address = Address.parse(url)
        self._client = connect(address)
        finalize(self, self._client.close)  # of a fake that is dropped without `close`
        self.session = Session(address, StoreLimits(retention, journal_bytes), self._perform)
        self._in_loops: WeakKeyDictionary[AbstractEventLoop, AsyncRedisStore] = WeakKeyDictionary()
        try:
            self._check()
        except BaseException:
            self._client.close()
            raise

    @property
    def clock(self) -> RedisClock:
        """The clock that all processes of the namespace share."""
        return self.session.clock

    def read(self, keys: Sequence[Key[Any]]) -> Snapshot:
        commands = self.session.read(keys)
        command = next(commands)
        while True:
            try:
                command = commands.send(self._run(command))
            except StopIteration as end:
                snapshot: Snapshot = end.value
                return snapshot

    def commit(self, change: Change) -> Expect | None:
        command = self.session.commit_command(change)
        return self.session.outcome(change, self._run(command))

    def in_loop(self) -> AsyncRedisStore:
        """The store with asynchronous methods, for the running event loop of asyncio."""
        loop = get_running_loop()
        store = self._in_loops.get(loop)
        if store is None:
            store = self._in_loops[loop] = AsyncRedisStore(self.session)
        return store

    def clear(self, account: str | None = None) -> None:
        """Drop all tasks, scripts, tokens and calls, or those of one account; clock and counters go on."""
        self._run(self.session.clear_command(account))

    def items(self) -> list[Item]:
        """All state at one instant, in the order of `Item`. Redis serves no other client meanwhile."""
        return self.session.items(self._transfer(self.session.export_command()))

    def take_over(self, items: Sequence[Item], *, replace: bool) -> bool:
        """Replace all state, for all processes. Without `replace`: only if there are no tasks and scripts.

        Returns whether it did. Raises StateNotKept.
        """
        command = self.session.import_command(items, replace=replace)
        return self.session.is_imported(self._transfer(command))

    def lease(self, task_id: str) -> bool:
        """Reserve the next delivery of a task for this process, for `LEASE_SECONDS` of real time.

        Returns whether no other process has it. A recorded attempt ends it.
        """
        session = self.session
        with session.explained():
            taken = self._client.set(session.lease_key(task_id), session.process, nx=True, ex=LEASE_SECONDS)
            return bool(taken)

    def renew(self, task_id: str) -> bool:
        """Extend a lease of this process, or reserve the delivery again. Returns as `lease`."""
        return bool(self._execute(self.session.lease_command(task_id, LEASE_SECONDS)))

    def release(self, task_id: str) -> None:
        """End a lease before an attempt was recorded. One that cannot be ended now ends by itself."""
        with suppress(StateNotKept):
            self._execute(self.session.lease_command(task_id, None))

    def latest(self, stream: bytes) -> bytes:
        """The id of the latest entry of a stream."""
        with self.session.explained():
            return latest_id(self._client.xrevrange(stream, count=1))

    def close(self) -> None:
        """Close all connections. A later call opens new ones."""
        self._client.close()

    def _check(self) -> None:
        """Raise RedisRefused if the namespace cannot be used."""
        from redis.exceptions import RedisError

        address = self.session.address
        try:
            with explained(address):
                check_version(address, self._client.info("server"))
            self.read(())
        except StateNotKept as error:
            raise RedisRefused(str(error)) from error
        except RedisError as error:
            raise RedisRefused(f"state {address.shown}: {error}") from error

    def _perform(self, steps: Steps[Any]) -> Any:
        return run(steps, self)

    def _transfer(self, command: RedisCommand) -> RedisReply:
        """Run a command that may take longer than others, on a connection of its own."""
        client = connect(self.session.address, patience=TRANSFER_SECONDS)
        try:
            return checked(self._execute(command, client))
        finally:
            client.close()

    def _run(self, command: RedisCommand) -> RedisReply:
        return checked(self._execute(command))

    def _execute(self, command: RedisCommand, client: Any = None) -> Any:
        from redis.exceptions import NoScriptError

        client = client or self._client
        with self.session.explained(writes=command.writes):
            try:
                return client.execute_command(*self.session.words(command))
            except NoScriptError:  # the first time, and after a restart of Redis
                return client.execute_command(*self.session.words(command, whole=True))
