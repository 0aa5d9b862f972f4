"""What a conformance check is, and the drivers that run one over a store that is called or awaited.

A check is written once, as steps of the kinds that the core yields, and two more: `Parallel` runs several
at the same time, `OnSecond` runs some over a second handle. It raises AssertionError.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from math import ceil
from typing import Any, Final, TypeVar

from kling_mock.records import ClockRecord
from kling_mock.stores import CLOCK, AsyncStore, Change, Commit, Read, Snapshot, Steps, Store, run, run_async

T = TypeVar("T")

# The retention of a store that is checked, in seconds.
RETENTION: Final = 1_000.0
# What is done at the same time: this many runs, each of this many rounds.
WORKERS: Final = 6
ROUNDS: Final = 20


@dataclass(frozen=True, slots=True)
class Parallel:
    """Step: run these at the same time, in turn over the first and the second handle. Answered by a list."""

    runs: tuple[Steps[Any], ...]


@dataclass(frozen=True, slots=True)
class OnSecond:
    """Step: run these over the second handle. Answered by what they return."""

    steps: Steps[Any]


# The steps of a whole check.
Course = Generator[Read | Commit | Parallel | OnSecond, Any, None]

MakeStore = Callable[[float], Store]
MakeAsyncStore = Callable[[float], Awaitable[AsyncStore]]


def same_handle(store: Store) -> Store:
    return store


async def same_handle_async(store: AsyncStore) -> AsyncStore:
    return store


@dataclass(frozen=True, slots=True)
class Check:
    """One requirement. `rule` is the sentence that a store must satisfy."""

    id: str
    rule: str
    course: Callable[[], Course]

    def run(self, make_store: MakeStore, second: Callable[[Store], Store] = same_handle) -> None:
        """Check a fresh store. Raises AssertionError that names the requirement."""
        with self._explained():
            store = make_store(RETENTION)
            _drive(self._from_a_standing_clock(), store, second(store))

    async def run_async(
        self,
        make_store: MakeAsyncStore,
        second: Callable[[AsyncStore], Awaitable[AsyncStore]] = same_handle_async,
    ) -> None:
        """The same for a store that is awaited, in an event loop of asyncio."""
        with self._explained():
            store = await make_store(RETENTION)
            await _drive_async(self._from_a_standing_clock(), store, await second(store))

    @contextmanager
    def _explained(self) -> Generator[None]:
        try:
            yield
        except AssertionError as failure:
            raise AssertionError(f"{self.id}: {self.rule}\n  {failure}") from failure
        except Exception as problem:
            raise AssertionError(f"{self.id}: {self.rule}\n  the store raised {problem!r}") from problem

    def _from_a_standing_clock(self) -> Course:
        """The clock stands at a whole second, so that instants are exact, until the check moves it."""
        snapshot: Snapshot = yield Read((CLOCK,))
        version = snapshot[CLOCK].version + 1
        yield Commit(Change((), (ClockRecord(0.0, float(ceil(snapshot.now)), 0.0, version),)))
        yield from self.course()


def check(course: Callable[[], Course]) -> Check:
    """A check from its steps: the name of the function is its id, the docstring is its rule."""
    return Check(course.__name__, " ".join((course.__doc__ or "").split()), course)


def _drive(course: Course, first: Store, second: Store) -> None:
    answer: object = None
    while True:
        try:
            step = course.send(answer)
        except StopIteration:
            return
        match step:
            case Read():
                answer = first.read(step.keys)
            case Commit():
                answer = first.commit(step.change)
            case OnSecond():
                answer = run(step.steps, second)
            case Parallel():
                answer = _in_threads(step.runs, first, second)


def _in_threads(runs: tuple[Steps[Any], ...], first: Store, second: Store) -> list[Any]:
    gate = threading.Barrier(len(runs))

    def work(steps: Steps[Any], store: Store) -> object:
        gate.wait()
        return run(steps, store)

    with ThreadPoolExecutor(len(runs)) as pool:
        return list(pool.map(work, runs, islice(cycle((first, second)), len(runs))))


async def _drive_async(course: Course, first: AsyncStore, second: AsyncStore) -> None:
    answer: object = None
    while True:
        try:
            step = course.send(answer)
        except StopIteration:
            return
        match step:
            case Read():
                answer = await first.read(step.keys)
            case Commit():
                answer = await first.commit(step.change)
            case OnSecond():
                answer = await run_async(step.steps, second)
            case Parallel():
                stores = islice(cycle((first, second)), len(step.runs))
                tasks = [run_async(steps, store) for steps, store in zip(step.runs, stores, strict=True)]
                answer = await asyncio.gather(*tasks)
