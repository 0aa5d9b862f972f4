"""Scripts: the methods with which a test sets the outcome of creates."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from itertools import groupby
from typing import Any, Concatenate, Final, NamedTuple, ParamSpec, Self, TypeVar

from msgspec.structs import replace

from kling_contracts.gateways import ErrorShape, Refusal
from kling_contracts.redaction import hide_in_urls
from kling_contracts.vocabulary import ERRORS
from kling_mock.faults import KINDS, Fault
from kling_mock.outcomes import (
    Fails,
    LongId,
    Misbehaves,
    Outcome,
    Progresses,
    Refuses,
    Succeeds,
    combined,
)
from kling_mock.plan import Pace
from kling_mock.records import RuleRecord
from kling_mock.task_faults import TaskFaults

P = ParamSpec("P")
R = TypeVar("R")

_PACKAGE: Final = __name__.partition(".")[0]
# The code for `refuses(status)`: of those with this HTTP status, the least specific one.
CODE_OF_STATUS: Final[Mapping[int, int]] = {
    400: 1201,
    401: 1000,
    403: 1103,
    404: 1203,
    429: 1302,
    500: 5000,
    503: 5001,
    504: 5002,
}


def check_message(message: str) -> str:
    """Return a message of a failed task or a refusal. Raises ValueError unless it is a non-empty string."""
    if not isinstance(message, str) or not message:  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass anything
        raise ValueError(f"message must be a non-empty string, not {message!r}")
    return message


def _known_codes() -> str:
    """The error table for messages: `1000, 1001 (HTTP 401); 1100 (HTTP 429); ...`."""
    groups = groupby(ERRORS.values(), key=lambda row: row.status)
    return "; ".join(f"{', '.join(str(row.code) for row in rows)} (HTTP {status})" for status, rows in groups)


def calling_line() -> str:
    """The line outside this package that is being executed, as `file:line`."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame = frame.f_back
    return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


class WrittenFault(NamedTuple):
    """A fault that a test has given to a task: its position in the plan, and the line of the test."""

    task_id: str
    position: int
    written_at: str


class Written(NamedTuple):
    """The scripts that a test has written and the faults that it has given to tasks, oldest first."""

    rules: Sequence[RuleRecord]
    faults: Sequence[WrittenFault]


class WrittenScripts:
    """The scripts and faults that a test has written and that are not checked yet."""

    def __init__(self) -> None:
        self._rules: dict[Script, RuleRecord] = {}
        self._faults: list[WrittenFault] = []

    def put(self, script: Script, rule: RuleRecord) -> None:
        """Keep the present rule of a script."""
        self._rules[script] = rule

    def put_fault(self, fault: WrittenFault) -> None:
        self._faults.append(fault)

    def remove(self, script: Script) -> None:
        self._rules.pop(script, None)

    def take(self) -> Written:
        """All rules and faults, which are removed."""
        written = Written(list(self._rules.values()), self._faults)
        self._rules, self._faults = {}, []
        return written

    def drafts(self, account: str | None) -> list[RuleRecord]:
        """The rules without an outcome, of one account or of all (None)."""
        rules = list(self._rules.values())
        return [
            rule
            for rule in rules
            if not rule.outcomes and (account is None or rule.account in (None, account))
        ]


def _withdraws_on_error(
    method: Callable[Concatenate[Script, P], R],
) -> Callable[Concatenate[Script, P], R]:
    """Withdraw a script whose method raises: the test has its error, so the script must not apply as well."""

    @wraps(method)
    def checked(self: Script, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, *args, **kwargs)
        except (TypeError, ValueError):
            self._withdraw()  # pyright: ignore[reportPrivateUsage] -- a decorator of this class's methods
            raise

    return checked


