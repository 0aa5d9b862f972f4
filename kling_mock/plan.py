"""A task's plan, the paces it is drawn from, and the one function: status = f(plan, polls, now)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Self

from msgspec import Struct

from kling_contracts.vocabulary import TaskStatus
from kling_mock.rng import draw

NEVER: Final = math.inf

# Captured: about 2 s to `processing`, 8 to 40 s to the end, failures after about 1.7 s.
REALISTIC_START: Final = (1.0, 3.0)
REALISTIC_END: Final = (8.0, 40.0)
REALISTIC_FAILURE: Final = (1.4, 2.0)


class Transition(NamedTuple):
    """A status and the instant (Unix seconds) since when the task has it."""

    status: TaskStatus
    at: float


class Plan(Struct, frozen=True, gc=False):
    """When a task starts, when and how it ends. Drawn once, at creation; read ever after.

    `starts` and `ends` are instants in Unix seconds, or, if `counted`, numbers of counted queries
    (2 = the second query). `NEVER` is neither. `failure` is the text of a task that ends `failed`.
    """

    starts: float
    ends: float
    counted: bool
    failure: str | None

    def instants(self, polls: Sequence[float]) -> tuple[float, float]:
        """Start and end as instants, given those of the counted queries so far."""
        if not self.counted:
            return self.starts, self.ends
        return _instant(self.starts, polls), _instant(self.ends, polls)

    @property
    def terminal(self) -> TaskStatus:
        """The status that the task is going to end with."""
        return TaskStatus.SUCCEED if self.failure is None else TaskStatus.FAILED

    def state(self, created: float, polls: Sequence[float], now: float) -> Transition:
        """The status at `now` and the instant of the change that led to it. Terminal states absorb."""
        starts, ends = self.instants(polls)
        if now >= ends:
            return Transition(self.terminal, ends)
        if now >= starts:
            return Transition(TaskStatus.PROCESSING, starts)
        return Transition(TaskStatus.SUBMITTED, created)

    def history(self, created: float, polls: Sequence[float], now: float) -> tuple[Transition, ...]:
        """Every change up to `now`, oldest first."""
        starts, ends = self.instants(polls)
        changes = [Transition(TaskStatus.SUBMITTED, created)]
        if starts <= ends:  # a failing task may end before it ever starts
            changes.append(Transition(TaskStatus.PROCESSING, starts))
        changes.append(Transition(self.terminal, ends))
        return tuple(change for change in changes if change.at <= now)

    def finished(self, polls: Sequence[float], now: float, failure: str | None) -> Plan:
        """This plan cut short: the task ends now, failed if `failure` says why."""
        starts, _ = self.instants(polls)
        return Plan(min(starts, now), now, counted=False, failure=failure)


def _instant(number: float, polls: Sequence[float]) -> float:
    return polls[int(number) - 1] if number <= len(polls) else NEVER


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast tasks go. Made by the five class methods.

    Spelled `instant`, `polls:2`, `seconds:1,10`, `realistic:10` or `held` in flags and markers.
    """

    kind: Literal["instant", "polls", "seconds", "realistic", "held"]
    numbers: tuple[float, ...] = ()
    at: TaskStatus = TaskStatus.PROCESSING

    @classmethod
    def instant(cls) -> Self:
        """Terminal right after the create reply (which still says `submitted`)."""
        return cls("instant")

    @classmethod
    def polls(cls, n: int) -> Self:
        """The n-th counted query is the first to see the end; those before it see `processing`."""
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass anything
            raise ValueError(f"polls needs a whole number from 1 on, not {n!r}")
        return cls("polls", (n,))

    @classmethod
    def seconds(cls, submitted: float, processing: float) -> Self:
        """So many seconds `submitted`, then so many `processing`."""
        return cls("seconds", (_duration(submitted), _duration(processing)))

    @classmethod
    def realistic(cls, speed: float = 1.0) -> Self:
        """Durations drawn per task from what was captured of the live service, `speed` times as fast."""
        if not 0 < speed < math.inf:
            raise ValueError(f"speed {speed!r} is not a positive number")
        return cls("realistic", (speed,))

    @classmethod
    def held(cls, at: str = "processing") -> Self:
        """Stays `submitted` or `processing` until the task is released."""
        if at not in (TaskStatus.SUBMITTED, TaskStatus.PROCESSING):
            raise ValueError(f"a task is held at 'submitted' or 'processing', not at {at!r}")
        return cls("held", at=TaskStatus(at))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a spelling. Raises ValueError that lists the five."""
        kind, _, rest = text.partition(":")
        try:
            match kind, rest.split(",") if rest else []:
                case "instant", []:
                    return cls.instant()
                case "polls", [n]:
                    return cls.polls(int(n))
                case "seconds", [submitted, processing]:
                    return cls.seconds(float(submitted), float(processing))
                case "realistic", []:
                    return cls.realistic()
                case "realistic", [speed]:
                    return cls.realistic(float(speed))
                case "held", []:
                    return cls.held()
                case "held", [at]:
                    return cls.held(at)
                case _:
                    reason = "no such spelling"
        except ValueError as error:
            reason = str(error)
        raise ValueError(
            f"pace {text!r}: {reason}. Use instant, polls:N, seconds:A,B, realistic[:SPEED] or held[:STATE]"
        )

    def plan(self, created: float, failure: str | None, *, seed: int, what: tuple[object, ...]) -> Plan:
        """The plan of a task created at `created`; durations are drawn from the seed and `what`."""
        match self.kind:
            case "instant":
                return Plan(created, created, counted=False, failure=failure)
            case "polls":
                return Plan(1, self.numbers[0], counted=True, failure=failure)
            case "seconds":
                submitted, processing = self.numbers
                # Added up first: then the end is the very instant that the clock gets to by that sum.
                ends = created + (submitted + processing)
                return Plan(created + submitted, ends, counted=False, failure=failure)
            case "realistic":
                return self._realistic(created, failure, seed, what)
            case "held":
                starts = NEVER if self.at is TaskStatus.SUBMITTED else created
                return Plan(starts, NEVER, counted=False, failure=failure)

    def _realistic(self, created: float, failure: str | None, seed: int, what: tuple[object, ...]) -> Plan:
        speed = self.numbers[0]
        if failure is not None:
            ends = created + _between(REALISTIC_FAILURE, draw(seed, *what, "failure")) / speed
            return Plan(NEVER, ends, counted=False, failure=failure)
        starts = created + _between(REALISTIC_START, draw(seed, *what, "start")) / speed
        ends = created + _between(REALISTIC_END, draw(seed, *what, "end")) / speed
        return Plan(starts, ends, counted=False, failure=None)

    def __str__(self) -> str:
        if self.kind == "held":
            return f"held:{self.at}"
        numbers = ",".join(repr(number).removesuffix(".0") for number in self.numbers)
        return f"{self.kind}:{numbers}" if numbers else self.kind


def _duration(value: float) -> float:
    if not 0 <= value < math.inf:
        raise ValueError(f"{value!r} seconds is not a duration")
    return value


def _between(bounds: tuple[float, float], fraction: float) -> float:
    """A value between the bounds, evenly on a logarithmic scale: most tasks are quick, some are slow."""
    low, high = bounds
    return low * math.pow(high / low, fraction)
