"""Sample records, and steps that the checks share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from kling_contracts.vocabulary import ResultKind, TaskStatus
from kling_mock.plan import NEVER, Plan
from kling_mock.records import (
    CallRecord,
    ClockRecord,
    Jump,
    NewTask,
    PollRecord,
    Record,
    TaskRecord,
    TaskState,
)
from kling_mock.stores import (
    CLOCK,
    AccountKey,
    AccountState,
    Change,
    Commit,
    Expect,
    ExternalKey,
    Key,
    Read,
    Snapshot,
    Steps,
    TaskKey,
)
from kling_mock.task_request import PictureRecord, TaskRequest

T = TypeVar("T")

ACCOUNT: Final = "account-a"
OTHER: Final = "account-b"
OPERATION: Final = "multi-image2image"
OPERATIONS: Final = frozenset({OPERATION})
UNITS: Final = 16
# More than any store needs in which one of several concurrent commits succeeds.
ATTEMPTS: Final = 10_000

HELD: Final = Plan(NEVER, NEVER, counted=False, failure=None)


def require(holds: object, message: str) -> None:
    if not holds:
        raise AssertionError(message)


def require_equal(what: str, actual: object, expected: object) -> None:
    require(actual == expected, f"{what}: expected {expected!r}; got {actual!r}")


# -- records


def task(  # noqa: PLR0913 -- the parts of a task that checks vary, all of them optional
    number: int = 1,
    *,
    created: float,
    account: str = ACCOUNT,
    operation: str = OPERATION,
    external_id: str | None = None,
    n: int = 1,
    task_id: str | None = None,
) -> TaskRecord:
    """A task with this number in its account."""
    names, items = ("prompt", "n", "external_task_id"), (f"cat {number}", n, external_id)
    request = TaskRequest(names, items, ())
    origin = "https://cdn.test"
    return TaskRecord(
        task_id or f"{account}.{number}", account, number, operation, request, created, origin, UNITS * n
    )


def full_task(created: float) -> TaskRecord:
    """A task with a value in every field, and JSON of every type in its request."""
    pictures = (
        PictureRecord("subject_image_list[0].subject_image", "https://pictures.test/\u732b.png"),
        PictureRecord("style_image", None, 10_000_000, "ab" * 32, b"\x89PNG\r\n\x1a\n\x00\xff"),
    )
    request = TaskRequest(
        ("prompt", "n", "fidelity", "sound", "camera", "points", "external_task_id", "absent"),
        ("\u732b \U0001f408 'cat'\n\"\\", 9, 0.1, False, {"kind": "x", "at": [1, -2.5]}, [], "mine", None),
        pictures,
    )
    return TaskRecord(
        "810000000000000001", ACCOUNT, 1, OPERATION, request, created, "http://127.0.0.1:8000", 9 * UNITS,
        ResultKind.VIDEOS, "succeed",
    )  # fmt: skip


def timed(now: float, seconds: float, failure: str | None = None) -> Plan:
    """A plan that ends this number of seconds after now."""
    return Plan(now, now + seconds, counted=False, failure=failure)


def counted(number: int, failure: str | None = None) -> Plan:
    """A plan that ends with this counted query."""
    return Plan(1, number, counted=True, failure=failure)


def call(at: float, path: str, account: str | None = ACCOUNT) -> CallRecord:
    """A journal entry."""
    request = task(created=at).request
    headers = (("accept", "*/*"), ("user-agent", "caf\u00e9"))
    return CallRecord(
        at, account, "POST", path, headers, request, 200, "1", TaskStatus.SUBMITTED, "prompt.max_length", 7,
        ("a note",), request_bytes=request.size,
    )  # fmt: skip


# -- steps


def read(key: Key[T]) -> Steps[T]:
    snapshot: Snapshot = yield Read((key,))
    return snapshot[key]


def read_now() -> Steps[float]:
    snapshot: Snapshot = yield Read(())
    return snapshot.now


def write(*records: Record, expect: tuple[Expect, ...] = ()) -> Steps[None]:
    """Commit records, and require that the commit succeeds."""
    failed: Expect | None = yield Commit(Change(expect, records))
    require(failed is None, f"a precondition that holds was reported as failed: {failed!r}")


def attempt(expect: Iterable[Expect], *records: Record) -> Steps[Expect | None]:
    """Commit records and return the precondition that failed, if any."""
    failed: Expect | None = yield Commit(Change(tuple(expect), records))
    return failed


def refuse(*records: Record, expect: tuple[Expect, ...], failed: Expect | None = None) -> Steps[None]:
    """Commit records, and require that this precondition (by default the last one) fails."""
    expected = failed or expect[-1]
    actual: Expect | None = yield Commit(Change(expect, records))
    require(actual is not None, f"a change was written though this does not hold: {expected!r}")
    require_equal("the precondition that commit returns", actual, expected)


def create(record: TaskRecord, plan: Plan = HELD) -> Steps[TaskRecord]:
    """Create a task as the core does, with all preconditions of a create."""
    yield from write(NewTask(record, plan), expect=creation(record))
    return record


def creation(record: TaskRecord) -> tuple[Expect, ...]:
    """The preconditions of a create: its number, its id and its external id."""
    external_id = record.request.external_task_id
    free = (Expect(ExternalKey(record.account, external_id), None),) if external_id else ()
    return (Expect(AccountKey(record.account), record.number - 1), Expect(TaskKey(record.id), None), *free)


def kept(record: TaskRecord) -> Steps[TaskState]:
    """The state of a task, which must exist."""
    return _state_of(record, (yield from read(TaskKey(record.id))))


def _state_of(record: TaskRecord, state: TaskState | None) -> TaskState:
    if state is None:
        raise AssertionError(f"task {record.id}: expected its state; got None")
    return state


def poll(record: TaskRecord) -> Steps[int]:
    """Query a task, repeating if a concurrent change came first. Returns the version before the query."""
    key = TaskKey(record.id)
    for _ in range(ATTEMPTS):
        snapshot: Snapshot = yield Read((key,))
        version = _state_of(record, snapshot[key]).version
        change = Change((Expect(key, version),), (PollRecord(record.id, snapshot.now),))
        failed: Expect | None = yield Commit(change)
        if failed is None:
            return version
    raise AssertionError(f"none of {ATTEMPTS} commits was written")


def advance(seconds: float) -> Steps[float]:
    """Advance the clock by committing its record. Returns the present."""
    snapshot: Snapshot = yield Read((CLOCK,))
    old = snapshot[CLOCK]
    jumps = (*old.jumps, Jump(snapshot.now, seconds))
    record = ClockRecord(old.since, snapshot.now + seconds, 0.0, old.version + 1, jumps)
    yield from write(record, expect=(Expect(CLOCK, old.version),))
    return (yield from read_now())


def require_totals(when: str, expected: AccountState, account: str | None = ACCOUNT) -> Steps[None]:
    actual = yield from read(AccountKey(account))
    require_equal(f"the totals of the account {when}", actual, expected)


def repeat(times: int, steps: Callable[[], Steps[T]]) -> Steps[list[T]]:
    """Run the steps that a function returns, several times. Returns their results."""
    results: list[T] = []
    for _ in range(times):
        results += [(yield from steps())]
    return results


def ids(states: Iterable[TaskState]) -> list[str]:
    return [state.record.id for state in states]


def create_several(
    numbers: Iterable[int], *, account: str = ACCOUNT, plan: Plan = HELD
) -> Steps[list[TaskRecord]]:
    """Create tasks with these numbers, one second apart."""
    made: list[TaskRecord] = []
    for number in numbers:
        now = yield from read_now()
        made.append((yield from create(task(number, created=now, account=account), plan)))
        yield from advance(1)
    return made
