"""The records that a store keeps: immutable values, independent of store and process.

Most cannot be part of a reference cycle and are exempt from garbage collection (`gc=False`), so collection
does not slow down with their number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from msgspec import Struct

from kling_contracts.vocabulary import SUCCESS_MESSAGE, ResultKind, TaskStatus
from kling_mock.faults import FaultUse
from kling_mock.outcomes import Outcome
from kling_mock.plan import Plan, Transition
from kling_mock.task_request import PART_BYTES
from kling_mock.task_request import PictureRecord as PictureRecord  # noqa: PLC0414 -- public as a record
from kling_mock.task_request import TaskRequest as TaskRequest  # noqa: PLC0414 -- the same

# The kinds of requests that scripts are about; `request` is any, a create too.
CREATE: Final = "create"
QUERY: Final = "query"
PICTURE: Final = "picture"
REQUEST: Final = "request"
# The kinds of delivery attempts: of the schedule, by a fault of callbacks, by the test.
SENT: Final = "sent"
DUPLICATE: Final = "duplicate"
REDELIVERED: Final = "redelivered"
EDITED: Final = "edited"
# The end of a rule that is switched off: before every instant of a clock.
SWITCHED_OFF: Final = 0.0
# Estimated overhead in bytes of a call.
CALL_BYTES: Final = 400
# The number of advances that the settings of a clock list.
JUMPS_KEPT: Final = 1_000
# Added to the move of a running clock, in seconds, so that rounding does not end it before its target.
_ROUNDING: Final = 1e-6


class TaskRecord(Struct, frozen=True, gc=False, omit_defaults=True):
    """The immutable part of a task. Written once, together with the plan.

    `number` counts the creates of the account from 1. `created` is in Unix seconds, `units` is the price,
    `origin` begins the result URLs. `result` (the kind of results) and `word` (the message of a successful
    reply) depend on the operation.
    """

    id: str
    account: str
    number: int
    operation: str
    request: TaskRequest
    created: float
    origin: str
    units: int
    result: ResultKind = ResultKind.IMAGES
    word: str = SUCCESS_MESSAGE.value


class PlanRecord(Struct, frozen=True, gc=False):
    """A new plan for a task, replacing the present one."""

    task_id: str
    plan: Plan


class PollRecord(Struct, frozen=True, gc=False):
    """A query of a task. `at` is its instant if the plan counts queries, otherwise None.

    `answered`: by the task; a query that a script answered instead does not count for the plan.
    """

    task_id: str
    at: float | None
    answered: bool = True


class FaultRecord(Struct, frozen=True, gc=False):
    """The uses of the faults of a task, in the order of its plan; replaces the ones before."""

    task_id: str
    uses: tuple[FaultUse, ...]


class AttemptRecord(Struct, frozen=True, gc=False, omit_defaults=True):
    """An attempt to deliver a callback: the `number`-th for this change of the task, counted from 1.

    `position` is the index of the change in the history of the task; `at` is in Unix seconds; `status` is
    that of the response; `error` is the reason for a failure. `kind` is `sent` for the attempts of the
    schedule, `duplicate` for those of the setting `callback_faults`, `redelivered` or `edited` for those of
    `redeliver`. `duration` is in seconds of real time, 0 for a receiver in process. `retry_at` is the instant
    of the next attempt after a failed one, in Unix seconds; None if there is none.
    """

    task_id: str
    position: int
    number: int
    at: float
    status: int | None
    error: str | None
    kind: str = SENT
    duration: float = 0.0
    retry_at: float | None = None

    @property
    def delivered(self) -> bool:
        return self.error is None


class TaskState(Struct, frozen=True, gc=False, omit_defaults=True, tag="task"):
    """A task as a store keeps it: its record, present plan, queries and callback attempts.

    `version` counts queries and changes of the plan. `polls` is the number of queries; `times` are the
    instants of those that the plan counts. `fault_uses` belong to the first faults of the plan; later ones
    have none yet. `unanswered` is the number of queries that a script answered instead of the task.
    """

    record: TaskRecord
    plan: Plan
    version: int = 0
    polls: int = 0
    times: tuple[float, ...] = ()
    attempts: tuple[AttemptRecord, ...] = ()
    fault_uses: tuple[FaultUse, ...] = ()
    unanswered: int = 0

    @property
    def ends(self) -> float:
        """The instant of the end in Unix seconds; `NEVER` if it is not known yet."""
        return self.plan.instants(self.times)[1]

    def at(self, now: float) -> Transition:
        """The status at `now` and the instant of the change to it."""
        return self.plan.state(self.record.created, self.times, now)

    def history(self, until: float) -> tuple[Transition, ...]:
        """Every change up to an instant, oldest first."""
        return self.plan.history(self.record.created, self.times, until)

    def attempts_at(self, position: int) -> tuple[AttemptRecord, ...]:
        """The attempts to deliver the callback for one change, oldest first."""
        return tuple([each for each in self.attempts if each.position == position])


class RuleRecord(Struct, frozen=True, omit_defaults=True, tag="rule"):
    """The scripted outcomes of the next requests (without `criteria`) or of those that match the criteria.

    `kind` is the kind of the requests. A `late` rule is compared after key, route and JSON were checked.
    `uses_left` None: any number of uses. An `optional` rule may stay unused. `written_at` is the line of the
    test that wrote the rule, as `file:line`. A rule that lasts a number of seconds (`lasting`) ends at the
    instant `until`, on the clock of the mock; one with `until` SWITCHED_OFF applies to no request. With a
    `chance` below 1 it applies to some of the requests.
    `calls` are the methods that made the rule, by name, with their arguments as plain data. Writing a rule
    that is `dropped` deletes it.
    """

    id: int
    account: str | None
    criteria: Mapping[str, object] | None
    uses_left: int | None
    outcomes: tuple[Outcome, ...] = ()
    optional: bool = False
    written_at: str = ""
    lasting: float | None = None
    until: float | None = None
    chance: float = 1.0
    kind: str = CREATE
    late: bool = False
    calls: Mapping[str, object] = {}
    dropped: bool = False

    @property
    def is_next(self) -> bool:
        """Whether the rule applies to the next requests regardless of their parts."""
        return self.criteria is None


class RuleUse(Struct, frozen=True, gc=False):
    """Uses of a rule: the number of requests to which it was applied, usually one."""

    rule_id: int
    count: int = 1


class WindowRecord(Struct, frozen=True, gc=False, tag="window"):
    """A rate window of an account, or of all (None), for one kind of request; replaces the one before.

    It opened at `opened` (Unix seconds) with its first request; `used` requests were accepted in it.
    `version` counts the accepted requests of all windows.
    """

    account: str | None
    kind: str
    opened: float
    used: int
    version: int


class TokenRecord(Struct, frozen=True, gc=False, tag="token"):
    """A token at its first use; writing it again changes nothing.

    It expires at `expires` (Unix seconds) by the fake's clock.
    """

    digest: str
    expires: float


class Jump(NamedTuple):
    """An advance of the clock: at the reading `at` (Unix seconds), by this number of seconds."""

    at: float
    seconds: float


class ClockRecord(Struct, frozen=True, gc=False, omit_defaults=True, tag="clock"):
    """The settings of the clock: it read `reading` at the system time `since`, then runs at `speed`.

    `version` counts the changes; `jumps` are the latest advances. All instants are in Unix seconds.
    """

    since: float
    reading: float
    speed: float
    version: int = 0
    jumps: tuple[Jump, ...] = ()

    def at(self, system: float) -> float:
        """The reading of the clock at the system time `system`."""
        return self.reading + (system - self.since) * self.speed

    def moved(self, now: float, target: float) -> ClockRecord:
        """The settings of this clock, which reads `now`, moved forward so that it reads `target` or later."""
        ahead = target - now
        reading = self.reading + ahead + _ROUNDING if self.speed else target
        jumps = (*self.jumps, Jump(now, ahead))[-JUMPS_KEPT:]
        return ClockRecord(self.since, reading, self.speed, self.version + 1, jumps)


class CallRecord(Struct, frozen=True, gc=False, omit_defaults=True, tag="call"):
    """A request and its reply: an entry of the journal, and the event after its commit.

    `headers` are those of the request without credentials; `status` is 0 if there was no reply; `shown` is
    the task status in the reply; `rule` is the id of the rule that refused the request, `message` its text;
    `script` is the id of the scripted rule that applied. `header_bytes` and `request_bytes` are the sizes of
    `headers` and `request`. `faults` are the kinds of the faults in the reply; `actual` is the true status of
    the task, if the reply shows another. `id` is the `request_id` of the reply, and unique.
    """

    at: float
    account: str | None
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    request: TaskRequest | None
    status: int
    task_id: str | None
    shown: str | None
    rule: str | None
    script: int | None
    notes: tuple[str, ...]
    header_bytes: int = 0
    message: str | None = None
    request_bytes: int = 0
    actual: TaskStatus | None = None
    faults: tuple[str, ...] = ()
    id: str = ""

    @property
    def size(self) -> int:
        """The approximate memory of the call in bytes, including its request."""
        size = CALL_BYTES + PART_BYTES * len(self.headers) + self.header_bytes + self.request_bytes
        if self.notes:
            size += sum(map(str.__sizeof__, self.notes))
        if self.message is not None:
            size += str.__sizeof__(self.message)
        return size + str.__sizeof__(self.path)


class NewTask(Struct, frozen=True, gc=False):
    """A task and its first plan, written together."""

    record: TaskRecord
    plan: Plan


Record = (
    NewTask
    | PlanRecord
    | PollRecord
    | FaultRecord
    | AttemptRecord
    | RuleRecord
    | RuleUse
    | WindowRecord
    | TokenRecord
    | ClockRecord
    | CallRecord
)
