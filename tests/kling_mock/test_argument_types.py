"""Arguments of the wrong type raise an error with a helpful message in the call that receives them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import pytest
from PIL import Image

from kling_mock import Fake, ManualClock, read_picture
from kling_mock.http import decode

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Start


@pytest.mark.parametrize(
    ("misuse", "error", "message"),
    [
        (lambda fake: fake.next.pace(5), TypeError, "pace must be a Pace .*, not 5"),
        (lambda fake: fake.next.fails(5), ValueError, "unknown error code 5; known: 1000"),
        (lambda fake: fake.next.fails(True), ValueError, "unknown error code True; known: 1000"),
        (lambda fake: fake.next.fails(None), ValueError, "message must be a non-empty string, not None"),
        (lambda fake: fake.next.refuses([]), ValueError, r"unknown error code \[\]; known: 1000"),
        (lambda fake: fake.next.refuses(1303, 5), ValueError, "message must be a non-empty string, not 5"),
        (
            lambda fake: fake.next.fails("a\ud800"),
            ValueError,
            r"message must be Unicode text; '\\ud800' at 1 is a part of a character",
        ),
        (lambda fake: fake.next.refuses(1303, "\ud800"), ValueError, "message must be Unicode text"),
        (lambda fake: fake.next.shows_status("\ud800"), ValueError, "word must be Unicode text"),
        (lambda fake: fake.next.answers(500, body="\ud800"), ValueError, "body must be Unicode text"),
        (lambda fake: fake.next.answers(500, body=["\ud800"]), ValueError, "body must be Unicode text"),
        (lambda fake: fake.next.answers(500, body={"a": {1, 2}}), ValueError, "body must be .* JSON; .* set"),
        (lambda fake: fake.next.answers(500, body={"a": float("nan")}), ValueError, "body must be .* JSON"),
        (lambda fake: fake.next.adds_fields({"a": object()}), ValueError, "fields must be .* JSON"),
        (lambda fake: fake.account(None), TypeError, "key must be a string, not NoneType"),
        (lambda _: read_picture(cast("Any", "a.png")), TypeError, "must be the bytes of a PNG, not str"),
        (lambda fake: type(fake)(clock=5), TypeError, "clock must be a Clock, .*, not 5"),
        (
            lambda _: ManualClock(cast("Any", "x")),
            TypeError,
            "start: must be a number of Unix seconds; got 'x'",
        ),
    ],
)
def test_misuse_raises_at_once(misuse: Callable[[Any], object], error: type[Exception], message: str) -> None:
    fake = Fake()
    with pytest.raises(error, match=message):
        misuse(fake)
    assert not fake.scripts


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"1" * 5000, "a number has 5000 digits"),
        ("\ufeff{}".encode(), "it begins with a byte order mark at character 0"),
        (b"[NaN]", "NaN is not valid JSON"),
    ],
)
def test_a_refusal_does_not_mention_python(body: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode(body, [])


@pytest.mark.parametrize(
    ("ratio", "size"),
    [("5:4", (1120, 896)), ("1:3", (576, 1736)), ("100:1", (2000, 496)), ("wide", (1280, 720))],
)
def test_a_ratio_that_the_settings_let_pass_is_drawn_as_asked(
    start: Start, ratio: str, size: tuple[int, int]
) -> None:
    """With about one megapixel and a limited ratio; text that is not a ratio gets the default size."""
    caller = start(ignore=["aspect_ratio.enum"], pace="instant")
    task = caller.make(aspect_ratio=ratio)
    with Image.open(io.BytesIO(caller.picture(task.images[0]).body)) as picture:
        assert picture.size == size
