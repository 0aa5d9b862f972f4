"""Messages about unknown names."""

from __future__ import annotations

import pytest

from kling_client.suggestions import unknown

FIELDS = ["prompt", "aspect_ratio", "scene_image", "style_image", "subject_image"]


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("ratio", "did you mean 'aspect_ratio'?"),
        ("pro", "did you mean 'prompt'?"),
        ("promt", "did you mean 'prompt'?"),
        ("zzz", "known: aspect_ratio, prompt, scene_image, style_image, subject_image"),
        ("", "known: aspect_ratio, prompt, scene_image, style_image, subject_image"),
    ],
)
def test_similar_names_are_suggested(name: str, end: str) -> None:
    assert unknown("field", name, FIELDS) == f"unknown field {name!r}; {end}"


def test_at_most_three_names_are_suggested() -> None:
    message = unknown("field", "image", [*FIELDS, "tail_image"])
    assert message.count("image'") == 4, "the name itself and three suggestions"
    assert " or '" in message
