"""The interface of stores, and the steps with which the core uses a store without doing I/O.

The core consists of generators. They yield `Read` (a batch of keys; the result is a `Snapshot`) and `Commit`
(a `Change`; the result: the precondition that failed, or None); `run` or `run_async` executes these steps. A
store only reads, compares and sets: `read` returns one consistent view, including the present, and `commit`
writes all records of a change or, if a precondition does not hold, none. So the core works with a lock, a
transaction or a script inside a database server. `conformance` tests any store.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar, cast, final, runtime_checkable

from msgspec import Struct

from kling_contracts.explained_error import ExplainedError
from kling_mock.matching import Scripts
from kling_mock.records import CallRecord, ClockRecord, Record, TaskState, WindowRecord

if TYPE_CHECKING:
    from kling_mock.stores.record_format import Item
    from kling_mock.timing.clock import Clock

T = TypeVar("T")


class StateNotKept(ExplainedError, RuntimeError):
    """A store cannot keep a change, which has no effect; the message gives the reason and a remedy."""


@runtime_checkable
class Transferable(Protocol):
    """A store that can list and replace its whole state."""

    def items(self) -> list[Item]:
        """All state at one instant, in the order of `Item`. The values are immutable."""
        ...

    def take_over(self, items: Sequence[Item], *, replace: bool) -> bool:
        """Replace all state. Without `replace`: only if there are no tasks and no scripts.

        `items` are in the order of `Item`; tasks and calls in their order. Returns whether it did.
        """
        ...


class Key(Struct, Generic[T], frozen=True, gc=False):
    """The key of a value in the store, to read it or to compare its version. `T` is the type of the value."""


class TaskKey(Key[TaskState | None], frozen=True, gc=False):
    """A task by its id; None if it does not exist or its retention is over.

    Version: that of the state. After the retention: None if the id can be used again, otherwise a version
    that no state has.
    """

    id: str


class ExternalKey(Key[TaskState | None], frozen=True, gc=False):
    """A task by its external id, which is unique within the account. Version: that of the state."""

    account: str
    id: str


class AccountState(Struct, frozen=True, gc=False):
    """Totals of an account or of all: creates, images of unfinished tasks, units spent or reserved.

    Units are reserved at creation and returned at the instant at which a task fails. A task whose retention
    is over no longer counts as unfinished.
    """

    created: int = 0
    unfinished: int = 0
    units: int = 0


class AccountKey(Key[AccountState], frozen=True, gc=False):
    """The totals of an account, or of all (None).

    Version: the number of creates, since only creates consume limits.
    """

    account: str | None


class PeakKey(Key[int], frozen=True, gc=False):
    """The largest number of images that an account, or all (None), had unfinished at once."""

    account: str | None


class WindowKey(Key[WindowRecord | None], frozen=True, gc=False):
    """The present rate window of an account, or of all (None), for one kind of request.

    Version: that of the record, 0 before the first.
    """

    account: str | None
    kind: str


class PageKey(Key[tuple[TaskState, ...]], frozen=True, gc=False):
    """A page of the tasks of an account and these operations, newest first: `size` tasks from `first`."""

    account: str
    operations: frozenset[str]
    first: int
    size: int


class TasksKey(Key[tuple[TaskState, ...]], frozen=True, gc=False):
    """Every task, of one account or of all, oldest first."""

    account: str | None = None


class ScriptsKey(Key[Scripts], frozen=True, gc=False):
    """All scripted rules. Version: the number of times a rule was written."""


class RuleKey(Key[int], frozen=True, gc=False):
    """The number of uses of a scripted rule. Version: that number."""

    id: int


class AttemptsKey(Key[int], frozen=True, gc=False):
    """The number of attempts to deliver the callback for one change of a task.

    Version: that number; None if the task does not exist or its retention is over.
    """

    task_id: str
    position: int


class TokenKey(Key[float | None], frozen=True, gc=False):
    """The expiry of a token in Unix seconds of the fake's clock; None if the token was never used."""

    digest: str


class ClockKey(Key[ClockRecord], frozen=True, gc=False):
    """The settings of the clock. Version: the number of changes."""


class CallsKey(Key[tuple[CallRecord, ...]], frozen=True, gc=False):
    """The journal of one account or of all, oldest first. When it is full, the oldest entries are dropped."""

    account: str | None = None


class Ticket(Key[int], frozen=True, gc=False):
    """The next number of a counter, from 0. Reading increments it: no two reads return the same number."""

    counter: str


CLOCK: Final = ClockKey()
SCRIPTS: Final = ScriptsKey()


class Snapshot(dict[Key[Any], Any]):
    """The values of a batch of keys at the instant `now` (Unix seconds), which never decreases."""

    __slots__ = ("now",)

    def __init__(self, now: float, values: Mapping[Key[Any], object] | None = None) -> None:
        self.now = now
        if values is not None:
            self.update(values)

    if TYPE_CHECKING:

        def __getitem__(self, key: Key[T]) -> T: ...


class Expect(Struct, frozen=True, gc=False):
    """A precondition: the key has this version; None: it has no value."""

    key: Key[Any]
    version: int | None


class Change(Struct, frozen=True, gc=False):
    """Records to write together, and the preconditions that must hold then."""

    expect: tuple[Expect, ...]
    records: tuple[Record, ...]


class Store(Protocol):
    """A store with blocking methods, which may be called from several threads."""

    @property
    def clock(self) -> Clock:
        """The clock that determines `Snapshot.now`."""
        ...

    def read(self, keys: Sequence[Key[Any]]) -> Snapshot: ...

    def commit(self, change: Change) -> Expect | None:
        """Write all records and return None, or write none and return the first failed precondition.

        Raises StateNotKept if they cannot be written; then nothing changes.
        """
        ...


class AsyncStore(Protocol):
    """A store with asynchronous methods."""

    async def read(self, keys: Sequence[Key[Any]]) -> Snapshot: ...

    async def commit(self, change: Change) -> Expect | None: ...


@final
class Read(Struct, frozen=True):
    """Step: read these keys. Its result is a `Snapshot`."""

    keys: tuple[Key[Any], ...]


@final
class Commit(Struct, frozen=True):
    """Step: commit this change. Its result: the precondition that failed, or None."""

    change: Change


# The type of a result depends on the step, which the type of a generator cannot express.
Steps = Generator[Read | Commit, Any, T]


def run(steps: Steps[T], store: Store) -> T:
    """Execute steps on a store and return their result."""
    answer: Snapshot | Expect | None = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as end:
            value: T = end.value
            return value
        # For a record of another type, `isinstance` takes ten times as long.
        answer = store.read(step.keys) if type(step) is Read else store.commit(step.change)


async def run_async(steps: Steps[T], store: AsyncStore) -> T:
    """Execute steps on an asynchronous store and return their result."""
    answer: Snapshot | Expect | None = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as end:
            return cast("T", end.value)
        answer = await store.read(step.keys) if isinstance(step, Read) else await store.commit(step.change)
