"""Scripting outcomes: the verbs with which a test writes rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from msgspec.structs import replace

from kling_contracts.gateways import ErrorShape, Refusal
from kling_contracts.vocabulary import ERRORS
from kling_mock.plan import Pace
from kling_mock.records import RuleRecord


def check_message(message: str) -> str:
    """The message of a failed task or a refusal. Raises ValueError unless it is text, and not empty."""
    if not isinstance(message, str) or not message:  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass anything
        raise ValueError(f"a failure says why: give a message (text), not {message!r}")
    return message


class Script:
    """A rule in the making. Every verb refines the same rule and gives it back, so verbs can be chained.

    >>> from kling_mock import Fake, Pace
    >>> fake = Fake()
    >>> fake.next.fails("Image pixel is invalid").pace(Pace.polls(4))
    <Script #0: next create fails 'Image pixel is invalid', pace polls:4, once>
    >>> fake.when(prompt="*cat*").refuses(1303).times(2)
    <Script #1: creates with prompt='*cat*' are refused with 1303, 2 times>

    Nothing is scripted before the first verb. A refused create consumes no `next` (but for the one that
    refuses it).
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
        """The task ends `succeed`, even if its pictures would have made it fail."""
        return self._refine(decides=True, failure=None)

    def fails(self, message: str) -> Self:
        """The task ends `failed`, with `message` as its `task_status_msg`."""
        return self._refine(decides=True, failure=check_message(message))

    def refuses(self, code: int, message: str | None = None) -> Self:
        """The create is refused with a code of Kling's error table; nothing is created."""
        row = ERRORS.get(code) if isinstance(code, int) else None  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass anything
        if row is None:
            known = ", ".join(map(str, ERRORS))
            raise ValueError(f"there is no error code {code!r}; the table has {known}")
        if message is not None:
            check_message(message)
        text = (message or row.wording).replace("{", "{{").replace("}", "}}")
        return self._refine(refusal=Refusal(row.status, ErrorShape.KLING, code, text, row.source))

    def pace(self, pace: Pace | str) -> Self:
        """The task goes at this pace, whatever the fake's own is."""
        chosen = Pace.parse(pace) if isinstance(pace, str) else pace
        if not isinstance(chosen, Pace):  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass anything
            raise TypeError(f"{pace!r} is no pace: use Pace.polls(3), for example, or its spelling 'polls:3'")
        return self._refine(pace=chosen)

    def holds(self, at: str = "processing") -> Self:
        """The task stays `submitted` or `processing` until it is released."""
        return self._refine(pace=Pace.held(at))

    def times(self, n: int) -> Self:
        """Apply to so many creates: without it, `next` applies to one and `when` to any number."""
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass anything
            raise ValueError(f"a rule applies a whole number of times from 1 on, not {n!r} times")
        return self._refine(uses_left=n)

    def _refine(self, **parts: Any) -> Self:
        self._rule = self._write(replace(self._rule, **parts))
        return self

    def __repr__(self) -> str:
        if self._rule.id < 0:
            return "<Script: nothing said yet>"
        return f"<Script #{self._rule.id}: {describe(self._rule)}>"


def describe(rule: RuleRecord) -> str:
    """A rule in words."""
    if rule.criteria is None:
        who = "next create"
    else:
        who = "creates with " + ", ".join(f"{name}={value!r}" for name, value in rule.criteria.items())
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
    return f"{who} {', '.join(parts)}"
