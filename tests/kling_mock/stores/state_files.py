"""Stores in state files of a temporary folder, with the signature of the memory store."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from kling_mock import ManualClock
from kling_mock.stores import AccountKey, CallsKey, Change, Key, PeakKey, ScriptsKey, TasksKey
from kling_mock.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kling_mock.stores.memory import MemoryStore
    from kling_mock.timing.clock import Clock


# Creating a file waits for the disk, unless the folder is in memory.
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


def contents(store: MemoryStore) -> dict[str, Any]:
    """All that can be read from a store, apart from the number of versions of its scripts."""
    accounts: set[str | None] = set(store._usage.accounts)
    keys: list[Key[Any]] = [TasksKey(), CallsKey()]
    for account in accounts:
        keys += [AccountKey(account), PeakKey(account)]
    found: dict[str, Any] = {str(key): value for key, value in store.read(keys).items()}
    scripts = store.read((ScriptsKey(),))[ScriptsKey()]
    return found | {
        "rules": list(scripts.rules),
        "uses": dict(store._uses),
        "windows": dict(store._windows),
        "tokens": {
            digest: expires
            for digest, expires in store._tokens.items()
            if expires + store._retention > store.clock.now()
        },
        "counters": dict(store._counters),
        "externals": {name: index.externals for name, index in store._accounts.items() if index.externals},
    }


def assert_kept(store: SqliteStore, retention: float, journal_bytes: int) -> None:
    """The file of a store has its state: a new store that reads it is equal."""
    clock = ManualClock(max(store.clock.now(), 1_600_000_000.0))
    store.commit(Change((), ()))  # numbers that were read are kept with the next change
    before = contents(store)
    path = store._file.path
    store.close()
    again = SqliteStore(path, clock, retention=retention, journal_bytes=journal_bytes)
    try:
        assert contents(again) == before
        assert again.clock.now() >= store.clock.record.reading
    finally:
        again.close()


@contextmanager
def sqlite_stores(fault: type[MemoryStore] | None = None) -> Iterator[type[SqliteStore]]:
    """A class of stores, each in a new file; with the methods of a faulty memory store, if given.

    At the end the file of each store without a fault must have its state.
    """
    opened: list[tuple[SqliteStore, float, int]] = []
    numbers = count()
    with TemporaryDirectory(dir=MEMORY) as folder:

        class InNewFile(SqliteStore):
            def __init__(self, clock: Clock, *, retention: float, journal_bytes: int) -> None:
                path = f"{folder}/{next(numbers)}.db"
                super().__init__(path, clock, retention=retention, journal_bytes=journal_bytes)
                opened.append((self, retention, journal_bytes))

        yield InNewFile if fault is None else type(fault.__name__, (fault, InNewFile), {})
        for store, retention, journal_bytes in opened:
            if fault is None:
                assert_kept(store, retention, journal_bytes)
            store.close()
