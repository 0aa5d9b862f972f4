"""All state of a namespace as items: the reply of the script `export`, and the arguments of `import`."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Iterator, Sequence
from typing import Any, Final, cast

import msgspec

from kling_mock.records import (
    CallRecord,
    ClockRecord,
    Jump,
    NewTask,
    RuleRecord,
    TaskState,
    TokenRecord,
    WindowRecord,
)
from kling_mock.stores.record_format import AccountTotals, Counter, Item, RuleUses, decode, encode_part
from kling_mock.stores.redis.commands import Argument, StoreLimits, record_arguments, text
from kling_mock.stores.redis.replies import HEAD, RedisReply, present, task_state

# The number of items in an argument of the script: Redis limits the number of arguments.
PACKED: Final = 1000


def items_of(reply: RedisReply, limits: StoreLimits) -> list[Item]:
    """The items of a namespace, in the order of `Item`."""
    now = present(reply)
    jumps, counters, rules, uses, windows, tokens, totals, tasks, calls = reply[HEAD:]
    record = now.record
    states = [cast("TaskState", task_state(parts)) for parts in tasks]
    written = [cast("RuleRecord", decode(rule)) for rule in rules]
    written.sort(key=lambda rule: rule.id)
    return [
        ClockRecord(
            record.since,
            record.reading,
            record.speed,
            record.version,
            msgspec.json.decode(jumps, type=tuple[Jump, ...]),
        ),
        *[Counter(_text(name), int(number)) for name, number in _pairs(counters)],
        *written,
        *[RuleUses(int(rule), int(count)) for rule, count in _pairs(uses)],
        *[cast("WindowRecord", decode(window.partition(b" ")[2])) for window in windows],
        *[TokenRecord(_text(digest), float(expires)) for digest, expires in _pairs(tokens)],
        *_totals(totals, states, now.now, limits.retention),
        *states,
        *[cast("CallRecord", decode(call)) for call in calls],
    ]


def import_arguments(items: Sequence[Item], limits: StoreLimits) -> Iterator[bytes]:
    """The items as arguments of the script `import`: each field after its length in 4 bytes."""
    latest = max([0.0, *[item.record.created for item in items if isinstance(item, TaskState)]])
    latest = max([latest, *[item.at for item in items if isinstance(item, CallRecord)]])
    for at in range(0, len(items), PACKED):
        yield b"".join([_packed(_arguments(item, limits, latest)) for item in items[at : at + PACKED]])


def _packed(arguments: Sequence[Argument]) -> bytes:
    fields = [each if isinstance(each, bytes) else str(each).encode() for each in arguments]
    return b"".join([part for field in fields for part in (len(field).to_bytes(4, "little"), field)])


def _arguments(item: Item, limits: StoreLimits, latest: float) -> list[Argument]:
    match item:
        case ClockRecord():
            numbers = [repr(float(each)) for each in (item.since, item.reading, item.speed)]
            return ["clock", *numbers, encode_part(item.jumps), repr(float(latest))]
        case Counter():
            return ["counter", text(item.name), item.next]
        case RuleUses():
            return ["use", item.rule_id, item.count] if item.count else []
        case AccountTotals():
            account = b"" if item.account is None else b"=" + text(item.account)
            return ["totals", account, item.dropped, item.spent, item.peak]
        case TaskState():
            return _task(item, limits)
        case TokenRecord():
            return record_arguments(item, limits)[:3]
        case RuleRecord():
            return [] if item.dropped else record_arguments(item, limits)
        case _:
            return record_arguments(item, limits)


def _task(task: TaskState, limits: StoreLimits) -> list[Argument]:
    _, *begin = record_arguments(NewTask(task.record, task.plan), limits)
    return [
        "task",
        *begin,
        task.version,
        task.polls,
        task.unanswered,
        ",".join(repr(float(at)) for at in task.times),
        b",".join(map(encode_part, task.attempts)),
        encode_part(task.fault_uses),
        len(task.attempts),
        *[attempt.position for attempt in task.attempts],
    ]


def _totals(
    totals: Sequence[RedisReply], tasks: Sequence[TaskState], now: float, retention: float
) -> Iterator[AccountTotals]:
    """The totals that do not follow from the tasks: the script returns those with the tasks."""
    kept: Counts[str | None] = Counts()
    spent: Counts[str | None] = Counts()
    for task in tasks:
        record = task.record
        expiry = record.created + retention
        has_returned = task.plan.failure is not None and task.ends < expiry and min(task.ends, expiry) <= now
        for account in (None, record.account):
            kept[account] += 1
            spent[account] += 0 if has_returned else record.units
    for name, created, units, peak in sorted(totals, key=lambda each: each[0] or b""):
        account = None if name is None else _text(name)
        yield AccountTotals(account, int(created) - kept[account], int(units) - spent[account], int(peak))


def _pairs(found: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(found[::2], found[1::2], strict=True)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogatepass")
