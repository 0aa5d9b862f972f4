"""Messages about unknown names."""

from __future__ import annotations

import pytest

from kling_mock.suggestions import status_of, unknown

FIELDS = ("prompt", "negative_prompt", "aspect_ratio", "image", "image_fidelity", "image_reference")


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("ratio", "did you mean 'aspect_ratio'?"),
        ("promt", "did you mean 'prompt'?"),
        ("image_f", "did you mean 'image_fidelity'?"),
        ("prompts", "did you mean 'prompt'?"),
        ("imag", "did you mean 'image', 'image_fidelity' or 'image_reference'?"),
        ("zzz", f"known: {', '.join(FIELDS)}"),
        ("", f"known: {', '.join(FIELDS)}"),
    ],
)
def test_the_message_has_at_most_three_suggestions(name: str, rest: str) -> None:
    """A unique completion is the only suggestion; without any similar name all names are listed."""
    assert unknown("field", name, FIELDS) == f"unknown field {name!r}; {rest}"


def test_the_message_without_known_names() -> None:
    assert unknown("operation", "x", ()) == "unknown operation 'x'; known: none"


def test_status_of() -> None:
    assert status_of("failed") == "failed"
    with pytest.raises(ValueError, match=r"^unknown status 'succeeded'; did you mean 'succeed'\?$"):
        status_of("succeeded")
