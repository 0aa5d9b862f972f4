"""A test of many rows runs each of them, and reports every row that fails; some rows are marked."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rows import each_row, exhaustive, some_rows


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


@pytest.mark.parametrize("usual", [2, {"a", "c"}, lambda row: row != "b"], ids=["int", "set", "function"])
def test_unusual_rows_are_marked(usual: int | set[str] | Callable[[str], bool]) -> None:
    _, rows = some_rows("letter", "abc", usual=usual, ids=str.upper).mark.args
    assert [(row.values, list(row.marks)) for row in rows] == [
        (("a",), []),
        (("b",), [exhaustive]),
        (("c",), []),
    ]
    _, pairs = some_rows("letter, number", [("a", 1), ("b", 2)], usual=[("a", 1)]).mark.args
    assert [row.values for row in pairs] == [("a", 1), ("b", 2)]


@pytest.mark.parametrize("usual", [1, set[str](), {"a", "b"}])
def test_usual_rows_are_some_and_not_all(usual: int | set[str]) -> None:
    with pytest.raises(ValueError, match=r"usual: a part of the rows; got [02] of 2"):
        some_rows("letter", "ab", usual=usual)


def test_every_push_runs_all_rows() -> None:
    root = Path(__file__).parents[2]
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    assert '$(TEST) -m "not exhaustive"\n' in makefile
    assert "$(TEST) -m exhaustive\n" in makefile
    steps = (root / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert {"make test", "make exhaustive"} <= set(steps)
