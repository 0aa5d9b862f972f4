"""What a check is, what it hears, and what it may say: examples of one broken property, and a verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Delivery, Exchange
from kling_contracts.vocabulary import Source

Shown = Exchange | Delivery


class Verdict(StrEnum):
    PASS = "pass"  # noqa: S105 -- a verdict
    FAIL = "fail"
    NOT_RUN = "not run"  # something is missing that the user could give: budget, a key, a receiver, time
    INCONCLUSIVE = "inconclusive"  # it ran, and its premise never held
    KNOWN = "known deviation"


class Need(StrEnum):
    """What a step needs that a run may lack."""

    BUDGET = "budget"
    SECOND_KEY = "second key"
    SIGNER = "access and secret key"
    RECEIVER = "receiver"
    TIME = "time"
    REST = "the rest of the run"  # it was broken off
    CHOSEN = "chosen"  # left out by --only


# What the user decided on: it changes nothing about the exit status.
OWN_CHOICE: Final = frozenset({Need.BUDGET, Need.SECOND_KEY, Need.SIGNER, Need.RECEIVER, Need.CHOSEN})


@dataclass(frozen=True)
class Example:
    """One way in which the property was seen broken, with the shortest sequence that shows it."""

    sentence: str
    expected: str
    actual: str
    shown: tuple[Shown, ...]


@dataclass
class Hearing:
    """Collects what a check says: how often its premise held, and examples of where it is broken."""

    examined: int = 0
    examples: list[Example] = field(default_factory=list[Example])

    def expect(
        self,
        holds: bool,  # noqa: FBT001 -- the one thing said
        sentence: str,
        *,
        expected: str,
        actual: str,
        shown: Sequence[Shown],
    ) -> bool:
        """Say whether the property held in one place where it could be seen."""
        self.examined += 1
        if not holds:
            self.examples.append(Example(sentence, expected, actual, tuple(shown)))
        return holds


@dataclass(frozen=True, kw_only=True)
class Check:
    """One property of the contract.

    `id` is stable. `source` is where the rule is known from.
    A check that is not `must` does not decide whether a run was complete.
    """

    id: str
    sentence: str
    source: Source
    judge: Callable[[Evidence, Hearing], None]
    must: bool = True


@dataclass(frozen=True, kw_only=True)
class Result:
    """The verdict on one check; `reason` says why it is no plain pass or fail, `need` what was missing."""

    check: Check
    verdict: Verdict
    examined: int = 0
    examples: tuple[Example, ...] = ()
    need: Need | None = None
    reason: str = ""
