"""Texts of violations: wording of the live service, short forms of values, local messages."""

import re

import pytest

from kling_contracts.operations import validate
from kling_contracts.rules import shorten
from tests.contracts.boundary_rows import PAGE_URL, SUBJECTS, TOO_LARGE, good, inline, png, subjects
from tests.contracts.boundary_table import ROWS

# 400 characters in which base64url differs; it ends with padding.
PIXELS = inline(b"\xfb\xff\xbf" * 99 + b"\xfb")
WRONG_ALPHABET = "; it is base64url or has wrong padding: use base64.b64encode or its like"


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
    """The texts follow the captured patterns of the live service."""
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
def test_short_forms_of_values(value: object, shown: str) -> None:
    assert shorten(value) == shown


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "subject_image_list: must be given; it is missing"),
        ({"subject_image_list": None}, "subject_image_list: must be given; it is null"),
        ({"subject_image_list": []}, "subject_image_list: must be given; it is empty"),
        ({"subject_image_list": "x"}, "subject_image_list: must be an array; got the string 'x'"),
        (subjects(PAGE_URL), "subject_image_list: must have at least 2 images; got 1"),
        (
            {"subject_image_list": [1, *SUBJECTS]},
            "subject_image_list[0]: must be an object with the key subject_image; got the integer 1",
        ),
        (
            subjects(PAGE_URL, "a.png"),
            "subject_image_list[1].subject_image: must be a URL or raw base64; got 'a.png' (length 5)",
        ),
        (
            good(style_image=f"DATA:image/png;base64,{PIXELS}"),
            (
                f"style_image: must be a URL or raw base64; got 'DATA:image/png;base64,{PIXELS[:18]}...' "
                f"(length {len(PIXELS) + 22}); leave out the prefix 'DATA:image/png;base64,'"
            ),
        ),
        *[
            (good(style_image=text), f"style_image: must be a URL or raw base64; {shown}{mistake}")
            for text, mistake in (
                (f"{PIXELS[:76]}\r\n{PIXELS[76:]}\n", "; leave out spaces and line breaks"),
                (PIXELS.rstrip("="), WRONG_ALPHABET),
                (PIXELS + "=", WRONG_ALPHABET),
                (PIXELS.replace("+", "-").replace("/", "_"), WRONG_ALPHABET),
                (PIXELS[:300] + "*" + PIXELS[300:], ""),
            )
            for shown in [f"got '{text[:40]}...' (length {len(text)})"]
        ],
        (
            subjects(PAGE_URL, inline(png(100, 100))),
            "subject_image_list[1].subject_image: must be at least 300 px on each side; it is 100 x 100",
        ),
        (
            subjects(PAGE_URL, inline(png(751, 300))),
            (
                "subject_image_list[1].subject_image: "
                "must have an aspect ratio between 1:2.5 and 2.5:1; it is 751 x 300"
            ),
        ),
        (
            subjects(PAGE_URL, inline(b"GIF89a")),
            "subject_image_list[1].subject_image: must be a PNG or JPEG; got 6 bytes of another format",
        ),
        (good(style_image=TOO_LARGE), "style_image: must have at most 10 MB; got 10,485,761 bytes"),
        (good(prompt="a" * 2501), "prompt: must have at most 2500 characters; got 2501"),
        (good(n=10), "n: must be at most 9; got 10"),
        (good(n=True), "n: must be an integer; got the boolean true"),
        (good(n=[]), "n: must be an integer; got an array of length 0"),
        (good(prompt={}), "prompt: must be a string; got an object"),
        (good(prompt=1.5), "prompt: must be a string; got the number 1.5"),
        (good(model_name="x"), "model_name: must be kling-v2; got x"),
        ([], "request body: must be a JSON object; got an array of length 0"),
    ],
)
def test_local_messages(body: object, text: str) -> None:
    """`str` of a violation names the field, the rule, and the length, type or size of the value."""
    assert [str(violation) for violation in validate(body)] == [text]


def test_shown_values_are_short_and_printable() -> None:
    """The short form of any value, and the local message, are one printable line."""
    for row in ROWS:
        for violation in validate(row.body):
            assert len(violation.value) <= 43
            assert violation.value.isprintable()
            assert re.fullmatch(r"[^\n]*", str(violation))
            str(violation).encode()
