"""Arguments of the wrong type raise a ConfigError that names them, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kling_client import Client, ConfigError, parse_callback


@pytest.mark.parametrize(
    ("misuse", "message"),
    [
        (lambda make: make(5), "api_key: must be a string, not int"),
        (lambda make: make("sk-any").get(5), r"task_id: must be a string, not int \(5\)"),
        (lambda make: make("sk-any").get(""), "task_id: must not be empty"),
        (lambda make: make("sk-any").generate(None), "images: must be a list of images, not NoneType"),
        (lambda make: make("sk-any").generate([5, 6]), "image: must be a Path, .* not int"),
        (lambda make: make("sk-any", timeout=None), "timeout: must be a finite number > 0, not None"),
        (lambda make: make("sk-any", timeout="30"), "timeout: must be a finite number > 0, not '30'"),
        (lambda make: make("sk-any").task("1").wait(deadline="5"), "deadline: must be .* >= 0, not '5'"),
        (lambda make: make("sk-any", retry=3), r"retry: must be a Retry, such as Retry\(first=2\), not 3"),
        (lambda make: make("sk-any", poll=3), r"poll: must be a Poll, such as Poll\(first=2\), not 3"),
        (lambda _: parse_callback({"task_id": "1"}), "body: must be .* as received, in bytes, not dict"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ],
)
def test_misuse_is_a_config_error(misuse: Callable[[Any], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        misuse(Client)
