"""The plan of a task, the paces from which plans are drawn, and the function status = f(plan, polls, now)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, Self, TypeVar

from msgspec import Struct

from kling_contracts.vocabulary import TaskStatus
from kling_mock.argument_checks import check_whole
from kling_mock.faults import Fault
from kling_mock.rng import draw

N = TypeVar("N", int, float)
NEVER: Final = math.inf
# Python 3.11 finds a member of an enumeration four times slower than a name of the module.
SUBMITTED: Final = TaskStatus.SUBMITTED
PROCESSING: Final = TaskStatus.PROCESSING
FAILED: Final = TaskStatus.FAILED

# Captured: about 2 s to `processing`, 8 to 40 s to the end, failures after about 1.7 s.
REALISTIC_START: Final = (1.0, 3.0)
REALISTIC_END: Final = (8.0, 40.0)
REALISTIC_FAILURE: Final = (1.4, 2.0)


class Transition(NamedTuple):
    """A status of a task, and the instant (Unix seconds) of the change to it."""

    status: TaskStatus
    at: float


class Plan(Struct, frozen=True, gc=False, omit_defaults=True):
    """When a task starts processing, and when and how it ends. Drawn at creation.

    `starts` and `ends` are instants in Unix seconds or, if `counted`, numbers of counted queries (2 = the
    second query); `NEVER` means that it does not happen. `failure` is the `task_status_msg` of a task that
    ends `failed`, or None. `faults` change replies about the task, not its state.
    """

    starts: float
    ends: float
    counted: bool
    failure: str | None
    faults: tuple[Fault, ...] = ()

    def instants(self, polls: Sequence[float]) -> tuple[float, float]:
        """Start and end as instants, given the instants of the counted queries so far."""
        starts, ends = self.starts, self.ends
        if not self.counted:
            return starts, ends
        seen = len(polls)
        return (
            polls[int(starts) - 1] if starts <= seen else NEVER,
            polls[int(ends) - 1] if ends <= seen else NEVER,
        )

    @property
    def terminal(self) -> TaskStatus:
        """The status with which the task ends."""
        return TaskStatus.SUCCEED if self.failure is None else TaskStatus.FAILED

    def state(self, created: float, polls: Sequence[float], now: float) -> Transition:
        """The status at `now` and the instant of the change to it. Terminal states never change."""
        starts, ends = self.instants(polls)
        if now >= ends:
            return Transition(self.terminal, ends)
        if now >= starts:
            return Transition(PROCESSING, starts)
        return Transition(SUBMITTED, created)

    def history(self, created: float, polls: Sequence[float], now: float) -> tuple[Transition, ...]:
        """Every change up to `now`, oldest first."""
        starts, ends = self.instants(polls)
        changes = [Transition(TaskStatus.SUBMITTED, created)]
        if starts <= ends:  # a failing task may end without ever being processed
            changes.append(Transition(TaskStatus.PROCESSING, starts))
        changes.append(Transition(self.terminal, ends))
        return tuple(change for change in changes if change.at <= now)

    def finished(self, polls: Sequence[float], now: float, failure: str | None) -> Plan:
        """The plan of the same task if it ends now: failed with this message, or successfully (None)."""
        starts, _ = self.instants(polls)
        return Plan(min(starts, now), now, counted=False, failure=failure, faults=self.faults)

    def earlier(self, status: TaskStatus, created: float, polls: Sequence[float], now: float) -> Transition:
        """The transition to an earlier, unfinished status, which a fault shows again."""
        starts, _ = self.instants(polls)
        passed = status is TaskStatus.PROCESSING and starts <= now
        return Transition(status, starts if passed else created)


class Pace(Struct, frozen=True, gc=False):
    """How tasks progress. Use one of the five class methods.

    The text form, for flags and markers, is `instant`, `polls:2`, `seconds:1,10`, `realistic:10` or `held`.
    """

    kind: Literal["instant", "polls", "seconds", "realistic", "held"]
    numbers: tuple[float, ...] = ()
    at: TaskStatus = TaskStatus.PROCESSING

    @classmethod
    def instant(cls) -> Self:
        """Tasks end immediately after the create reply (whose status is still `submitted`)."""
        return cls("instant")

    @classmethod
    def polls(cls, n: int) -> Self:
        """The n-th counted query gets the terminal status; earlier queries get `processing`."""
        return cls("polls", (check_whole("polls", n, 1),))

    @classmethod
    def seconds(cls, submitted: float, processing: float) -> Self:
        """Tasks are `submitted`, then `processing`, for these durations in seconds."""
        return cls("seconds", (_duration(submitted), _duration(processing)))

    @classmethod
    def realistic(cls, speed: float = 1.0) -> Self:
        """Durations drawn for each task from the range captured from the live service, divided by `speed`."""
        if not 0 < speed < math.inf:
            raise ValueError(f"speed must be a positive number, not {speed!r}")
        return cls("realistic", (speed,))

    @classmethod
    def held(cls, at: str = "processing") -> Self:
        """Tasks stay `submitted` or `processing` until the test ends them."""
        if at not in (TaskStatus.SUBMITTED, TaskStatus.PROCESSING):
            raise ValueError(f"a task must be held at 'submitted' or 'processing', not at {at!r}")
        return cls("held", at=TaskStatus(at))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The pace for a text form. Raises ValueError that lists the five formats."""
        kind, _, rest = text.partition(":")
        try:
            match kind, rest.split(",") if rest else []:
                case "instant", []:
                    return cls.instant()
                case "polls", [n]:
                    return cls.polls(_read(int, n))
                case "seconds", [submitted, processing]:
                    return cls.seconds(_read(float, submitted), _read(float, processing))
                case "realistic", []:
                    return cls.realistic()
                case "realistic", [speed]:
                    return cls.realistic(_read(float, speed))
                case "held", []:
                    return cls.held()
                case "held", [at]:
                    return cls.held(at)
                case _:
                    reason = "unknown format"
        except ValueError as error:
            reason = str(error)
        raise ValueError(
            f"pace {text!r}: {reason}; use instant, polls:N, seconds:A,B, realistic[:SPEED] or held[:STATE]"
        )

    def plan(self, created: float, failure: str | None, *, seed: int, what: tuple[object, ...]) -> Plan:
        """The plan of a task created at `created` (Unix seconds).

        Durations are drawn from the seed and the key `what`, which identifies the task.
        """
        match self.kind:
            case "instant":
                return Plan(created, created, counted=False, failure=failure)
            case "polls":
                return Plan(1, self.numbers[0], counted=True, failure=failure)
            case "seconds":
                submitted, processing = self.numbers
                # Added first, so that advancing the clock by the sum reaches the end exactly.
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


# A century: a clock that is moved to the end of such a task still shows a date.
_LONGEST: Final = 3.2e9


def _duration(value: float) -> float:
    if not 0 <= value <= _LONGEST:
        raise ValueError(f"a duration in seconds must be from 0 to {_LONGEST:.0f}, not {value!r}")
    return value


def _read(kind: type[N], text: str) -> N:
    try:
        return kind(text)
    except ValueError:
        name = "an integer" if kind is int else "a number"
        raise ValueError(f"{text!r} is not {name}") from None


def _between(bounds: tuple[float, float], fraction: float) -> float:
    """A value between the bounds, evenly on a logarithmic scale: most tasks are fast, a few are slow."""
    low, high = bounds
    return low * math.pow(high / low, fraction)
