"""A test of many rows runs each of them, and reports every row that fails."""

from __future__ import annotations

import inspect

import pytest

from tests.rows import each_row


def test_every_failing_row_is_reported_with_its_label() -> None:
    ran: list[tuple[int, str]] = []

    @each_row("number", [1, 2, 3], ids=lambda number: f"no. {number}")
    @each_row(("text", "length"), [("a", 1), ("b", 2)], ids=["right", "wrong"])
    def check(number: int, text: str, length: int) -> None:
        ran.append((number, text))
        if number == 3:
            pytest.fail("three")
        assert number != 2 or len(text) == length

    with pytest.raises(ExceptionGroup, match="2 of 3 rows failed") as raised:
        check()
    assert ran == [(number, text) for number in (1, 2, 3) for text in "ab"]
    second, third = raised.value.exceptions
    assert (second.__notes__, third.__notes__) == (["row: no. 2"], ["row: no. 3"])
    assert isinstance(second, ExceptionGroup)
    assert [error.__notes__ for error in second.exceptions] == [["row: wrong"]]
    assert isinstance(third, ExceptionGroup)
    assert len(third.exceptions) == 2


def test_fixtures_remain_parameters_and_a_table_has_rows() -> None:
    @each_row("row", [])
    def check(row: int, monkeypatch: pytest.MonkeyPatch) -> None: ...

    assert list(inspect.signature(check).parameters) == ["monkeypatch"]
    with pytest.raises(AssertionError, match="no rows"):
        check(monkeypatch=None)
