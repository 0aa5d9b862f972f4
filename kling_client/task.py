"""Task handles, blocking and awaitable: a snapshot of a task, with methods to refresh, wait and save."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from inspect import isawaitable
from os import PathLike
from pathlib import Path
from typing import Final, TypeVar, cast

from kling_client import download, flows
from kling_client.config import DEFAULT_DEADLINE
from kling_client.drive import AsyncDriver, Driver
from kling_client.errors import ConfigError, TaskFailed
from kling_client.snapshot import TaskSnapshot
from kling_contracts.vocabulary import TaskStatus

FILE_NAME: Final = "{task_id}-{index}{ext}"

S = TypeVar("S", bound=TaskSnapshot)
D = TypeVar("D", Driver, AsyncDriver)


@dataclass(frozen=True, kw_only=True, repr=False)
class Task(TaskSnapshot):
    """A task of a `Client`."""

    driver: Driver | None = field(default=None, compare=False)

    def refresh(self) -> Task:
        """Query once and return the new state. A failed task is returned, not raised."""
        driver = _attached(self, self.driver)
        return driver.run(flows.query(driver.config, self))

    def updates(self, *, deadline: float = DEFAULT_DEADLINE) -> Iterator[Task]:
        """Poll until the task is terminal; yield the first state and each change of status or `updated_at`.

        The last state yielded is the terminal one, also if it is `failed`. Raises WaitTimeout `deadline`
        seconds after the iteration began.
        """
        driver = _attached(self, self.driver)
        return cast("Iterator[Task]", driver.iterate(flows.watch(driver.config, self, deadline, _change)))

    def wait(
        self, *, deadline: float = DEFAULT_DEADLINE, on_update: Callable[[Task], object] | None = None
    ) -> Task:
        """Poll until the task has succeeded, and return it. The first poll is immediate.

        A task known to be terminal is not polled. `on_update` is called with the first state and at each
        change of status, including the terminal one. Raises TaskFailed; WaitTimeout after `deadline` seconds
        (at most one request timeout later); and errors that a later poll cannot fix, such as NotFound.
        """
        driver = _attached(self, self.driver)
        last = self
        for state in driver.iterate(flows.watch(driver.config, self, deadline, _status)):
            last = cast("Task", state)
            if on_update is not None:
                on_update(last)
        return _succeeded(last)

    def save(
        self,
        directory: str | PathLike[str],
        *,
        name: str = FILE_NAME,
        overwrite: bool = False,
        on_bytes: Callable[[int, int | None], object] | None = None,
    ) -> list[Path]:
        """Download the results of a succeeded task into a directory (created if missing); return the paths.

        `name` is a template with `{task_id}`, `{index}` (or `{index:03}`) and `{ext}`. Incomplete files are
        removed. `on_bytes` is called with the number of bytes received of the current result and its total
        (None if unknown).
        Raises DownloadError; FileExistsError unless `overwrite`; any OSError of the file system.
        """
        driver = _attached(self, self.driver)
        into = download.Destination(folder=Path(directory), name=name, overwrite=overwrite, on_bytes=on_bytes)
        return driver.run(download.save(driver.config, self, into))


@dataclass(frozen=True, kw_only=True, repr=False)
class AsyncTask(TaskSnapshot):
    """A task of an `AsyncClient`: `Task` with awaitable methods."""

    driver: AsyncDriver | None = field(default=None, compare=False)

    async def refresh(self) -> AsyncTask:
        """See `Task.refresh`."""
        driver = _attached(self, self.driver)
        return await driver.run(flows.query(driver.config, self))

    def updates(self, *, deadline: float = DEFAULT_DEADLINE) -> AsyncIterator[AsyncTask]:
        """See `Task.updates`; iterate with `async for`."""
        driver = _attached(self, self.driver)
        return cast(
            "AsyncIterator[AsyncTask]", driver.iterate(flows.watch(driver.config, self, deadline, _change))
        )

    async def wait(
        self,
        *,
        deadline: float = DEFAULT_DEADLINE,
        on_update: Callable[[AsyncTask], object | Awaitable[object]] | None = None,
    ) -> AsyncTask:
        """See `Task.wait`. If `on_update` returns an awaitable, it is awaited."""
        driver = _attached(self, self.driver)
        last = self
        async with aclosing(driver.iterate(flows.watch(driver.config, self, deadline, _status))) as states:
            async for state in states:
                last = cast("AsyncTask", state)
                returned = None if on_update is None else on_update(last)
                if isawaitable(returned):
                    await returned
        return _succeeded(last)

    async def save(
        self,
        directory: str | PathLike[str],
        *,
        name: str = FILE_NAME,
        overwrite: bool = False,
        on_bytes: Callable[[int, int | None], object] | None = None,
    ) -> list[Path]:
        """See `Task.save`. Files are written in the event loop, which blocks it meanwhile."""
        driver = _attached(self, self.driver)
        into = download.Destination(folder=Path(directory), name=name, overwrite=overwrite, on_bytes=on_bytes)
        return await driver.run(download.save(driver.config, self, into))


def _attached(task: TaskSnapshot, driver: D | None) -> D:
    if driver is None:
        raise ConfigError(
            f"task {task.id!r} is not attached to a client (it was pickled or copied); "
            f"use client.task({task.id!r})"
        )
    return driver


def _succeeded(task: S) -> S:
    if task.status == TaskStatus.FAILED:
        raise TaskFailed(task)
    return task


def _status(task: TaskSnapshot) -> object:
    return (task.status,)


def _change(task: TaskSnapshot) -> object:
    return task.status, task.updated_at
