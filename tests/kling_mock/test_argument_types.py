"""Arguments of the wrong type are refused where they are given, with a sentence."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import pytest
from PIL import Image

from kling_mock import Fake, ManualClock
from kling_mock.http import decode

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Start


@pytest.mark.parametrize(
    ("misuse", "error", "says"),
    [
        (lambda fake: fake.next.pace(5), TypeError, "5 is no pace"),
        (lambda fake: fake.next.fails(5), ValueError, "give a message"),
        (lambda fake: fake.next.refuses([]), ValueError, "the table has 1000"),
        (lambda fake: fake.next.refuses(1303, 5), ValueError, "give a message"),
        (lambda fake: type(fake)(clock=5), TypeError, "5 is not a Clock"),
        (lambda _: ManualClock(cast("Any", "x")), TypeError, "'x' is no number of Unix seconds"),
    ],
)
def test_misuse_is_told_at_once(misuse: Callable[[Any], object], error: type[Exception], says: str) -> None:
    fake = Fake()
    with pytest.raises(error, match=says):
        misuse(fake)
    assert not fake.scripts


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"1" * 5000, "a number has 5000 digits"),
        ("\ufeff{}".encode(), "it begins with a byte order mark at character 0"),
        (b"[NaN]", "NaN is no JSON"),
    ],
)
def test_a_refusal_does_not_speak_of_python(body: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        decode(body, [])


@pytest.mark.parametrize(
    ("ratio", "size"),
    [("5:4", (1120, 896)), ("1:3", (576, 1736)), ("100:1", (2000, 496)), ("wide", (1280, 720))],
)
def test_a_ratio_that_the_settings_let_pass_is_drawn_as_asked(
    start: Start, ratio: str, size: tuple[int, int]
) -> None:
    """About as many pixels as any other, within bounds; what is no ratio at all falls back."""
    caller = start(ignore=["aspect_ratio.enum"], pace="instant")
    task = caller.make(aspect_ratio=ratio)
    with Image.open(io.BytesIO(caller.picture(task.images[0]).body)) as picture:
        assert picture.size == size
