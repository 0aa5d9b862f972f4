"""Tests of many rows: one test that runs all of them, since each test of pytest costs 2 ms."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

import pytest

Test = Callable[..., None]


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
