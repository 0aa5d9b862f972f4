"""Scripted outcomes of requests: each is one record with its effect, its description and its conflicts.

A new outcome is a class here, listed in `Outcome`, and a method of `scripts.create_script.Script`; a fault of
replies is a row of `reply_faults.KINDS`.
"""

from __future__ import annotations

from typing import ClassVar, Final, get_args

from msgspec import Struct
from msgspec.structs import replace

from kling_contracts.gateways import Refusal
from kling_mock.faults import FAILURE_ONLY, KINDS, SUCCESS_ONLY, Fault
from kling_mock.plan import Pace
from kling_mock.reply_faults import KINDS as REPLY_KINDS
from kling_mock.reply_faults import ReplyFault

# All that a create without effect lacks.
_OF_TASKS: Final = frozenset({"end", "pace", "id", *KINDS})


class CreateEffects(Struct, frozen=True):
    """The effects of a create that scripts may change.

    `failure` is the `task_status_msg` of a task that fails, or None; `refusal` is the reply if no task is
    created. `faults` are those of the task; `long_id`: its id has 19 digits. `reply_faults` are those of the
    reply to the create.
    """

    failure: str | None
    pace: Pace
    refusal: Refusal | None = None
    faults: tuple[Fault, ...] = ()
    long_id: bool = False
    reply_faults: tuple[ReplyFault, ...] = ()


class Succeeds(Struct, frozen=True, gc=False, tag=True):
    """The task succeeds, even if its request would make it fail."""

    aspects: ClassVar = frozenset({"end", *FAILURE_ONLY})

    def apply(self, effects: CreateEffects) -> CreateEffects:
        return replace(effects, failure=None)

    def describe(self) -> str:
        return "succeeds"


class Fails(Struct, frozen=True, gc=False, tag=True):
    """The task fails with `message` as its `task_status_msg`."""

    aspects: ClassVar = frozenset({"end", *SUCCESS_ONLY})

    message: str

    def apply(self, effects: CreateEffects) -> CreateEffects:
        return replace(effects, failure=self.message)

    def describe(self) -> str:
        return f"fails {self.message!r}"


class Refuses(Struct, frozen=True, tag=True):
    """The create is refused and makes no task, so it has no end, no pace, no id and no faults."""

    aspects: ClassVar = frozenset({*_OF_TASKS, "effect"})

    reply: Refusal

    def apply(self, effects: CreateEffects) -> CreateEffects:
        return replace(effects, refusal=self.reply)

    def describe(self) -> str:
        return f"is refused with {self.reply.code}"


class Progresses(Struct, frozen=True, tag=True):
    """The task progresses at `pace` instead of that of the settings."""

    aspects: ClassVar = frozenset({"pace"})

    pace: Pace

    def apply(self, effects: CreateEffects) -> CreateEffects:
        return replace(effects, pace=self.pace)

    def describe(self) -> str:
        return f"pace {self.pace}"


class LongId(Struct, frozen=True, gc=False, tag=True):
    """The id of the task has 19 digits, and exceeds a signed 64-bit integer."""

    aspects: ClassVar = frozenset({"id"})

    def apply(self, effects: CreateEffects) -> CreateEffects:
        return replace(effects, long_id=True)

    def describe(self) -> str:
        return "has an id of 19 digits"


class Misbehaves(Struct, frozen=True, tag=True):
    """Replies about the task have a fault."""

    fault: Fault

    @property
    def aspects(self) -> frozenset[str]:
        return frozenset({self.fault.kind}) | KINDS[self.fault.kind].aspects

    def apply(self, effects: CreateEffects) -> CreateEffects:
        return replace(effects, faults=(*effects.faults, self.fault))

    def describe(self) -> str:
        return self.fault.describe()


class Disturbs(Struct, frozen=True, tag=True):
    """The reply has a fault."""

    fault: ReplyFault

    @property
    def aspects(self) -> frozenset[str]:
        kind = REPLY_KINDS[self.fault.kind]
        own = kind.aspects | {self.fault.kind}
        return own | _OF_TASKS if self.fault.instead else own

    def apply(self, effects: CreateEffects) -> CreateEffects:
        return replace(effects, reply_faults=(*effects.reply_faults, self.fault))

    def describe(self) -> str:
        return self.fault.describe()


# Two outcomes with a common aspect contradict each other. The order is that of descriptions.
Outcome = Succeeds | Fails | Refuses | Progresses | LongId | Misbehaves | Disturbs
_ORDER: Final = get_args(Outcome)


def combined(outcomes: tuple[Outcome, ...], added: Outcome) -> tuple[Outcome, ...]:
    """The outcomes with another one. Raises ValueError if it contradicts one of them."""
    if added in outcomes:
        return outcomes
    for each in outcomes:
        if each.aspects & added.aspects:
            first, second = each.describe(), added.describe()
            raise ValueError(
                f"contradictory outcomes: {first!r} and {second!r}; keep one, or write a second script"
            )
    return tuple(sorted((*outcomes, added), key=lambda each: _ORDER.index(type(each))))
