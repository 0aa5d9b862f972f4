"""Checks and steps: a check judges the evidence, a step sends requests; failures and results."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from fnmatch import translate
from functools import cached_property
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


class Requirement(StrEnum):
    """What a step needs that a run may lack."""

    BUDGET = "budget"
    SECOND_KEY = "second key"
    SIGNER = "access and secret key"
    RECEIVER = "receiver"
    TIME = "time"
    REST = "the rest of the run"  # it was broken off
    CHOSEN = "chosen"  # left out by --only


# What the user decided on: it changes nothing about the exit status.
OWN_CHOICE: Final = frozenset(
    {Requirement.BUDGET, Requirement.SECOND_KEY, Requirement.SIGNER, Requirement.RECEIVER, Requirement.CHOSEN}
)


@dataclass(frozen=True)
class Failure:
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
class CheckContext:
    """What a check reports: how often its premise held, and the failures."""

    examined: int = 0
    failures: list[Failure] = field(default_factory=list[Failure])

    def expect(
        self,
        holds: bool,  # noqa: FBT001 -- the one thing said
        sentence: str,
        *,
        expected: str,
        actual: str,
        shown: Sequence[Shown],
    ) -> bool:
        """Report whether the property held in one place where it could be seen."""
        self.examined += 1
        if not holds:
            self.failures.append(Failure(sentence, expected, actual, tuple(shown)))
        return holds


@dataclass(frozen=True, kw_only=True)
class Check:
    """One property of the contract.

    `id` is stable. `source` is where the rule is known from.
    A check that is not `required` does not decide whether a run was complete. `unless` are ids or patterns of
    checks that take precedence: a failure for a message or a task that one of them fails for is left out.
    """

    id: str
    sentence: str
    source: Source
    judge: Callable[[Evidence, CheckContext], None]
    required: bool = True
    unless: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Result:
    """The verdict on one check.

    `reason` is why it is not a plain pass or fail, `requirement` what was missing.
    """

    check: Check
    verdict: Verdict
    examined: int = 0
    failures: tuple[Failure, ...] = ()
    requirement: Requirement | None = None
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
    """`max_cost` is the largest number of images set aside at once, `creates` what a right server creates.

    `checks` are patterns of check ids (`refuses.*`). `requests` is how many are sent, roughly where a step
    waits for something.
    """

    name: str
    stage: Stage
    description: str
    run: Callable[[Session], None]
    requests: int
    checks: tuple[str, ...]
    max_cost: int = 0
    creates: int = 0
    requires: frozenset[Requirement] = frozenset()
    required: bool = True

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(map(translate, self.checks)))

    def covers(self, check_id: str) -> bool:
        """Whether the step sends the requests that a check judges."""
        return self._pattern.match(check_id) is not None


@dataclass(frozen=True)
class Suite:
    """All checks and steps in order: which there are depends on what a gateway offers."""

    checks: Callable[[Gateway], tuple[Check, ...]]
    steps: Callable[[Gateway], tuple[Step, ...]]
