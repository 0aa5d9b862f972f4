"""Arguments of the wrong type are a ConfigError that names them, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kling_client import Client, ConfigError


@pytest.mark.parametrize(
    ("misuse", "says"),
    [
        (lambda make: make(5), "api_key must be text, not int"),
        (lambda make: make("sk-any").get(5), "a task id is text, not 5"),
        (lambda make: make("sk-any").generate(None), "images must be a list of pictures"),
        (lambda make: make("sk-any").generate([5, 6]), "5 is no picture"),
    ],
)
def test_misuse_is_a_config_error(misuse: Callable[[Any], object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        misuse(Client)
