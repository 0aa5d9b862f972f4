"""Conformance checks for implementations of stores, one check for each requirement of the interface.

    check_store(lambda retention: MyStore(..., retention=retention))

runs all checks, each with a new empty store, and raises AssertionError that lists the failed ones.
`check_async_store` does the same for a store with asynchronous methods. If a store can have several handles
on its data (connections, processes), `second` returns a second handle, and requirements across handles are
checked with both. To run the checks as separate tests, iterate over `CHECKS` and call `run` or `run_async`.
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
    """Run every check. Raises AssertionError that lists all violated requirements.

    `make_store` is called for each check with the retention in seconds; it returns a new empty store whose
    journal has room for some hundred calls. `second` returns a second handle on the data of a store.
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
    """Run every check on an asynchronous store, in an asyncio event loop. Both functions are awaited."""
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
