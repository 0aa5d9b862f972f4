"""A store that reads its state file again equals a scan of the whole history."""

from __future__ import annotations

from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings

from kling_mock import ManualClock
from kling_mock.stores.sqlite import SqliteStore
from kling_mock.stores.state_file import StateFile
from kling_mock.stores.usage import Usage
from tests.kling_mock.stores.histories import RETENTION, Player, many_moves
from tests.kling_mock.stores.state_files import MEMORY
from tests.profiles import CI, share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mock.stores.state_file import Gone, Row


class RestartedPlayer(Player):
    """Opens the file again before each comparison."""

    def __init__(self, folder: str) -> None:
        self.path = f"{folder}/state.db"
        self.clock = ManualClock()
        super().__init__(self._open)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] -- it is called like the class

    def _open(self, clock: ManualClock, **limits: Any) -> SqliteStore:
        return SqliteStore(self.path, clock, **limits)

    def look(self) -> None:
        assert isinstance(self.store, SqliteStore)
        now = self.clock.now()
        self.store.close()
        self.clock = ManualClock()
        self.store = self._open(self.clock, retention=RETENTION, journal_bytes=2**22)
        assert self.clock.now() == now
        super().look()


def play(history: list[Any]) -> None:
    with TemporaryDirectory(dir=MEMORY) as folder:
        player = RestartedPlayer(folder)
        try:
            player.play(history)
        finally:
            player.store.close()  # type: ignore[attr-defined]


CREATE = ("create", "x", "image", 2, "mine", "no luck", "seconds:1,5")


@share(0.25)
@given(history=many_moves)
@example(history=[CREATE, ("advance", RETENTION), CREATE, ("look",), ("advance", RETENTION), CREATE] * 2)
def test_a_store_that_was_opened_again_equals_a_full_scan(history: list[Any]) -> None:
    play(history)


def _forgets(_usage: Usage, _dropped: object) -> None: ...


def _writes_no_calls(
    file: StateFile, rows: Sequence[Row], _calls: Sequence[Row] = (), gone: Gone | None = None
) -> None:
    _write(file, rows, (), *(() if gone is None else (gone,)))


_write = StateFile.write


@pytest.mark.parametrize(
    ("owner", "name", "fault"),
    [(Usage, "begin", _forgets), (StateFile, "write", _writes_no_calls)],
    ids=["totals of dropped tasks", "calls"],
)
def test_a_store_that_loses_state_differs(
    owner: type, name: str, fault: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counterexample."""
    monkeypatch.setattr(owner, name, fault)

    @settings(
        CI,
        phases=[Phase.explicit, Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(history=many_moves)
    @example(history=[CREATE, ("call", "x"), ("advance", RETENTION), CREATE, CREATE, ("look",)])
    def search(history: list[Any]) -> None:
        play(history)

    with pytest.raises(AssertionError):
        search()