class Script(TaskFaults):
    """A scripted rule under construction. Each method changes the rule and returns the script, for chaining.

    >>> from kling_mock import Fake, Pace
    >>> fake = Fake()
    >>> fake.next.fails("Image pixel is invalid").pace(Pace.polls(4))
    <Script #0: next create fails 'Image pixel is invalid', pace polls:4, once>
    >>> fake.when(prompt="*cat*").refuses(1303).times(2)
    <Script #1: creates with prompt='*cat*' are refused with 1303, 2 times>

    The rule takes effect with its first outcome. An outcome that contradicts an earlier one raises
    ValueError; after any error in one of its methods the script has no effect. A refused create does not use
    up a `next` rule, except the one that refuses it.
    """

    def __init__(
        self,
        write: Callable[[RuleRecord], RuleRecord],
        account: str | None,
        criteria: Mapping[str, object] | None,
        written: WrittenScripts,
    ) -> None:
        self._write = write
        self._written = written
        self._times: int | None = None
        uses = 1 if criteria is None else None
        self._rule = RuleRecord(-1, account, criteria, uses, written_at=calling_line())
        written.put(self, self._rule)

    @_withdraws_on_error
    def succeeds(self) -> Script:
        """The task ends `succeed`, even if its pictures would make it fail."""
        return self._add(Succeeds())

    @_withdraws_on_error
    def fails(self, message: str) -> Script:
        """The task ends `failed`, with `message` as its `task_status_msg`."""
        return self._add(Fails(check_message(message)))

    @_withdraws_on_error
    def refuses(self, code: int, message: str | None = None) -> Script:
        """The create is refused; nothing is created.

        `code` is a code of Kling's error table, or an HTTP status of the table: 400 stands for 1201, 401 for
        1000, 403 for 1103, 404 for 1203, 429 for 1302, 500 for 5000, 503 for 5001, 504 for 5002. Raises
        ValueError for another number.
        """
        known = isinstance(code, int) and not isinstance(code, bool)  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass anything
        row = ERRORS.get(CODE_OF_STATUS.get(code, code)) if known else None
        if row is None:
            raise ValueError(f"unknown error code {code!r}; known: {_known_codes()}")
        if message is not None:
            check_message(message)
        text = (message or row.wording).replace("{", "{{").replace("}", "}}")
        return self._add(Refuses(Refusal(row.status, ErrorShape.KLING, row.code, text, row.source)))

    @_withdraws_on_error
    def pace(self, pace: Pace | str) -> Script:
        """The task progresses at this pace instead of that of the setting `pace`."""
        chosen = Pace.parse(pace) if isinstance(pace, str) else pace
        if not isinstance(chosen, Pace):  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass anything
            raise TypeError(f"pace must be a Pace such as Pace.polls(3) or its text 'polls:3', not {pace!r}")
        return self._add(Progresses(chosen))

    @_withdraws_on_error
    def holds(self, at: str = "processing") -> Script:
        """The task stays `submitted` or `processing` until the test ends it."""
        return self._add(Progresses(Pace.held(at)))

    @_withdraws_on_error
    def times(self, n: int) -> Script:
        """The rule applies to `n` creates. By default `next` applies to one, `when` to any number."""
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass anything
            raise ValueError(f"times must be an integer of at least 1, not {n!r}")
        if self._times not in (None, n):
            raise ValueError(f"times: the script already applies {self._times} times; got {n}")
        self._times = n
        return self._refine(uses_left=n)

    @_withdraws_on_error
    def lasting(self, seconds: float) -> Script:
        """The rule ends after this number of seconds on the clock of the mock, from its first outcome on."""
        if type(seconds) not in (int, float) or not 0 < seconds < float("inf"):
            raise ValueError(f"seconds must be a positive number, not {seconds!r}")
        if self._rule.lasting not in (None, seconds):
            raise ValueError(f"lasting: the script already lasts {self._rule.lasting:g} s; got {seconds}")
        return self._refine(lasting=seconds)

    @_withdraws_on_error
    def chance(self, probability: float) -> Script:
        """The rule applies to each create with this probability, drawn from the seed; to others it does not.

        A create to which it does not apply uses up no script, and the next fitting one applies.
        """
        if type(probability) not in (int, float) or not 0 < probability <= 1:
            raise ValueError(f"probability must be above 0 and at most 1, not {probability!r}")
        return self._refine(chance=probability)

    @_withdraws_on_error
    def long_id(self) -> Script:
        """The id of the task has 19 digits, more than a signed 64-bit integer can hold."""
        return self._add(LongId())

    def _add_fault(self, fault: Fault) -> Self:
        return self._add(Misbehaves(fault))

    def optional(self) -> Self:
        """The rule may stay unused, whatever the setting `unused_scripts`."""
        return self._refine(optional=True)

    def _withdraw(self) -> None:
        """Make the rule apply to no create, and keep it out of the reports about unused scripts."""
        self._written.remove(self)
        self._rule = replace(self._rule, uses_left=0, optional=True)
        if self._rule.id >= 0:
            self._write(self._rule)

    def _add(self, outcome: Outcome) -> Self:
        return self._refine(outcomes=combined(self._rule.outcomes, outcome))

    def _refine(self, **parts: Any) -> Self:
        rule = replace(self._rule, **parts)
        if rule.outcomes:  # a rule without an outcome would use up creates and change nothing
            rule = self._write(rule)
        self._written.put(self, rule)
        self._rule = rule
        return self

    def __repr__(self) -> str:
        if self._rule.id < 0:
            return "<Script: no outcome yet>"
        return f"<Script #{self._rule.id}: {describe(self._rule)}>"


for _name in KINDS:  # the methods of faults have the names of the kinds
    setattr(Script, _name, _withdraws_on_error(getattr(TaskFaults, _name)))


def describe(rule: RuleRecord) -> str:
    """A scripted rule as one line of text."""
    if rule.criteria is None:
        subject = "next create"
    elif rule.criteria:
        subject = "creates with " + ", ".join(f"{name}={value!r}" for name, value in rule.criteria.items())
    else:
        subject = "all creates"
    parts = [outcome.describe(plural=rule.criteria is not None) for outcome in rule.outcomes]
    match rule.uses_left:
        case None:
            parts.append("always")
        case 0:
            parts.append("used up")
        case 1:
            parts.append("once")
        case n:
            parts.append(f"{n} times")
    if rule.lasting is not None:
        parts.append(f"for {rule.lasting:g} s")
    if rule.chance < 1:
        parts.append(f"with chance {rule.chance:g}")
    if rule.optional:
        parts.append("optional")
    return hide_in_urls(f"{subject} {', '.join(parts)}")
