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
    """A script to run with these arguments; the prefix of all keys is its only key.

    With `is_part`, it can be joined with others of the script: its arguments are a part of those of one run.
    """

    script: LuaScript
    arguments: list[Argument]
    writes: bool = False
    is_part: bool = False


def joined(commands: Sequence[RedisCommand]) -> RedisCommand:
    """One command for several parts. Its reply has the results of all after the head."""
    if len(commands) == 1:
        return commands[0]
    return commands[0]._replace(arguments=[each for command in commands for each in command.arguments])


def checked(reply: RedisReply) -> RedisReply:
    """The reply. Raises the error of redis-py that it has in place of the result of its first part."""
    if len(reply) > HEAD and isinstance(reply[HEAD], Exception):
        raise reply[HEAD]
    return reply


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

    def explain(self, error: Exception, *, writes: bool) -> Exception:
        """The exception that `explained` raises for an error of Redis."""
        try:
            with self.explained(writes=writes):
                raise error  # noqa: TRY301 -- for the context manager
        except Exception as explained_error:  # noqa: BLE001 -- it is returned
            return explained_error

    def lease_key(self, task_id: str) -> bytes:
        return self.address.prefix.encode() + b"lease:" + text(task_id)

    def lease_command(self, task_id: str, seconds: int | None) -> RedisCommand:
        """Extend or take the lease of a task; None: end it. Its reply is 0 if another process has it."""
        return RedisCommand(script("lease"), [text(task_id), *([] if seconds is None else [seconds])])

    def words(self, command: RedisCommand, *, whole: bool = False) -> tuple[Argument, ...]:
        """The words of a command to Redis; `whole`: with its source, as Redis does not have the script."""
        source, sha = command.script
        name, code = ("EVAL", source) if whole else ("EVALSHA", sha)
        return name, code, 1, self.address.prefix, self.process, *command.arguments

    def read(self, keys: Sequence[Key[Any]]) -> Generator[RedisCommand, RedisReply, Snapshot]:
        """The commands to send, one after the other, each with its reply; several only for long lists."""
        # A long list is not joined with the reads of other requests.
        is_part = not any(isinstance(key, TasksKey | CallsKey) for key in keys)
        reply = yield _read(read_arguments(keys, self._scripts.known), is_part=is_part)
        now = present(reply)
        self.clock.follow(now)
        snapshot = Snapshot(now.now, values(keys, now, reply[HEAD], self._scripts))
        for key, value in snapshot.items():
            if type(value) is Part and isinstance(key, TasksKey | CallsKey):
                whole, last = value
                while last is not None:
                    reply = yield _read(list_arguments(key, last))
                    more, last = part_of(key, reply[HEAD][0])
                    whole += more
                snapshot[key] = whole
        return snapshot

    def commit_command(self, change: Change) -> RedisCommand:
        # The changes after one of the clock are for a later present.
        moves_clock = any(type(record) is ClockRecord for record in change.records)
        arguments = _sized(commit_arguments(change, self.limits))
        return RedisCommand(script("commit"), arguments, writes=True, is_part=not moves_clock)

    def export_command(self) -> RedisCommand:
        return RedisCommand(script("export"), [])

    def items(self, reply: RedisReply) -> list[Item]:
        """All state in a reply to the export."""
        self.clock.follow(present(reply))
        return items_of(reply, self.limits)

    def import_command(self, items: Sequence[Item], *, replace: bool) -> RedisCommand:
        mode = "replace" if replace else ""
        arguments: list[Argument] = [mode, *import_arguments(items, self.limits)]
        return RedisCommand(script("import"), arguments, writes=True)

    def is_imported(self, reply: RedisReply) -> bool:
        """Whether the state was replaced: not if there were tasks or scripts."""
        self.clock.follow(present(reply))
        return bool(reply[HEAD])

    def clear_command(self, account: str | None) -> RedisCommand:
        return RedisCommand(script("clear"), [] if account is None else [text(account)], writes=True)

    def outcome(self, change: Change, reply: RedisReply) -> Expect | None:
        """The precondition that failed. After a change of the clock its listeners are called."""
        self.clock.follow(present(reply))
        failed: int = reply[HEAD]
        if failed:
            return change.expect[failed - 1]
        for record in change.records:
            if type(record) is ClockRecord:
                self.clock.announce()
        return None


def _read(arguments: list[Argument], *, is_part: bool = False) -> RedisCommand:
    return RedisCommand(script("read"), _sized(arguments), is_part=is_part)


def _sized(arguments: list[Argument]) -> list[Argument]:
    """A part of the arguments of a script begins with their number."""
    return [len(arguments), *arguments]
