"""Suggestions for unknown names."""

import pytest

from kling_contracts.operations import MULTI_IMAGE
from kling_contracts.suggestions import close_names, did_you_mean


@pytest.mark.parametrize(
    ("name", "known", "close"),
    [
        ("ratio", sorted(MULTI_IMAGE.keys), ["aspect_ratio"]),
        ("promt", sorted(MULTI_IMAGE.keys), ["prompt"]),
        ("pro", ["prompt", "province", "prone"], ["prone", "province", "prompt"]),
        ("pro", ["prompt", "pace"], ["prompt"]),
        ("prompt", ["prompt_length", "prompts"], ["prompts"]),
        ("prompt", ["prompt_length", "prompt_words"], ["prompt_length", "prompt_words"]),
        ("aaab", ["aaaa", "aaac", "aaad", "aaae"], ["aaae", "aaad", "aaac"]),
        ("zzz", ["prompt"], []),
        ("a", ["banana", "grape"], []),
        ("", ["a"], []),
    ],
)
def test_close_names(name: str, known: list[str], close: list[str]) -> None:
    """One prefix match or a very close name is the only suggestion; else at most three names."""
    assert sorted(close_names(name, known)) == sorted(close)


def test_texts() -> None:
    assert did_you_mean("ratio", ["aspect_ratio"]) == "did you mean 'aspect_ratio'?"
    assert did_you_mean("aaab", ["aaac", "aaad"]) == "did you mean 'aaad' or 'aaac'?"
    assert did_you_mean("aaab", ["aaac", "aaad", "aaae"]) == "did you mean 'aaae', 'aaad' or 'aaac'?"
    assert did_you_mean("zzz", ["prompt", "n"]) == "known: prompt, n"
    assert did_you_mean("zzz", ["prompt", "n"], "list them with --help") == "list them with --help"
