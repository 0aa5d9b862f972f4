"""The records a store keeps. A change is a tuple of them; each kind states the precondition of its writing.

A store writes a change as a whole or not at all: if one record's precondition does not hold, it names
that precondition, and the core decides again on what is true by then. So one core runs over a lock, a
transaction or a script without knowing which.

Records are plain frozen values. Most hold nothing that could refer back to them, so the garbage collector
need not look at them (`gc=False`), however many a store keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import cast

from msgspec import Struct

from contracts.gateways import Refusal
from contracts.vocabulary import SUCCESS_MESSAGE, ResultKind, TaskStatus
from kling_mock.plan import Pace, Plan


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

    def get(self, name: str) -> object:
        """The value of a field; None if it was not given or the operation does not have it."""
        names = self.names
        return self.items[names.index(name)] if name in names else None

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
    """A task. Written once.

    Precondition: `number` follows the account's last, and neither its id nor its external id is taken.
    `number` counts the account's creates from 1. That one precondition also guards slots and balance,
    since both can only be used up by a create. `origin` begins its result URLs. `result` and `word` are those
    of its operation: the kind of its results and the message of a successful reply.
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
    """The plan a task has from now on.

    Precondition: the present plan is `replaces` (None: it has none), and the task has been queried `polls`
    times: nobody was told of an end in the meantime.
    """

    task_id: str
    plan: Plan
    replaces: Plan | None
    polls: int


class PollRecord(Struct, frozen=True, gc=False):
    """A counted query. Precondition: `number` follows the task's last, and `plan` is the task's plan.

    Its instant is kept only where the plan needs it.
    """

    task_id: str
    number: int
    at: float
    keep: bool
    plan: Plan


class Polls(Struct, frozen=True, gc=False):
    """How often a task was queried, and the instants of the first queries if its plan counts them."""

    total: int
    times: tuple[float, ...]


NO_POLLS = Polls(0, ())


class RuleRecord(Struct, frozen=True):
    """A scripted outcome: for the next creates, or for those that match the criteria. Precondition: none.

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
    """A rule was applied. Precondition: it has `uses_left` uses left (None: any number)."""

    rule_id: int
    uses_left: int | None


class AttemptRecord(Struct, frozen=True, gc=False):
    """An attempt to deliver a callback. Precondition: it is the `number`-th for that change of the task.

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


class TokenRecord(Struct, frozen=True, gc=False):
    """A signed bearer was seen for the first time. Precondition: none; a second writing changes nothing.

    From here on its life runs on the fake's clock, until `expires` (Unix seconds).
    """

    digest: str
    expires: float


class CallRecord(Struct, frozen=True, gc=False):
    """A request as it was answered. Appended to the journal; precondition: none.

    `headers` come without credentials; `shown` is the task status that the answer told; `rule` is what
    refused the request; `script` the id of the scripted rule that applied.
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


Record = (
    TaskRecord | PlanRecord | PollRecord | RuleRecord | RuleUse | AttemptRecord | TokenRecord | CallRecord
)
Change = tuple[Record, ...]
