"""Tests of many rows.

`each_row` runs all of them in one test, since each test of pytest costs 2 ms. `some_rows` makes a test of
each row: `make test` runs a part of them, and `make exhaustive` the others.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import wraps
from typing import Any, Final

import pytest

Test = Callable[..., None]

# A test or row that repeats what others of its class show. `make exhaustive` runs it, `make test` does not.
exhaustive: Final = pytest.mark.exhaustive


def some_rows(
    names: str | Sequence[str],
    rows: Iterable[Any],
    *,
    usual: int | Collection[object] | Callable[[Any], bool],
    ids: Iterable[object] | Callable[[Any], object] | None = None,
    indirect: bool | Sequence[str] = False,
) -> pytest.MarkDecorator:
    """As `pytest.mark.parametrize`; all rows except the `usual` ones are marked `exhaustive`.

    `usual`: every n-th row, beginning with the first; or the rows themselves; or a function of a row. Raises
    `ValueError` if that selects all rows or not one.
    """
    split = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    table = list(rows)
    if isinstance(usual, int):
        kept = [at % usual == 0 for at in range(len(table))]
    else:
        kept = [usual(row) if callable(usual) else row in usual for row in table]
    if len(set(kept)) < 2:
        raise ValueError(f"usual: a part of the rows; got {kept.count(True)} of {len(table)}")
    params = [
        pytest.param(*(row if len(split) > 1 else (row,)), marks=() if usual_row else exhaustive)
        for row, usual_row in zip(table, kept, strict=True)
    ]
    labels = ids if ids is None or callable(ids) else [str(each) for each in ids]
    return pytest.mark.parametrize(split, params, ids=labels, indirect=indirect)


def thinned(suite: Any, part: int) -> Any:
    """A test function of `client_suite` without skipped properties: every `part`-th property is usual."""
    (mark,) = suite.pytestmark
    name, rows = mark.args
    suite.pytestmark = []
    return some_rows(name, [row.values[0] for row in rows], usual=part, ids=[row.id for row in rows])(suite)


def each_row(
    names: str | Sequence[str],
    rows: Iterable[Any],
    *,
    ids: Iterable[object] | Callable[[Any], object] | None = None,
) -> Callable[[Test], Test]:
    """As `pytest.mark.parametrize`, for rows that share the fixtures of one test.

    Raises an exception group of the errors of all failing rows; each error has a note that names its row.
    """
    split = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    table = list(rows)
    labels = [ids(row) for row in table] if callable(ids) else table if ids is None else list(ids)

    def decorate(test: Test) -> Test:
        @wraps(test)
        def run(**fixtures: Any) -> None:
            assert table, "no rows"
            errors: list[Exception] = []
            for row, label in zip(table, labels, strict=True):
                values = row if len(split) > 1 else (row,)
                try:
                    test(**fixtures, **dict(zip(split, values, strict=True)))
                except pytest.fail.Exception as failure:  # it is not an Exception
                    errors.append(AssertionError(str(failure)).with_traceback(failure.__traceback__))
                except Exception as error:  # noqa: BLE001 -- raised below, with those of other rows
                    errors.append(error)
                else:
                    continue
                errors[-1].add_note(f"row: {label}")
            if errors:
                raise ExceptionGroup(f"{len(errors)} of {len(table)} rows failed", errors)

        signature = inspect.signature(test)
        kept = [each for name, each in signature.parameters.items() if name not in split]
        run.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]  # as documented by inspect
        return run

    return decorate
