"""The records that a store keeps: plain frozen values, which mean the same in every store and process.

Most hold nothing that could refer back to them, so the garbage collector need not walk them (`gc=False`),
however many a store keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from sys import getsizeof
from typing import Final, NamedTuple, cast

from msgspec import Struct

from kling_contracts.gateways import Refusal
from kling_contracts.vocabulary import SUCCESS_MESSAGE, ResultKind, TaskStatus
from kling_mock.plan import Pace, Plan, Transition

# Structs, tuples and references of a call, and of a header, a value or a picture in it; in bytes.
CALL_BYTES: Final = 400
PART_BYTES: Final = 180


class PictureRecord(Struct, frozen=True, gc=False):
    """A picture given with a request: its field, and its URL or the size and digest of its bytes.

    No inline bytes are kept, but for a thumbnail (a small PNG) if the settings want one.
    """

    field: str
    url: str | None
    size: int = 0
    digest: str | None = None
    thumbnail: bytes | None = None

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes given inline, or of the URL, in hexadecimal."""
        return self.digest or sha256((self.url or "").encode()).hexdigest()


class TaskRequest(Struct, frozen=True, gc=False):
    """The fields and pictures that a task was created from, defaults filled in.

    `names` are the operation's fields that are not pictures; `items` are their values in the same order, None
    for a field that was not given and has no default.
    """

    names: tuple[str, ...]
    items: tuple[object, ...]
    pictures: tuple[PictureRecord, ...]

    def __repr__(self) -> str:
        shown = [f"{name}={value!r}" for name, value in self.values.items()]
        return f"TaskRequest({', '.join([*shown, f'pictures={self.pictures!r}'])})"

    def get(self, name: str) -> object:
        """The value of a field; None if it was not given or the operation does not have it."""
        try:
            return self.items[self.names.index(name)]
        except ValueError:
            return None

    @property
    def values(self) -> Mapping[str, object]:
        """The given fields and the defaults, by name."""
        return {name: item for name, item in zip(self.names, self.items, strict=True) if item is not None}

    @property
    def prompt(self) -> str:
        """The prompt; empty if there was none."""
        return cast("str", self.get("prompt") or "")

    @property
    def n(self) -> int:
        """The number of results; 1 where the operation has no such field."""
        return cast("int", self.get("n") or 1)

    @property
    def aspect_ratio(self) -> str | None:
        return cast("str | None", self.get("aspect_ratio"))

    @property
    def model_name(self) -> str | None:
        return cast("str | None", self.get("model_name"))

    @property
    def callback_url(self) -> str | None:
        return cast("str | None", self.get("callback_url"))

    @property
    def external_task_id(self) -> str | None:
        return cast("str | None", self.get("external_task_id"))

    @property
    def subjects(self) -> tuple[PictureRecord, ...]:
        """The subject pictures, in order."""
        return tuple(each for each in self.pictures if each.field.startswith("subject_image_list"))


