"""What a create was refused for."""

from __future__ import annotations

from kling_contracts.witnesses.message import Answer, Ask


def invalid(ask: Ask, answer: Answer) -> bool:
    """Whether a create was refused for what is in its body."""
    return ask.creates and answer.status in (400, 503) and bool(ask.peek)


def has_own_error(answer: Answer) -> bool:
    """Whether a create was refused for its external id or its model, which have errors of their own."""
    return is_taken(answer) or "model is not supported" in str(answer.peek)


def is_taken(answer: Answer) -> bool:
    """Whether a create was refused because its external id is taken."""
    return "already exists" in str(answer.peek)


def malformed(ask: Ask) -> bool:
    return ask.creates and not ask.peek
