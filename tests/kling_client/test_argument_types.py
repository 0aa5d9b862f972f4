"""Arguments of the wrong type raise a ConfigError that names them, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kling_client import Client, ConfigError


@pytest.mark.parametrize(
    ("misuse", "message"),
    [
        (lambda make: make(5), "api_key: must be a string, not int"),
        (lambda make: make("sk-any").get(5), r"task_id: must be a string, not int \(5\)"),
        (lambda make: make("sk-any").get(""), "task_id: must not be empty"),
        (lambda make: make("sk-any").generate(None), "images: must be a list of images, not NoneType"),
        (lambda make: make("sk-any").generate([5, 6]), "image: must be a Path, .* not int"),
    ],
)
def test_misuse_is_a_config_error(misuse: Callable[[Any], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        misuse(Client)
