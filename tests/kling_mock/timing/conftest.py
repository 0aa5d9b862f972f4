"""The clock that skipped sleeps move."""

from __future__ import annotations

import pytest

from kling_mock import ManualClock
from tests.kling_mock.timing.sleepers import START


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)
