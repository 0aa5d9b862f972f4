"""The budget of a run in images: each is reserved before a request that could cost it is sent."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from typing import Final, cast

from kling_contracts.verify.exchange import refuse_constant

_DOUBTFUL = 1
# The field with the number of results, and the field with the length of a series.
RESULTS: Final = "n"
SERIES: Final = "series_amount"
# The service chooses the length of a series for `auto`; this is the largest.
_MOST_OF_A_SERIES: Final = 9
_MOST_DIGITS = 4000


class OverBudget(Exception):
    """A request was not sent because it could cost more images than are left."""

    def __init__(self, wanted: int, left: int) -> None:
        super().__init__(f"the request could cost {wanted} images; {left} are left of --max-images")


class Budget:
    """The number of images that may be spent; None means no limit. Thread-safe."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.spent = 0
        self._reserved = 0
        self._lock = threading.Lock()

    @property
    def left(self) -> float:
        """The number of images that may still be reserved."""
        return math.inf if self.limit is None else self.limit - self.spent - self._reserved

    def reserve(self, images: int) -> None:
        """Reserve images. Raises OverBudget."""
        with self._lock:
            if images > self.left:
                raise OverBudget(images, int(self.left))
            self._reserved += images

    def settle(self, images: int, *, kept: bool) -> None:
        """End a reservation. `kept`: the images are spent; otherwise they are returned."""
        with self._lock:
            self._reserved -= images
            self.spent += images if kept else 0


def images_of(body: bytes) -> int:
    """The number of images that a server could create from a request body; 0 if it is not a JSON object."""
    try:
        decoded = cast("object", json.loads(body, parse_constant=refuse_constant, parse_int=_integer))
    except ValueError:
        return 0
    except RecursionError:  # a server may accept deeper nesting than Python
        return _DOUBTFUL if body.lstrip().startswith(b"{") else 0
    return images_in(cast("Mapping[str, object]", decoded)) if isinstance(decoded, dict) else 0


def images_in(asked: Mapping[str, object]) -> int:
    """The number of results that a server could create from a request of any operation.

    It is 1 if the request has no number. A number of the wrong type counts as a lenient server might read it:
    "3" as 3, 1.5 as 2, true as 1.
    """
    return max(
        _number(asked.get(RESULTS), _DOUBTFUL), _number(asked.get(SERIES, _DOUBTFUL), _MOST_OF_A_SERIES)
    )


def _number(wanted: object, word: int) -> int:
    """The number that a lenient server might read; `word` for a text that is not a number."""
    if isinstance(wanted, str):
        try:
            wanted = float(wanted)
        except ValueError:
            return word
    if isinstance(wanted, int | float) and (isinstance(wanted, int) or math.isfinite(wanted)):
        return max(math.ceil(wanted), _DOUBTFUL)
    return _DOUBTFUL


def _integer(digits: str) -> float:
    """Parse an integer of any length; Python refuses more than 4300 digits, and a server may not."""
    return int(digits) if len(digits) <= _MOST_DIGITS else math.inf