class TaskRecord(Struct, frozen=True, gc=False):
    """What never changes about a task. Written once, with its plan.

    `number` counts the account's creates from 1. `created` is in Unix seconds, `units` is the price. `origin`
    begins its result URLs. `result` and `word` are those of its operation: the kind of its results and the
    message of a successful reply.
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
    """The plan that a task has from now on, instead of its first one."""

    task_id: str
    plan: Plan


class PollRecord(Struct, frozen=True, gc=False):
    """A counted query of a task. `at` is its instant, None where the plan does not need it."""

    task_id: str
    at: float | None


class AttemptRecord(Struct, frozen=True, gc=False):
    """An attempt to deliver a callback: the `number`-th for that change of the task.

    `position` is the place of the change in the task's history; `error` says why the attempt failed.
    """

    task_id: str
    position: int
    number: int
    at: float
    status: int | None
    error: str | None

    @property
    def delivered(self) -> bool:
        return self.error is None


class TaskState(Struct, frozen=True, gc=False):
    """A task as a store keeps it: its record, its present plan, its queries and its callback attempts.

    `version` counts queries and changes of the plan. `polls` counts queries; `times` are the instants of the
    first ones, as many as the plan counts.
    """

    record: TaskRecord
    plan: Plan
    version: int = 0
    polls: int = 0
    times: tuple[float, ...] = ()
    attempts: tuple[AttemptRecord, ...] = ()

    @property
    def ends(self) -> float:
        """The instant of the end in Unix seconds, `NEVER` while it is not known."""
        return self.plan.instants(self.times)[1]

    def at(self, now: float) -> Transition:
        """The status at `now` and the instant of the change that led to it."""
        return self.plan.state(self.record.created, self.times, now)

    def history(self, until: float) -> tuple[Transition, ...]:
        """Every change up to an instant, oldest first."""
        return self.plan.history(self.record.created, self.times, until)

    def attempts_at(self, position: int) -> tuple[AttemptRecord, ...]:
        """The attempts to deliver the callback on one change, oldest first."""
        return tuple([each for each in self.attempts if each.position == position])


class RuleRecord(Struct, frozen=True):
    """A scripted outcome: for the next creates, or for those that match the criteria.

    `uses_left` is None for any number of times. `refusal` is the answer to a refused create.
    `failure` with `decides` says how the task ends; without `decides` it ends by its request.
    """

    id: int
    account: str | None
    criteria: Mapping[str, object] | None
    uses_left: int | None
    pace: Pace | None = None
    decides: bool = False
    failure: str | None = None
    refusal: Refusal | None = None

    @property
    def is_next(self) -> bool:
        """Whether it is for the next creates, whatever they ask for."""
        return self.criteria is None


class RuleUse(Struct, frozen=True, gc=False):
    """A create to which a rule was applied."""

    rule_id: int


class TokenRecord(Struct, frozen=True, gc=False):
    """A signed bearer that was seen for the first time. Writing it a second time changes nothing.

    From then on its life runs on the fake's clock, until `expires` (Unix seconds).
    """

    digest: str
    expires: float


class Jump(NamedTuple):
    """The clock was advanced: when it stood at `at` (Unix seconds), by this number of seconds."""

    at: float
    seconds: float


class ClockRecord(Struct, frozen=True, gc=False):
    """The settings of the clock: at `since` (system time) it read `reading`; from then on it runs at `speed`.

    `version` counts the changes, `jumps` are the latest advances. All instants are in Unix seconds.
    """

    since: float
    reading: float
    speed: float
    version: int = 0
    jumps: tuple[Jump, ...] = ()

    def at(self, system: float) -> float:
        """What the clock reads when system time is `system`."""
        return self.reading + (system - self.since) * self.speed


class CallRecord(Struct, frozen=True, gc=False):
    """A request and how it was answered: an entry of the journal, and the event that follows its commit.

    `headers` are without credentials; `shown` is the task status in the answer; `rule` is what refused the
    request, `message` its text; `script` is the id of the scripted rule that applied; `header_bytes` is the
    length of the headers.
    """

    at: float
    account: str | None
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    request: TaskRequest | None
    status: int
    task_id: str | None
    shown: TaskStatus | None
    rule: str | None
    script: int | None
    notes: tuple[str, ...]
    header_bytes: int = 0
    message: str | None = None

    @property
    def size(self) -> int:
        """About how many bytes of memory the call takes. What it shares with its task counts as well."""
        size = CALL_BYTES + len(self.path) + PART_BYTES * len(self.headers) + self.header_bytes
        for note in self.notes:
            size += getsizeof(note)
        if self.message is not None:
            size += getsizeof(self.message)
        request = self.request
        if request is not None:
            size += PART_BYTES * (1 + len(request.pictures))
            for item in request.items:
                size += getsizeof(item)
            for picture in request.pictures:
                size += len(picture.url or "") + len(picture.thumbnail or b"")
        return size


class NewTask(Struct, frozen=True, gc=False):
    """A task and its first plan, written together."""

    record: TaskRecord
    plan: Plan


Record = (
    NewTask
    | PlanRecord
    | PollRecord
    | AttemptRecord
    | RuleRecord
    | RuleUse
    | TokenRecord
    | ClockRecord
    | CallRecord
)
