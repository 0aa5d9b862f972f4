"""The commands of the Redis store, as data: a script, and its arguments for a batch of keys or a change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from hashlib import sha1
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final, NamedTuple, cast

import msgspec

from kling_mock.plan import NEVER, Plan
from kling_mock.records import (
    AttemptRecord,
    CallRecord,
    ClockRecord,
    FaultRecord,
    NewTask,
    PlanRecord,
    PollRecord,
    Record,
    RuleRecord,
    RuleUse,
    TokenRecord,
    WindowRecord,
)
from kling_mock.stores import (
    AccountKey,
    AttemptsKey,
    CallsKey,
    Change,
    ClockKey,
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
from kling_mock.stores.record_format import encode, encode_part

Argument = bytes | str | int

# Longer lists of tasks and calls are read in parts, between which Redis serves other clients.
PART: Final = 500


class LuaScript(NamedTuple):
    """A Lua script, and its SHA-1, by which a server that has it runs it."""

    source: str
    sha: str


class StoreLimits(NamedTuple):
    """The retention of tasks in seconds, and the size of the journal in bytes."""

    retention: float
    journal_bytes: int


@cache
def script(name: str) -> LuaScript:
    """The script `read`, `commit`, `clear`, `lease`, `export` or `import`."""
    folder = files("kling_mock.stores.redis")
    source = "\n".join(folder.joinpath(f"{each}.lua").read_text("utf-8") for each in ("common", name))
    return LuaScript(source, sha1(source.encode(), usedforsecurity=False).hexdigest())


def text(value: str) -> bytes:
    """A text of a request, which may have lone surrogates."""
    return value.encode("utf-8", "surrogatepass")


# -- keys


def _totals(account: str | None) -> bytes:
    return b"all" if account is None else b"account:" + text(account)


def _page(key: PageKey) -> list[Argument]:
    names = [b"operation:" + text(f"{key.account}:{each}") for each in sorted(key.operations)]
    return ["page", len(names), *names, key.first, key.size]


def list_arguments(key: TasksKey | CallsKey, after: bytes) -> list[Argument]:
    """The arguments for the part of a list after a place in it."""
    account = text(key.account or "")
    if isinstance(key, CallsKey):
        return ["calls", "all" if key.account is None else "one", account, after, PART]
    return ["tasks", b"tasks" if key.account is None else b"tasks:" + account, after, PART]


def _window(account: str | None, kind: str) -> bytes:
    return msgspec.json.encode([account, kind])


# The name of a key in both scripts, and its arguments.
_KEYS: Final[Mapping[type[Key[Any]], Callable[[Any], list[Argument]]]] = MappingProxyType(
    {
        TaskKey: lambda key: ["task", text(key.id)],
        ExternalKey: lambda key: ["external", text(key.account), text(key.id)],
        AccountKey: lambda key: ["totals", _totals(key.account)],
        PeakKey: lambda key: ["peak", _totals(key.account)],
        WindowKey: lambda key: ["window", _window(key.account, key.kind)],
        PageKey: _page,
        TasksKey: lambda key: list_arguments(key, b"0"),
        RuleKey: lambda key: ["rule", key.id],
        AttemptsKey: lambda key: ["attempts", text(key.task_id), key.position],
        TokenKey: lambda key: ["token", text(key.digest)],
        ClockKey: lambda _: ["clock"],
        CallsKey: lambda key: list_arguments(key, b"0-0"),
        Ticket: lambda key: ["ticket", text(key.counter)],
    }
)


def read_arguments(keys: Sequence[Key[Any]], known_scripts: tuple[bytes, bytes]) -> list[Argument]:
    """The arguments of the script `read`.

    `known_scripts`: the version and the number of uses of the scripts that the caller has.
    """
    arguments: list[Argument] = []
    for key in keys:
        if isinstance(key, ScriptsKey):
            arguments += ["scripts", *known_scripts]
        else:
            arguments += _KEYS[type(key)](key)
    return arguments


# -- changes


def commit_arguments(change: Change, limits: StoreLimits) -> list[Argument]:
    """The arguments of the script `commit`."""
    arguments: list[Argument] = [len(change.expect)]
    for each in change.expect:
        arguments.append("" if each.version is None else each.version)
        key = each.key
        arguments += ["scripts"] if isinstance(key, ScriptsKey) else _KEYS[type(key)](key)
    for record in change.records:
        arguments += record_arguments(record, limits)
    return arguments


def record_arguments(record: Record, limits: StoreLimits) -> list[Argument]:
    """The name of a record in the script, and its arguments."""
    return _WRITES[type(record)](record, limits)


def _ends(plan: Plan) -> list[Argument]:
    """The end of a plan, whether it is a number of queries, and whether the task fails."""
    ends = "" if plan.ends == NEVER else repr(int(plan.ends) if plan.counted else float(plan.ends))
    return [ends, int(plan.counted), int(plan.failure is not None)]


def _new_task(new: NewTask, limits: StoreLimits) -> list[Argument]:
    record = new.record
    return [
        "new_task",
        text(record.id),
        text(record.account),
        text(record.operation),
        text(record.request.external_task_id or ""),
        encode_part(record),
        encode_part(new.plan),
        repr(record.created + limits.retention),
        record.request.n,
        record.units,
        *_ends(new.plan),
        int(bool(record.request.callback_url)),
    ]


def _plan(record: PlanRecord, _: StoreLimits) -> list[Argument]:
    return ["plan", text(record.task_id), encode_part(record.plan), *_ends(record.plan)]


def _poll(record: PollRecord, _: StoreLimits) -> list[Argument]:
    at = "" if record.at is None else repr(float(record.at))
    return ["poll", text(record.task_id), at, "polls" if record.answered else "unanswered"]


def _fault(record: FaultRecord, _: StoreLimits) -> list[Argument]:
    return ["fault", text(record.task_id), encode_part(record.uses)]


def _attempt(record: AttemptRecord, _: StoreLimits) -> list[Argument]:
    return ["attempt", text(record.task_id), record.position, encode_part(record)]


def _rule(record: RuleRecord, _: StoreLimits) -> list[Argument]:
    return ["drop_rule", record.id] if record.dropped else ["rule", record.id, encode(record)]


def _use(record: RuleUse, _: StoreLimits) -> list[Argument]:
    return ["use", record.rule_id, record.count]


def _write_window(record: WindowRecord, _: StoreLimits) -> list[Argument]:
    value = b"%d %b" % (record.version, encode(record))
    return ["window", _window(record.account, record.kind), value]


def _token(record: TokenRecord, limits: StoreLimits) -> list[Argument]:
    return ["token", repr(float(record.expires)), text(record.digest), repr(float(limits.retention))]


def _clock(record: ClockRecord, _: StoreLimits) -> list[Argument]:
    numbers = [repr(float(each)) for each in (record.reading, record.since, record.speed)]
    return ["clock", *numbers, record.version, encode_part(record.jumps)]


def _call(record: CallRecord, limits: StoreLimits) -> list[Argument]:
    account = b"" if record.account is None else b"=" + text(record.account)
    return ["call", encode(record), record.size, limits.journal_bytes, account]


# Each function accepts the type of record under which it is listed; the cast expresses this.
_WRITES: Final = cast(
    "Mapping[type[Record], Callable[[Record, StoreLimits], list[Argument]]]",
    MappingProxyType(
        {
            NewTask: _new_task,
            PlanRecord: _plan,
            PollRecord: _poll,
            FaultRecord: _fault,
            AttemptRecord: _attempt,
            RuleRecord: _rule,
            RuleUse: _use,
            WindowRecord: _write_window,
            TokenRecord: _token,
            ClockRecord: _clock,
            CallRecord: _call,
        }
    ),
)
