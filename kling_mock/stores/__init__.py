"""The interface of stores, and the steps by which the core uses one without doing any I/O.

The core is written as generators. They yield `Read` (a batch of keys, answered by a `Snapshot`) and `Commit`
(a `Change`, answered by None or by the precondition that failed); `run` or `run_async` carries the steps out.
A store only reads, compares and sets: `read` is one consistent view, which includes the present, and `commit`
writes all records of a change or, if a precondition does not hold, none of them. So the same core runs over
a lock, a transaction, or a script inside a server. `conformance` checks all of this for any store.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar, cast

from msgspec import Struct

from kling_mock.matching import Scripts
from kling_mock.records import CallRecord, ClockRecord, Record, TaskState

if TYPE_CHECKING:
    from kling_mock.timing.clock import Clock

T = TypeVar("T")


class Key(Struct, Generic[T], frozen=True, gc=False):
    """What can be read, or compared by its version. `T` is the type of the value."""


class TaskKey(Key[TaskState | None], frozen=True, gc=False):
    """A task by its id; None if there is none, or its retention is over.

    Version: that of the state. After the retention: None if the id can be used again, else a version that is
    not that of any state.
    """

    id: str


class ExternalKey(Key[TaskState | None], frozen=True, gc=False):
    """A task by its external id, which is unique within the account. Version: that of the state."""

    account: str
    id: str


class AccountState(Struct, frozen=True, gc=False):
    """An account at an instant: creates so far, images of unfinished tasks, units spent and reserved.

    Units are reserved at creation and returned at the instant at which a task fails. A task that is dropped
    before it ends is not unfinished any more.
    """

    created: int = 0
    unfinished: int = 0
    units: int = 0


class AccountKey(Key[AccountState], frozen=True, gc=False):
    """An account. Version: the number of its creates, since only a create uses up what an account has."""

    account: str


class PageKey(Key[tuple[TaskState, ...]], frozen=True, gc=False):
    """The tasks of an account that were created by some operations, newest first: `size` from `first` on."""

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
    """How often a scripted rule was applied. Version: that number."""

    id: int


class AttemptsKey(Key[int], frozen=True, gc=False):
    """The number of attempts to deliver the callback on one change of a task.

    Version: that number; None if the task is not kept.
    """

    task_id: str
    position: int


class TokenKey(Key[float | None], frozen=True, gc=False):
    """When a signed bearer expires, in Unix seconds of the fake's clock; None if it was never seen."""

    digest: str


class ClockKey(Key[ClockRecord], frozen=True, gc=False):
    """The settings of the clock. Version: the number of their changes."""


class CallsKey(Key[tuple[CallRecord, ...]], frozen=True, gc=False):
    """The journal, of one account or of all, oldest first. The oldest entries go when it is full."""

    account: str | None = None


class Ticket(Key[int], frozen=True, gc=False):
    """The next number of a counter, from 0. Reading takes it: no two reads get the same number."""

    counter: str


NOTHING: Final[Mapping[Key[Any], object]] = MappingProxyType({})
CLOCK: Final = ClockKey()
SCRIPTS: Final = ScriptsKey()


class Snapshot(dict[Key[Any], Any]):
    """The values of a batch of keys at one instant, `now` (Unix seconds), which never goes back."""

    __slots__ = ("now",)

    def __init__(self, now: float, values: Mapping[Key[Any], object] = NOTHING) -> None:
        super().__init__(values)
        self.now = now

    if TYPE_CHECKING:

        def __getitem__(self, key: Key[T]) -> T: ...


class Expect(Struct, frozen=True, gc=False):
    """A precondition: the key still has this version; None means that there is nothing under it."""

    key: Key[Any]
    version: int | None


class Change(Struct, frozen=True, gc=False):
    """Records to write together, and what has to hold at that moment."""

    expect: tuple[Expect, ...]
    records: tuple[Record, ...]


class Store(Protocol):
    """A store that answers at once. Its methods may be called from several threads."""

    @property
    def clock(self) -> Clock:
        """The clock by which it tells the present."""
        ...

    def read(self, keys: Sequence[Key[Any]]) -> Snapshot: ...

    def commit(self, change: Change) -> Expect | None:
        """Write all records, or none and return the first precondition that does not hold."""
        ...


class AsyncStore(Protocol):
    """A store that has to be awaited."""

    async def read(self, keys: Sequence[Key[Any]]) -> Snapshot: ...

    async def commit(self, change: Change) -> Expect | None: ...


class Read(Struct, frozen=True):
    """Step: read these keys. It is answered by a `Snapshot`."""

    keys: tuple[Key[Any], ...]


class Commit(Struct, frozen=True):
    """Step: commit this change. It is answered by None, or by the precondition that failed."""

    change: Change


# What a step is answered by depends on the step, which a generator's type cannot say.
Steps = Generator[Read | Commit, Any, T]


def run(steps: Steps[T], store: Store) -> T:
    """Carry steps out and return what they return."""
    answer: Snapshot | Expect | None = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as end:
            return cast("T", end.value)
        answer = store.read(step.keys) if isinstance(step, Read) else store.commit(step.change)


async def run_async(steps: Steps[T], store: AsyncStore) -> T:
    """The same over a store that has to be awaited."""
    answer: Snapshot | Expect | None = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as end:
            return cast("T", end.value)
        answer = await store.read(step.keys) if isinstance(step, Read) else await store.commit(step.change)
