"""The class of conformance checks, and the drivers that run them on synchronous and asynchronous stores.

A check is written once, as a generator of the steps that the core yields and of two more: `Parallel` runs
steps concurrently, `OnSecond` runs steps on a second handle. It raises AssertionError.
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
from traceback import extract_tb
from typing import Any, Final, TypeVar

from kling_mock.records import ClockRecord
from kling_mock.stores import CLOCK, AsyncStore, Change, Commit, Read, Snapshot, Steps, Store, run, run_async

T = TypeVar("T")

# The retention of a store under test, in seconds.
RETENTION: Final = 1_000.0
# The number of concurrent runs, and of the repetitions in each.
WORKERS: Final = 6
ROUNDS: Final = 20


@dataclass(frozen=True, slots=True)
class Parallel:
    """Step: run these concurrently, alternating between the two handles. Returns a list of their results."""

    runs: tuple[Steps[Any], ...]


@dataclass(frozen=True, slots=True)
class OnSecond:
    """Step: run these on the second handle. Returns their result."""

    steps: Steps[Any]


# The generator of a check.
CheckSteps = Generator[Read | Commit | Parallel | OnSecond, Any, None]

MakeStore = Callable[[float], Store]
MakeAsyncStore = Callable[[float], Awaitable[AsyncStore]]


def same_handle(store: Store) -> Store:
    return store


async def same_handle_async(store: AsyncStore) -> AsyncStore:
    return store


@dataclass(frozen=True, slots=True)
class Check:
    """A check of one requirement. `rule` is the requirement as a sentence."""

    id: str
    rule: str
    steps: Callable[[], CheckSteps]

    def run(self, make_store: MakeStore, second: Callable[[Store], Store] = same_handle) -> None:
        """Check a new store. Raises AssertionError that names the requirement."""
        with self._explained():
            store = make_store(RETENTION)
            _drive(self._with_stopped_clock(), store, second(store))

    async def run_async(
        self,
        make_store: MakeAsyncStore,
        second: Callable[[AsyncStore], Awaitable[AsyncStore]] = same_handle_async,
    ) -> None:
        """Check a new asynchronous store, in an asyncio event loop."""
        with self._explained():
            store = await make_store(RETENTION)
            await _drive_async(self._with_stopped_clock(), store, await second(store))

    @contextmanager
    def _explained(self) -> Generator[None]:
        try:
            yield
        except AssertionError as failure:
            raise AssertionError(f"{self.id}: {self.rule}\n  {failure}") from failure
        except Exception as problem:
            place = extract_tb(problem.__traceback__)[-1]
            raise AssertionError(
                f"{self.id}: {self.rule}\n  the store raised {problem!r} at {place.filename}:{place.lineno}"
            ) from problem

    def _with_stopped_clock(self) -> CheckSteps:
        """The check, after stopping the clock at a whole second, so that instants are exact."""
        snapshot: Snapshot = yield Read((CLOCK,))
        version = snapshot[CLOCK].version + 1
        yield Commit(Change((), (ClockRecord(0.0, float(ceil(snapshot.now)), 0.0, version),)))
        yield from self.steps()


def check(steps: Callable[[], CheckSteps]) -> Check:
    """Make a check of a generator function: its name is the id, its docstring is the rule."""
    return Check(steps.__name__, " ".join((steps.__doc__ or "").split()), steps)


def _drive(steps: CheckSteps, first: Store, second: Store) -> None:
    answer: object = None
    while True:
        try:
            step = steps.send(answer)
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


async def _drive_async(steps: CheckSteps, first: AsyncStore, second: AsyncStore) -> None:
    answer: object = None
    while True:
        try:
            step = steps.send(answer)
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
