"""How a violation is told: in the words of the live service, short, and fit for any terminal."""

import re

import pytest

from kling_contracts.operations import validate
from kling_contracts.rules import shorten
from tests.contracts.boundary_table import PAGE_URL, ROWS, SUBJECTS, TOO_LARGE, good, inline, png, subjects


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "subject_image_list cannot be empty"),
        ({"subject_image_list": "x"}, "subject_image_list value type is invalid, expected array"),
        (subjects(PAGE_URL), "subject_image_list size must be between 2 and 4"),
        (subjects(PAGE_URL, None), "subject_image_list[1].subject_image cannot be empty"),
        (subjects(PAGE_URL, "data:,"), "File is not in a valid base64 format"),
        (good(model_name="x"), "model is not supported"),
        (good(prompt="a" * 2501), "prompt value length exceeds 2500"),
        (good(n=10), "n value '10' is invalid"),
        (good(n="1"), "n value type is invalid, expected integer"),
        (good(aspect_ratio="5:4"), "aspect_ratio value '5:4' is invalid"),
        (good(style_image=inline(png(299, 300))), "Image pixel is invalid"),
        (
            good(style_image=inline(png(751, 300))),
            (
                "The resolution or aspect ratio of the input image is invalid. "
                "Please ensure it meets the required specifications."
            ),
        ),
        ([], "request body value type is invalid, expected object"),
        (subjects(PAGE_URL, 1), "subject_image_list[1].subject_image value type is invalid, expected string"),
        (
            {"subject_image_list": [1, *SUBJECTS]},
            "subject_image_list[0] value type is invalid, expected object",
        ),
        (good(style_image=TOO_LARGE), "style_image file size exceeds 10 MB"),
        (good(prompt="\ud83d"), "prompt value '\\ud83d' is not valid Unicode text"),
        (good(prompt=1), "prompt value type is invalid, expected string"),
        (good(callback_url="/x"), "callback_url value '/x' is invalid"),
    ],
)
def test_wording(body: object, text: str) -> None:
    """The texts follow the patterns seen on the live service."""
    assert [violation.message for violation in validate(body)] == [text]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (1.5, "1.5"),
        ([1, 2], "array of 2"),
        ({"a": 1}, "object of 1"),
        (b"", "bytes"),
        (10**38, "1" + "0" * 38),
        (-(10**38), "-1" + "0" * 38),
        (10**39, "integer of about 40 digits"),
        (10**5000, "integer of about 5001 digits"),
        ("x" * 40, "x" * 40),
        ("x" * 41, "x" * 40 + "..."),
        ("x" * 10**6, "x" * 40 + "..."),
        ("a\nb", "a\\x0ab"),
        ("\ud800", "\\ud800"),
    ],
    ids=range(16),
)
def test_how_values_are_shown(value: object, shown: str) -> None:
    assert shorten(value) == shown


def test_shown_values_are_short_and_printable() -> None:
    """However long or odd a value is, what is shown of it fits a line and a terminal."""
    for row in ROWS:
        for violation in validate(row.body):
            assert len(violation.value) <= 43
            assert violation.value.isprintable()
            assert re.fullmatch(r"[^\n]*", str(violation))
            str(violation).encode()
