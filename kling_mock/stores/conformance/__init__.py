"""Conformance checks for anyone who writes a store: every requirement of the interface, one check each.

    check_store(lambda retention: MyStore(..., retention=retention))

runs all of them, each over a fresh and empty store, and raises AssertionError that lists those that failed.
`check_async_store` does so for a store whose methods are awaited. Where a store has several handles on its
data (connections, processes), `second` gives another one: what must hold between handles is checked over
both. To run the checks as tests of their own, take them from `CHECKS` and call `run` or `run_async`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

from kling_mock.stores import AsyncStore, Store
from kling_mock.stores.conformance import changes, expiry, lists, shared, tasks, totals
from kling_mock.stores.conformance.checks import (
    RETENTION,
    Check,
    MakeAsyncStore,
    MakeStore,
    same_handle,
    same_handle_async,
)

__all__ = ["CHECKS", "RETENTION", "Check", "check_async_store", "check_store"]

CHECKS: Final[Mapping[str, Check]] = MappingProxyType(
    {
        each.id: each
        for module in (changes, tasks, totals, lists, expiry, shared)
        for each in vars(module).values()
        if isinstance(each, Check)
    }
)


def check_store(make_store: MakeStore, second: Callable[[Store], Store] = same_handle) -> None:
    """Run every check. Raises AssertionError that lists all requirements that do not hold.

    `make_store` is called for each check with the retention in seconds, and returns a store that was never
    written, and whose journal has room for some hundred calls. `second` returns a second handle on its data.
    """
    failures: list[str] = []
    for each in CHECKS.values():
        try:
            each.run(make_store, second)
        except AssertionError as failure:
            failures.append(str(failure))
    _report(failures)


async def check_async_store(
    make_store: MakeAsyncStore, second: Callable[[AsyncStore], Awaitable[AsyncStore]] = same_handle_async
) -> None:
    """The same for a store that is awaited, as both functions are, in an event loop of asyncio."""
    failures: list[str] = []
    for each in CHECKS.values():
        try:
            await each.run_async(make_store, second)
        except AssertionError as failure:
            failures.append(str(failure))
    _report(failures)


def _report(failures: list[str]) -> None:
    if failures:
        raise AssertionError("\n".join([f"{len(failures)} of {len(CHECKS)} checks failed", *failures]))
