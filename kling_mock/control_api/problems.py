"""Errors of the control API: each has an HTTP status, the place of the invalid value, and similar names."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager
from typing import Final

from kling_contracts.suggestions import close_names
from kling_mock.control import TaskAlreadyEnded
from kling_mock.control_api.models import Model
from kling_mock.json_schema import escaped
from kling_mock.suggestions import unknown

# The number of ids, the latest ones, of which similar ones are searched: each takes about 50 us.
COMPARED: Final = 1_000


class Problem(Exception):
    """A refused call of the control API.

    `pointer` is a JSON pointer into the body, or `?name` for a parameter of the query. `nearest` are known
    names that are similar to an unknown one. `allow` are the methods of the path (405).
    """

    def __init__(
        self,
        status: int,
        message: str,
        pointer: str | None = None,
        nearest: Collection[str] = (),
        allow: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.pointer = pointer
        self.nearest = tuple(nearest)
        self.allow = allow


class ErrorInfo(Model, frozen=True):
    """Message of an error, the place of the invalid value if there is one, and similar names."""

    message: str
    pointer: str | None = None
    nearest: tuple[str, ...] = ()


class ErrorBody(Model, frozen=True):
    """The body of every error."""

    error: ErrorInfo


def not_found(kind: str, name: str, known: Iterable[str]) -> Problem:
    """404 for an unknown id, with the most similar ones of the latest that exist."""
    nearest = close_names(name[:100], list(known)[-COMPARED:])
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    return Problem(404, f"unknown {kind} {name[:100]!r}{hint}", None, nearest)


def unknown_name(kind: str, name: str, known: Collection[str], place: str) -> Problem:
    """422 for a name in a body or query that is not one of these, with similar ones; `place` is before it."""
    text = name[:100]
    return Problem(422, unknown(kind, text, known), place + escaped(text), close_names(text, known))


@contextmanager
def converted_errors(pointer: str | None) -> Generator[None]:
    """Convert errors of the fake: 409 for a task that has ended, 422 for a value at this place."""
    try:
        yield
    except TaskAlreadyEnded as error:
        raise Problem(409, str(error)) from error
    except (ValueError, TypeError) as error:
        raise Problem(422, str(error), pointer) from error
