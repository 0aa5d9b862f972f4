"""A process at a namespace in Redis: its commands as data, and their replies. It does no I/O."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from secrets import token_hex
from typing import Any, NamedTuple

from kling_mock.records import ClockRecord
from kling_mock.stores import CallsKey, Change, Expect, Key, Snapshot, StateNotKept, Steps, TasksKey
from kling_mock.stores.record_format import Item
from kling_mock.stores.redis.address import Address, explained
from kling_mock.stores.redis.clock import RedisClock
from kling_mock.stores.redis.commands import (
    Argument,
    LuaScript,
    StoreLimits,
    commit_arguments,
    list_arguments,
    read_arguments,
    script,
    text,
)
from kling_mock.stores.redis.replies import HEAD, Part, RedisReply, ScriptCache, part_of, present, values
from kling_mock.stores.redis.transfer import import_arguments, items_of


class RedisCommand(NamedTuple):
    """A script to run with these arguments; the prefix of all keys is its only key."""

    script: LuaScript
    arguments: list[Argument]


class Session:
    """The commands and replies of one process. `perform` executes steps, for the clock."""

    def __init__(self, address: Address, limits: StoreLimits, perform: Callable[[Steps[Any]], Any]) -> None:
        self.address = address
        self.process = token_hex(8)
        self.clock = RedisClock(perform)
        self.limits = limits
        self._scripts = ScriptCache()

    @contextmanager
    def explained(self, *, writes: bool = False) -> Generator[None]:
        """Raise StateNotKept for errors of Redis, and note them for the clock. `writes`: of a commit."""
        try:
            with explained(self.address, writes=writes):
                yield
        except StateNotKept:
            self.clock.is_followed = False
            raise

    def lease_key(self, task_id: str) -> bytes:
        return self.address.prefix.encode() + b"lease:" + text(task_id)

    def read(self, keys: Sequence[Key[Any]]) -> Generator[RedisCommand, RedisReply, Snapshot]:
        """The commands to send, one after the other, each with its reply; several only for long lists."""
        reply = yield RedisCommand(script("read"), read_arguments(keys, self._scripts.known))
        now = present(reply)
        self.clock.follow(now)
        snapshot = Snapshot(now.now, values(keys, now, reply, self._scripts))
        for key, value in snapshot.items():
            if type(value) is Part and isinstance(key, TasksKey | CallsKey):
                whole, last = value
                while last is not None:
                    reply = yield RedisCommand(script("read"), list_arguments(key, last))
                    more, last = part_of(key, reply[HEAD])
                    whole += more
                snapshot[key] = whole
        return snapshot

    def commit_command(self, change: Change) -> RedisCommand:
        return RedisCommand(script("commit"), commit_arguments(change, self.limits, self.process))

    def export_command(self) -> RedisCommand:
        return RedisCommand(script("export"), [self.process])

    def items(self, reply: RedisReply) -> list[Item]:
        """All state in a reply to the export."""
        self.clock.follow(present(reply))
        return items_of(reply, self.limits)

    def import_command(self, items: Sequence[Item], *, replace: bool) -> RedisCommand:
        mode = "replace" if replace else ""
        return RedisCommand(script("import"), [self.process, mode, *import_arguments(items, self.limits)])

    def is_imported(self, reply: RedisReply) -> bool:
        """Whether the state was replaced: not if there were tasks or scripts."""
        self.clock.follow(present(reply))
        return bool(reply[3])

    def clear_command(self, account: str | None) -> RedisCommand:
        return RedisCommand(script("clear"), [self.process, *([] if account is None else [text(account)])])

    def outcome(self, change: Change, reply: RedisReply) -> Expect | None:
        """The precondition that failed. After a change of the clock its listeners are called."""
        self.clock.follow(present(reply))
        failed: int = reply[3]
        if failed:
            return change.expect[failed - 1]
        for record in change.records:
            if type(record) is ClockRecord:
                self.clock.announce()
        return None
