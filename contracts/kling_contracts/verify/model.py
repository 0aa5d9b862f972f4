"""Checks and steps: a check judges the evidence, a step sends requests; failures and results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from fnmatch import fnmatchcase
from typing import Final

from kling_contracts.gateways import Gateway
from kling_contracts.verify.evidence import Evidence, asked_task
from kling_contracts.verify.exchange import Delivery, Exchange
from kling_contracts.verify.session import Session
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

    @property
    def subjects(self) -> frozenset[tuple[str, str]]:
        """What it is about: the messages that show it, and the tasks that were created or queried there."""
        return frozenset(subject for each in self.shown for subject in _subjects(each))


def _subjects(shown: Shown) -> Iterator[tuple[str, str]]:
    yield type(shown).__name__, str(shown.number)
    if isinstance(shown, Exchange):
        created = shown.task.task_id if shown.method == "POST" and shown.task else None
        task_id = created or asked_task(shown)
        if task_id is not None:
            yield "task", task_id


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

    `id` is stable. `source` is where the rule is known from. `catches` are faults that it finds, in words.
    A check that is not `must` does not decide whether a run was complete. `unless` are ids or patterns of
    checks that take precedence: a failure for a message or a task that one of them fails for is left out.
    """

    id: str
    sentence: str
    source: Source
    judge: Callable[[Evidence, Hearing], None]
    catches: tuple[str, ...] = ()
    must: bool = True
    unless: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Result:
    """The verdict on one check; `reason` says why it is no plain pass or fail, `need` what was missing."""

    check: Check
    verdict: Verdict
    examined: int = 0
    examples: tuple[Example, ...] = ()
    need: Need | None = None
    reason: str = ""


class Stage(IntEnum):
    """When a step runs: what is free first, what costs most late, then what needs ended tasks."""

    READING = 0
    REFUSED = 1
    CREATING = 2
    RUNNING = 3
    LARGE = 4
    EXTRA = 5
    ENDING = 6
    ENDED = 7


@dataclass(frozen=True, kw_only=True)
class Step:
    """`reserves` is the largest number of images set aside at once, `keeps` what a right server creates.

    `feeds` are patterns of check ids (`refuses.*`). `requests` is how many are sent, roughly where a step
    waits for something.
    """

    name: str
    stage: Stage
    does: str
    run: Callable[[Session], None]
    requests: int
    feeds: tuple[str, ...]
    reserves: int = 0
    keeps: int = 0
    needs: frozenset[Need] = frozenset()
    must: bool = True

    def serves(self, check_id: str) -> bool:
        return any(fnmatchcase(check_id, pattern) for pattern in self.feeds)


@dataclass(frozen=True)
class Suite:
    """All checks and steps in order: which there are depends on what a gateway offers."""

    checks: Callable[[Gateway], tuple[Check, ...]]
    steps: Callable[[Gateway], tuple[Step, ...]]
