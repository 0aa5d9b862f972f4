"""Shortened texts can be restored, and their expressions are valid Python."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts.verify.text import expression, lengthen, shorten

TEXTS = [
    "",
    "a" * 2501,
    "it's" * 50 + "\\'",
    '"' * 40 + '\\"',
    "\ud800" * 50,
    "\n" * 99,
    "b" + "a" * 9000 + "c",
]


@pytest.mark.parametrize("text", TEXTS)
def test_shortened_texts_are_restored(text: str) -> None:
    assert eval(expression(text)) == text
    assert lengthen(shorten(text)) == text


@given(st.lists(st.tuples(st.text(max_size=9), st.integers(1, 80))))
def test_repetitions_are_restored(parts: list[tuple[str, int]]) -> None:
    text = "".join(part * times for part, times in parts)
    assert lengthen(shorten(text)) == eval(expression(text)) == text


def test_repetitions_are_products() -> None:
    assert expression("a" * 2501) == '"a" * 2501'
    assert len(expression("iVBOR" + "A" * 13_000_000 + "==")) < 50


@pytest.mark.parametrize("text", ["plain", "⟪", "⟪print(1)⟫", '⟪"a" * 9; 1⟫'])
def test_other_texts_are_unchanged(text: str) -> None:
    """Only string literals are evaluated."""
    assert lengthen(text) == text
    assert isinstance(ast.parse(expression(text), mode="eval"), ast.Expression)
