"""The replies of the scripts of the Redis store: values of keys, and the clock of the namespace."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple, cast

import msgspec
from msgspec.structs import replace

from kling_mock.matching import Scripts
from kling_mock.records import CallRecord, ClockRecord, Jump, RuleRecord, TaskState
from kling_mock.stores import (
    AccountKey,
    AccountState,
    AttemptsKey,
    CallsKey,
    ExternalKey,
    Key,
    PageKey,
    PeakKey,
    RuleKey,
    ScriptsKey,
    TaskKey,
    TasksKey,
    Ticket,
    TokenKey,
    WindowKey,
)
from kling_mock.stores.record_format import decode

RedisReply = Sequence[Any]

# The number of items of every reply before the results: the present, the system time, the clock.
HEAD: Final = 3


class Present(NamedTuple):
    """The clock of a namespace at one instant: its reading, the system time of Redis, its settings.

    The settings are without jumps.
    """

    now: float
    system: float
    record: ClockRecord


def present(reply: RedisReply) -> Present:
    since, reading, speed, version = reply[2]
    record = ClockRecord(float(since), float(reading), float(speed), int(version))
    return Present(float(reply[0]), float(reply[1]), record)


class ScriptCache:
    """The scripts that a process has read. Their versions never repeat, even after a loss of all data."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scripts = Scripts(-1, (), {})
        self._used: dict[int, int] = {}
        self._uses = 0

    @property
    def known(self) -> tuple[bytes, bytes]:
        """The version and the number of uses."""
        with self._lock:
            return b"%d" % self._scripts.version, b"%d" % self._uses

    def update(self, reply: RedisReply) -> Scripts:
        """The scripts of a reply, which may be older than another one."""
        version, uses, rules, pairs = reply
        changed = {int(pairs[at]): int(pairs[at + 1]) for at in range(0, len(pairs), 2)}
        with self._lock:
            if rules is not None:
                found = sorted(map(_rule, rules), key=lambda rule: rule.id)
                scripts = Scripts(int(version), found, changed)
                if scripts.version > self._scripts.version:
                    self._scripts, self._used, self._uses = scripts, changed, int(uses)
                return scripts
            if int(version) == self._scripts.version:
                for rule, count in changed.items():  # of one version they only grow
                    self._used[rule] = max(count, self._used.get(rule, 0))
                self._uses = max(self._uses, int(uses))
            # Otherwise the reply is older than another one: a commit that expects its version would fail.
            return self._scripts


def values(
    keys: Sequence[Key[Any]], now: Present, read: Sequence[Any], scripts: ScriptCache
) -> dict[Key[Any], object]:
    """The values of a batch of keys as they were read; of a list its first `Part`."""
    found: dict[Key[Any], object] = {}
    for key, value in zip(keys, read, strict=True):
        of_value = _VALUES.get(type(key))
        if of_value is not None:
            found[key] = of_value(value)
        elif isinstance(key, ScriptsKey):
            found[key] = scripts.update(value)
        elif isinstance(key, TasksKey | CallsKey):
            found[key] = part_of(key, value)
        else:  # of the clock
            jumps = msgspec.json.decode(value, type=tuple[Jump, ...])
            found[key] = replace(now.record, jumps=jumps)
    return found


def _rule(line: bytes) -> RuleRecord:
    return cast("RuleRecord", decode(line))


def task_state(parts: RedisReply | None) -> TaskState | None:
    if parts is None:
        return None
    record, plan, version, polls, unanswered, times, attempts, faults = parts
    line = (
        b'{"type":"task","record":%b,"plan":%b,"version":%b,"polls":%b,"unanswered":%b,"times":[%b],'
        b'"attempts":[%b],"fault_uses":%b}'
    )
    found = decode(
        line
        % (
            record,
            plan,
            version,
            polls or b"0",
            unanswered or b"0",
            times or b"",
            attempts or b"",
            faults or b"[]",
        )
    )
    return cast("TaskState", found)


def _tasks(found: Sequence[RedisReply]) -> tuple[TaskState | None, ...]:
    return tuple([task_state(parts) for parts in found])


class Part(NamedTuple):
    """A part of a list of tasks or calls, and the place after which to go on; None at the end."""

    values: tuple[object, ...]
    last: bytes | None


def part_of(key: TasksKey | CallsKey, value: RedisReply) -> Part:
    found, last = value
    return Part(_calls(found) if isinstance(key, CallsKey) else _tasks(found), last)


def _totals(found: RedisReply) -> AccountState:
    created, unfinished, units = found
    return AccountState(int(created or 0), int(unfinished or 0), int(units or 0))


def _number(found: bytes | None) -> int:
    return int(found or 0)


def _window(found: bytes | None) -> object:
    return None if found is None else decode(found.partition(b" ")[2])


def _expiry(found: bytes | None) -> float | None:
    return None if found is None else float(found)


def _calls(found: Sequence[bytes]) -> tuple[CallRecord, ...]:
    return tuple([cast("CallRecord", decode(each)) for each in found])


_VALUES: Final[Mapping[type[Key[Any]], Callable[[Any], object]]] = MappingProxyType(
    {
        TaskKey: task_state,
        ExternalKey: task_state,
        AccountKey: _totals,
        PeakKey: _number,
        WindowKey: _window,
        PageKey: _tasks,
        RuleKey: _number,
        AttemptsKey: _number,
        TokenKey: _expiry,
        Ticket: lambda number: number - 1,
    }
)
