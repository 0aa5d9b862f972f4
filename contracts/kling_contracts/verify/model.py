"""Checks, which judge the evidence; steps, which send requests; failures and results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from fnmatch import fnmatchcase
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
    DIFFERS = "differs"  # failed, but no source settles the rule, so the server may be right
    NOT_RUN = "not run"  # a requirement is missing: budget, a key, a receiver, time
    INCONCLUSIVE = "inconclusive"  # its steps ran, and no answer was one that the check applies to
    KNOWN = "known deviation"


class Requirement(StrEnum):
    """A precondition of a step that a run may not meet."""

    BUDGET = "budget"
    SECOND_KEY = "second key"
    SIGNER = "access and secret key"
    RECEIVER = "receiver"
    TIME = "time"
    CAPACITY = "capacity"  # the server answered 429 until the request was given up
    REST = "the rest of the run"  # the run was interrupted
    CHOSEN = "chosen"  # excluded by --only


# Requirements that depend on the user's options: a check that lacks one does not change the exit status.
OWN_CHOICE: Final = frozenset(
    {Requirement.BUDGET, Requirement.SECOND_KEY, Requirement.SIGNER, Requirement.RECEIVER, Requirement.CHOSEN}
)


@dataclass(frozen=True)
class Failure:
    """One violation of a property, with the shortest sequence of messages that shows it."""

    sentence: str
    expected: str
    actual: str
    shown: tuple[Shown, ...]

    @property
    def subjects(self) -> frozenset[tuple[str, str]]:
        """The messages that show the failure, and the tasks that these created or queried."""
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
    """Collects the outcome of a check: the number of cases examined, and the failures."""

    examined: int = 0
    failures: list[Failure] = field(default_factory=list[Failure])

    def hold(self) -> None:
        """Count one examined case in which the property holds."""
        self.examined += 1

    def expect(
        self,
        holds: bool,  # noqa: FBT001 -- reads like an assertion
        sentence: str,
        *,
        expected: str,
        actual: str,
        shown: Sequence[Shown],
    ) -> bool:
        """Count one examined case, and add a failure unless the property holds there. Returns `holds`."""
        self.examined += 1
        if not holds:
            self.failures.append(Failure(sentence, expected, actual, tuple(shown)))
        return holds


@dataclass(frozen=True, kw_only=True)
class Check:
    """One property of the contract.

    `id` is stable. `source` is the source of the rule. A run is complete without the checks that are not
    `required`. `unless` are ids or patterns of checks that take precedence: failures about the same messages
    or tasks as a failure of one of those are dropped.
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

    `reason` explains a verdict other than pass and fail; `requirement` is the one that was missing.
    """

    check: Check
    verdict: Verdict
    examined: int = 0
    failures: tuple[Failure, ...] = ()
    requirement: Requirement | None = None
    reason: str = ""


class Stage(IntEnum):
    """The order of steps: free ones first, the most expensive ones late, then those that need ended tasks."""

    READING = 0
    REFUSED = 1
    CREATING = 2
    RUNNING = 3
    LARGE = 4
    EXTRA = 5
    SPARE = 6
    ENDING = 7
    ENDED = 8


@dataclass(frozen=True, kw_only=True)
class Step:
    """One part of a run: sends requests and adds to the evidence.

    `max_cost` is the largest number of images reserved at once, `creates` the number that a correct server
    creates. `checks` are patterns of the check ids that the step provides evidence for (`refuses.*`).
    `requests` is the number of requests, an estimate where the step polls.
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

    @property
    def spare(self) -> bool:
        """Whether it runs only if the user's limit on images leaves some after all other steps."""
        return self.stage is Stage.SPARE

    @cached_property
    def _patterns(self) -> tuple[str, ...]:
        """Those of `checks` that are no ids. Most are ids, and to compile a pattern takes a millisecond."""
        return tuple(check for check in self.checks if "*" in check)

    def covers(self, check_id: str) -> bool:
        """Whether the step provides evidence for a check."""
        return check_id in self.checks or any(fnmatchcase(check_id, each) for each in self._patterns)


@dataclass(frozen=True)
class Suite:
    """All checks and steps in order, for a given gateway."""

    checks: Callable[[Gateway], tuple[Check, ...]]
    steps: Callable[[Gateway], tuple[Step, ...]]
