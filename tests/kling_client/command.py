"""Helpers for tests of the command: usual arguments, and a parser of its output."""

from __future__ import annotations

import pytest

from kling_mock import ManualClock

KEY = "sk-mock-of-this-test"
KLING = ["--gateway", "kling", "--base-url", "https://api-singapore.klingai.com"]
AT_ONCE = pytest.mark.kling(pace="polls:3", sleep="advance", clock=ManualClock)


def lines(text: str) -> list[list[str]]:
    return [line.split(" ", 1) for line in text.splitlines()]


def create(*more: str) -> list[str]:
    return ["generate", "a.png", "b.png", "--prompt", "the two at sea", *more]


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt
