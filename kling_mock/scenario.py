"""Scripts: the methods with which a test sets the outcome of creates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from msgspec.structs import replace

from kling_contracts.gateways import ErrorShape, Refusal
from kling_contracts.redaction import hide_in_urls
from kling_contracts.vocabulary import ERRORS
from kling_mock.plan import Pace
from kling_mock.records import RuleRecord


def check_message(message: str) -> str:
    """Return a message of a failed task or a refusal. Raises ValueError unless it is a non-empty string."""
    if not isinstance(message, str) or not message:  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass anything
        raise ValueError(f"message must be a non-empty string, not {message!r}")
    return message


class Script:
    """A scripted rule under construction. Each method changes the rule and returns the script, for chaining.

    >>> from kling_mock import Fake, Pace
    >>> fake = Fake()
    >>> fake.next.fails("Image pixel is invalid").pace(Pace.polls(4))
    <Script #0: next create fails 'Image pixel is invalid', pace polls:4, once>
    >>> fake.when(prompt="*cat*").refuses(1303).times(2)
    <Script #1: creates with prompt='*cat*' are refused with 1303, 2 times>

    The rule takes effect with the first method call. A refused create does not use up a `next` rule, except
    the one that refuses it.
    """

    def __init__(
        self,
        write: Callable[[RuleRecord], RuleRecord],
        account: str | None,
        criteria: Mapping[str, object] | None,
    ) -> None:
        self._write = write
        self._rule = RuleRecord(-1, account, criteria, 1 if criteria is None else None)

    def succeeds(self) -> Self:
        """The task ends `succeed`, even if its pictures would make it fail."""
        return self._refine(decides=True, failure=None)

    def fails(self, message: str) -> Self:
        """The task ends `failed`, with `message` as its `task_status_msg`."""
        return self._refine(decides=True, failure=check_message(message))

    def refuses(self, code: int, message: str | None = None) -> Self:
        """The create is refused with a code of Kling's error table; nothing is created."""
        row = ERRORS.get(code) if isinstance(code, int) else None  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass anything
        if row is None:
            raise ValueError(f"unknown error code {code!r}; known: {', '.join(map(str, ERRORS))}")
        if message is not None:
            check_message(message)
        text = (message or row.wording).replace("{", "{{").replace("}", "}}")
        return self._refine(refusal=Refusal(row.status, ErrorShape.KLING, code, text, row.source))

    def pace(self, pace: Pace | str) -> Self:
        """The task progresses at this pace instead of that of the setting `pace`."""
        chosen = Pace.parse(pace) if isinstance(pace, str) else pace
        if not isinstance(chosen, Pace):  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass anything
            raise TypeError(f"pace must be a Pace such as Pace.polls(3) or its text 'polls:3', not {pace!r}")
        return self._refine(pace=chosen)

    def holds(self, at: str = "processing") -> Self:
        """The task stays `submitted` or `processing` until the test ends it."""
        return self._refine(pace=Pace.held(at))

    def times(self, n: int) -> Self:
        """The rule applies to `n` creates. By default `next` applies to one, `when` to any number."""
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass anything
            raise ValueError(f"times must be an integer of at least 1, not {n!r}")
        return self._refine(uses_left=n)

    def _refine(self, **parts: Any) -> Self:
        self._rule = self._write(replace(self._rule, **parts))
        return self

    def __repr__(self) -> str:
        if self._rule.id < 0:
            return "<Script: no outcome yet>"
        return f"<Script #{self._rule.id}: {describe(self._rule)}>"


def describe(rule: RuleRecord) -> str:
    """A scripted rule as one line of text."""
    if rule.criteria is None:
        subject = "next create"
    else:
        subject = "creates with " + ", ".join(f"{name}={value!r}" for name, value in rule.criteria.items())
    parts: list[str] = []
    if rule.refusal is not None:
        parts.append(f"{'are' if rule.criteria is not None else 'is'} refused with {rule.refusal.code}")
    elif rule.decides:
        parts.append("fails " + repr(rule.failure) if rule.failure is not None else "succeeds")
    if rule.pace is not None:
        parts.append(f"pace {rule.pace}")
    match rule.uses_left:
        case None:
            parts.append("always")
        case 0:
            parts.append("used up")
        case 1:
            parts.append("once")
        case n:
            parts.append(f"{n} times")
    return hide_in_urls(f"{subject} {', '.join(parts)}")
