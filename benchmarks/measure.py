"""Measurements: requests, ratios of CPU time, and the rows of the table."""

from __future__ import annotations

import itertools
import json
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from kling_mock import Request

BASE = "https://api.cometapi.com"
CREATE = "/kling/v1/images/generations"
KEY = {"authorization": "Bearer sk-mock"}
BODY = {
    "subject_image_list": [{"subject_image": f"https://example.com/pictures/{name}.png"} for name in "abcd"],
    "prompt": "the two of them at sea, watercolour, late afternoon light, a lighthouse far away",
    "aspect_ratio": "3:2",
    "n": 1,
}
REQUEST = Request(
    "POST", CREATE, headers=(("authorization", "Bearer sk-mock"),), body=json.dumps(BODY).encode()
)
ROUNDS = 11
PAIRS = 150
# Parts of URLs, which must differ, since clients cache parsed URLs.
NUMBERS = itertools.count()

Run = Callable[[], object]


class Row(NamedTuple):
    """One measurement: its value, unit ("" for a ratio) and budget, if any."""

    what: str
    yardstick: str
    budget: float | None
    figure: float
    unit: str
    beside: str

    def cells(self) -> tuple[str, ...]:
        """The cells of the table. Whether the budget is met depends on the rounded value."""
        digits = {"us": 0 if self.figure >= 10 else 2, "ms": 1}.get(self.unit, 2)
        measured = f"{self.figure:.{digits}f}"
        budget, met = "-", "-"
        if self.budget is not None:
            budget = f"{self.budget:.{digits}f} {self.unit}"
            met = "yes" if float(measured) <= self.budget else "no"
        return self.what, self.yardstick, budget, f"{measured} {self.unit}", met, self.beside


def cpu(run: Run) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def compare(ours: Run, yardstick: Run, per: int) -> tuple[float, float]:
    """Interleaved runs of both: the median ratio, and the median CPU time of `ours` in us per step."""
    ours()
    yardstick()
    taken = [(cpu(ours), cpu(yardstick)) for _ in range(ROUNDS)]
    ratio = statistics.median(mine / other for mine, other in taken)
    return ratio, statistics.median(mine for mine, _ in taken) / per * 1e6


def query_path(created: dict[str, Any]) -> str:
    """A new query path of a task."""
    return f"{CREATE}/{created['data']['task_id']}?{next(NUMBERS)}"
