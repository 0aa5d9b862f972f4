"""The format in which state is kept outside of a process: one JSON object for each item of a store.

The rows of a state file, the lines of an export and a snapshot are items in this format. `VERSION` is that of
the format; `MIGRATIONS` convert the items of older versions. An end that is not known (infinite) is null,
bytes are base64.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, Final, cast, get_args

import msgspec
from msgspec import Struct

from kling_mock.faults import Fault, FaultUse
from kling_mock.fork_locks import free_after_fork
from kling_mock.plan import NEVER, Plan
from kling_mock.records import (
    AttemptRecord,
    CallRecord,
    ClockRecord,
    Jump,
    RuleRecord,
    TaskRecord,
    TaskState,
    TokenRecord,
    WindowRecord,
)

VERSION: Final = 1

Raw = dict[str, Any]
# From a version to the next: an item as decoded JSON, or None if that version does not have it.
MIGRATIONS: Final[Mapping[int, Callable[[Raw], Raw | None]]] = MappingProxyType({})


class RuleUses(Struct, frozen=True, gc=False, tag="uses"):
    """The number of uses of a rule."""

    rule_id: int
    count: int


class Counter(Struct, frozen=True, gc=False, tag="counter"):
    """The next number of a counter."""

    name: str
    next: int


class AccountTotals(Struct, frozen=True, gc=False, tag="totals"):
    """The totals of an account, or of all (None), that do not follow from the tasks that are kept.

    `dropped` tasks were dropped after their retention, and `spent` units on them; `peak` is the largest
    number of images that were unfinished at once.
    """

    account: str | None
    dropped: int = 0
    spent: int = 0
    peak: int = 0


# The items besides tasks and calls.
OtherItem = ClockRecord | Counter | RuleRecord | RuleUses | WindowRecord | TokenRecord | AccountTotals
# In the order of an export: tasks in order of creation, and calls, are the last.
Item = OtherItem | TaskState | CallRecord

_ORDER: Final = {kind: place for place, kind in enumerate(get_args(Item))}


def in_order(items: Iterable[Item]) -> list[Item]:
    """Items in the order of `Item`; those of one kind stay in their order."""
    return sorted(items, key=lambda item: _ORDER[type(item)])


class _Plan(Struct, frozen=True, gc=False):
    """A `Plan` as it is decoded: null is an instant that is not known."""

    starts: float | None
    ends: float | None
    counted: bool
    failure: str | None
    faults: tuple[Fault, ...] = ()


class _Task(Struct, frozen=True, gc=False, tag="task"):
    """A `TaskState` as it is decoded."""

    record: TaskRecord
    plan: _Plan
    version: int = 0
    polls: int = 0
    times: tuple[float, ...] = ()
    attempts: tuple[AttemptRecord, ...] = ()
    fault_uses: tuple[FaultUse, ...] = ()
    unanswered: int = 0


_Decoded = OtherItem | _Task | CallRecord


def _plain(value: object) -> object:
    """Mappings that are not dicts, such as read-only ones."""
    if isinstance(value, Mapping):
        return dict(cast("Mapping[object, object]", value))
    raise TypeError(f"a value of type {type(value).__name__} cannot be kept in a state file: {value!r:.200}")


# A thread that makes a decoder while another one makes that of the same classes gets parts of it that are not
# complete, and decoding with them ends the process (msgspec 0.22, segmentation fault).
_making: Final = free_after_fork(threading.Lock())


@cache
def _decoder() -> msgspec.json.Decoder[_Decoded]:
    """Made at the first use: it takes longer than the import of the module."""
    with _making:
        return msgspec.json.Decoder(_Decoded)


_encode: Final = msgspec.json.Encoder(enc_hook=_plain).encode


def encode(item: Item) -> bytes:
    """An item in the present version. Raises TypeError for a value that JSON does not have."""
    return _encoded(item)


def encode_part(part: TaskRecord | Plan | AttemptRecord | tuple[FaultUse | Jump, ...]) -> bytes:
    """A part of an item, as it is in `encode` of the whole item."""
    return _encoded(part)


def _encoded(value: object) -> bytes:
    try:
        return _encode(value)
    except (UnicodeEncodeError, OverflowError):  # lone surrogates, integers of more than 64 bits
        raw = msgspec.to_builtins(value, enc_hook=_plain, str_keys=True)
        text = json.dumps(_without_infinity(raw), separators=(",", ":"), ensure_ascii=True)
        return text.encode()


def decode(line: bytes, version: int = VERSION) -> Item | None:
    """The item of a line in this or an older version; None if newer versions do not have it.

    Raises ValueError for any other line.
    """
    if version == VERSION:
        return decode_present(line)
    try:
        raw = migrated(json.loads(line), version)
        return None if raw is None else _item(msgspec.convert(raw, _Decoded))
    except (ValueError, RecursionError) as error:  # those of msgspec and of json are ValueErrors
        raise _no_item(error) from None


def decode_present(line: bytes) -> Item:
    """The item of a line in the present version. Raises ValueError for any other line."""
    try:
        try:
            decoded = _decoder().decode(line)
        except msgspec.DecodeError:  # perhaps it has values that only the standard library reads
            decoded = msgspec.convert(json.loads(line), _Decoded)
    except (ValueError, RecursionError) as error:
        raise _no_item(error) from None
    return _item(decoded)


def _no_item(error: Exception) -> ValueError:
    return ValueError(f"it is not a state item: {error}")


def migrated(raw: Raw, version: int) -> Raw | None:
    """An item of an older version in the present one; None if that does not have it."""
    found: Raw | None = raw
    for each in range(version, VERSION):
        if found is None:
            return None
        found = MIGRATIONS[each](found)
    return found


def _item(decoded: _Decoded) -> Item:
    if type(decoded) is not _Task:
        return cast("OtherItem | CallRecord", decoded)
    plan = decoded.plan
    starts = NEVER if plan.starts is None else plan.starts
    ends = NEVER if plan.ends is None else plan.ends
    return TaskState(
        decoded.record,
        Plan(starts, ends, plan.counted, plan.failure, plan.faults),
        decoded.version,
        decoded.polls,
        decoded.times,
        decoded.attempts,
        decoded.fault_uses,
        decoded.unanswered,
    )


def _without_infinity(value: object) -> object:
    """Decoded JSON with null for infinite numbers, as msgspec encodes them."""
    if isinstance(value, float) and value in (NEVER, -NEVER):
        return None
    if isinstance(value, dict):
        return {key: _without_infinity(each) for key, each in cast("Raw", value).items()}
    if isinstance(value, list | tuple):
        return [_without_infinity(each) for each in cast("Sequence[object]", value)]
    return value
