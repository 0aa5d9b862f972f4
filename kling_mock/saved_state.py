"""The state of a fake at one instant, as a value that can be saved, restored and forked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from kling_contracts.explained_error import ExplainedError
from kling_mock.records import CallRecord, TaskState
from kling_mock.settings import Settings
from kling_mock.stores.lines import dump, parse
from kling_mock.stores.record_format import Item
from kling_mock.timing.clock import Clock


class StateNotEmpty(ExplainedError, ValueError):
    """A state is not taken over, because there are tasks or scripts already."""


class SavedState:
    """All state of a fake at one instant: `fake.snapshot()`.

    `bytes(state)` are lines of JSON, as `kling-mock export` writes them. The settings of the fake are no part
    of them: they contain keys.
    """

    def __init__(self, data: bytes, *, settings: Settings | None = None, clock: type[Clock] = Clock) -> None:
        self._data = data
        self.settings = settings
        self.clock = clock

    @classmethod
    def of(cls, items: Sequence[Item], settings: Settings, clock: type[Clock]) -> Self:
        """The state of a fake with these settings and a clock of this class."""
        return cls(dump(items), settings=settings, clock=clock)

    def items(self) -> list[Item]:
        """The items, new at each call. Raises ValueError if the lines are not a whole state."""
        return parse(self._data)

    def __bytes__(self) -> bytes:
        return self._data

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the lines to a file, in place of an earlier one; never a part of them."""
        target = Path(path)
        part = target.with_name(f"{target.name}.part")
        part.write_bytes(self._data)
        part.replace(target)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """The state in a file. Raises ValueError if it is not a whole state."""
        state = cls(Path(path).read_bytes())
        try:
            state.items()
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from None
        return state

    def __repr__(self) -> str:
        items = self.items()
        tasks = sum(isinstance(item, TaskState) for item in items)
        calls = sum(isinstance(item, CallRecord) for item in items)
        return f"<{type(self).__name__}: {tasks} tasks, {calls} calls>"
