"""What may be spent, in images: each is reserved before the request that could cost it is sent."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from typing import Final, cast

_DOUBTFUL = 1
# The fields with the number of results, and with the length of a series.
RESULTS: Final = "n"
SERIES: Final = "series_amount"
# The length of a series may be left to the service (`auto`).
_MOST_OF_A_SERIES: Final = 9
_MOST_DIGITS = 4000


class OverBudget(Exception):
    """A request was not sent: it could cost more images than are left."""

    def __init__(self, wanted: int, left: int) -> None:
        super().__init__(f"{wanted} images would be reserved, {left} are left")


class Budget:
    """A number of images; None is no limit. Safe to use from several threads."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.spent = 0
        self._reserved = 0
        self._lock = threading.Lock()

    @property
    def left(self) -> float:
        """How many images may still be reserved."""
        return math.inf if self.limit is None else self.limit - self.spent - self._reserved

    def reserve(self, images: int) -> None:
        """Set images aside. Raises OverBudget."""
        with self._lock:
            if images > self.left:
                raise OverBudget(images, int(self.left))
            self._reserved += images

    def settle(self, images: int, *, kept: bool) -> None:
        """End a reservation: spent, or returned because nothing was created."""
        with self._lock:
            self._reserved -= images
            self.spent += images if kept else 0


def images_of(body: bytes) -> int:
    """How many images a server could make of a request body: 0 if it is no JSON object."""
    try:
        decoded = cast("object", json.loads(body, parse_constant=_no_json, parse_int=_integer))
    except ValueError:
        return 0
    except RecursionError:  # others may read what is too deep for us
        return _DOUBTFUL if body.lstrip().startswith(b"{") else 0
    return images_in(cast("Mapping[str, object]", decoded)) if isinstance(decoded, dict) else 0


def images_in(asked: Mapping[str, object]) -> int:
    """How many images, or other results, a server could make of a request for any operation.

    It is one where the request gives no number. A doubtful number counts as what a lenient server might read
    in it: "3" as 3, 1.5 as 2, true as 1.
    """
    return max(
        _number(asked.get(RESULTS), _DOUBTFUL), _number(asked.get(SERIES, _DOUBTFUL), _MOST_OF_A_SERIES)
    )


def _number(wanted: object, word: int) -> int:
    """The number that a lenient server might read. `word` is the number for a text that is not a number."""
    if isinstance(wanted, str):
        try:
            wanted = float(wanted)
        except ValueError:
            return word
    if isinstance(wanted, int | float) and (isinstance(wanted, int) or math.isfinite(wanted)):
        return max(math.ceil(wanted), _DOUBTFUL)
    return _DOUBTFUL


def _integer(digits: str) -> float:
    """Of any length: Python refuses those of more than 4300 digits, others take them."""
    return int(digits) if len(digits) <= _MOST_DIGITS else math.inf


def _no_json(word: str) -> object:
    raise ValueError(f"{word} is no JSON")
