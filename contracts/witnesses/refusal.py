"""What a create was refused for."""

from __future__ import annotations

from contracts.witnesses.message import Answer, Ask


def invalid(ask: Ask, answer: Answer) -> bool:
    """Whether a create was refused for what is in its body."""
    return ask.creates and answer.status in (400, 503) and bool(ask.peek)


def has_own_error(answer: Answer) -> bool:
    """Whether a create was refused for its external id or its model, which have errors of their own."""
    return any(word in str(answer.peek) for word in ("already exists", "model is not supported"))


def malformed(ask: Ask) -> bool:
    return ask.creates and not ask.peek
