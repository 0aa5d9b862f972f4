"""The requests that reproduce a failure: those that show it, and those that they depend on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from kling_contracts.verify.evidence import Evidence, TaskHistory
from kling_contracts.verify.exchange import Delivery, Exchange
from kling_contracts.verify.model import Check, Failure, Requirement, Shown, Step
from kling_contracts.verify.probes import ProbeKind
from kling_contracts.verify.repro.placeholders import Placeholders
from kling_contracts.verify.session import encode

# Shorter pauses between two requests are dropped, in seconds.
_PAUSE: Final = 0.05
# Seconds to wait for callbacks after the last shown one, and if a second attempt is expected.
_PATIENCE: Final = 2
_RETRY_PATIENCE: Final = 15
# With more polls of a task than this, only the shown ones are repeated.
_MOST_POLLS: Final = 60
# Fields that an invalid request carries only to detect a task that is created all the same.
_MARKS: Final = ("external_task_id", "callback_url")


class Result(NamedTuple):
    """A result of a task: the variable with the task id, and the index of the result."""

    task: str
    position: int


@dataclass(frozen=True)
class Call:
    """One request, possibly repeated.

    It is sent `at_once` times concurrently, or once after each of the `pauses` (seconds). `makes` is the
    variable for the id of the created task, empty if no later call needs it. `fetches`: instead of the
    recorded URL, fetch that result of the new task when it has ended.
    """

    exchange: Exchange
    pauses: tuple[float, ...] = (0.0,)
    at_once: int = 1
    makes: str = ""
    fetches: Result | None = None

    @property
    def target(self) -> str:
        return self.exchange.target

    @property
    def repeated(self) -> bool:
        """Whether it is sent more than once."""
        return self.at_once > 1 or len(self.pauses) > 1

    @property
    def has_body(self) -> bool:
        return bool(self.exchange.body) or self.exchange.method in ("POST", "PUT", "PATCH")

    @property
    def value(self) -> object:
        """The JSON value of the body; None if `encode` does not reproduce the same bytes."""
        body, asked = self.exchange.body, self.exchange.asked
        return asked if asked is not None and encode(asked, escaped=body.isascii()) == body else None

    @property
    def headers(self) -> Iterator[tuple[str, str]]:
        for name, value in self.exchange.headers:
            yield ("Authorization" if name == "authorization" else name), value


@dataclass(frozen=True)
class Listening:
    """A receiver of callbacks: whether it refuses the first one, and the seconds that it waits."""

    token: str
    refuses_first: bool
    seconds: int


@dataclass(frozen=True)
class Replay:
    """The requests to repeat, as recorded and as calls, with placeholders and the receiver of callbacks."""

    exchanges: tuple[Exchange, ...]
    calls: tuple[Call, ...]
    placeholders: Placeholders
    listening: Listening | None = None


def replay_of(check: Check, failure: Failure, evidence: Evidence, steps: Iterable[Step]) -> Replay:
    """The requests that reproduce a failure, in chronological order. `steps` are those of the run."""
    listening = _listening([step for step in steps if step.covers(check.id)], failure.shown, evidence)
    exchanges = _with_dependencies(failure.shown, evidence, receives=listening is not None)
    tasks = _tasks(exchanges, evidence)
    calls: list[Call] = []
    last: Exchange | None = None
    for exchange in exchanges:
        call = Call(
            _without_marks(exchange) if listening is None and len(exchanges) == 1 else exchange,
            pauses=(_pause(last, exchange) if last and _goes_on(calls) else 0.0,),
            makes=next((name for each, name in tasks.items() if _makes(exchange, each)), ""),
            fetches=_fetched(exchange, tasks, evidence),
        )
        last = exchange
        if calls and _raced(calls[-1], call):
            calls[-1] = replace(calls[-1], at_once=calls[-1].at_once + 1)
        elif calls and _repeated(calls[-1], call):
            calls[-1] = replace(calls[-1], pauses=(*calls[-1].pauses, *call.pauses))
        else:
            calls.append(call)
    own_id = f"kc-{evidence.run}-".encode()
    fresh = bool(evidence.run) and any(own_id in call.exchange.body for call in calls)
    return Replay(
        tuple(exchanges), tuple(calls), Placeholders(evidence, tasks, fresh, listening is not None), listening
    )


def _listening(covering: Sequence[Step], shown: Sequence[Shown], evidence: Evidence) -> Listening | None:
    deliveries = [each for each in shown if isinstance(each, Delivery)]
    if not deliveries and not any(Requirement.RECEIVER in step.requires for step in covering):
        return None
    refuses = any(each.replied >= 500 for each in deliveries)
    began = min((each.received_at for each in deliveries), default=0.0)
    lasted = max((each.received_at for each in deliveries), default=0.0) - began
    histories = (history for history in evidence.histories() for each in shown if history.created is each)
    lived = max(
        (history.end.at - history.created.sent_at for history in histories if history.end), default=0.0
    )
    seconds = math.ceil(max(lasted, lived)) + (_RETRY_PATIENCE if refuses else _PATIENCE)
    return Listening(deliveries[0].token if deliveries else "", refuses, seconds)


def _with_dependencies(shown: Sequence[Shown], evidence: Evidence, *, receives: bool) -> list[Exchange]:
    needed = {each.number: each for each in shown if isinstance(each, Exchange)}
    if receives and len(needed) == len(shown):
        # A missing callback is proven only when the task has ended.
        ends = [
            history.end
            for history in evidence.histories()
            if history.end and history.created.number in needed
        ]
        needed |= {it.shown.number: it.shown for it in ends if isinstance(it.shown, Exchange)}
    needed |= {it.number: it for it in _polls_between(shown, evidence)}
    calls = (it for each in shown if isinstance(each, Delivery) for it in _caller(each, evidence))
    needed |= {it.number: it for it in calls}
    needed |= {it.number: it for each in list(needed.values()) for it in _before(each, evidence)}
    return [exchange for _, exchange in sorted(needed.items())]


def _polls_between(shown: Sequence[Shown], evidence: Evidence) -> Iterator[Exchange]:
    """All polls of a task up to the last compared poll, as their number may matter."""
    for history in evidence.histories():
        polls = [it.shown for it in history.reads if isinstance(it.shown, Exchange)]
        mine = [at for at, each in enumerate(polls) if each in shown]
        if len(mine) > 1 and mine[-1] < _MOST_POLLS:
            yield from polls[: mine[-1]]


def _before(exchange: Exchange, evidence: Evidence) -> Iterator[Exchange]:
    """The creates that a request depends on.

    For a query or a result: the create of the requested task, and of the task in the answer. For a valid
    create that was refused: the earlier create with the same external id.
    """
    name = exchange.last_segment
    histories = evidence.histories()
    named = (it for it in histories if name and name in (it.id, it.created.external_id))
    asked = list(named)[:1] if exchange.method == "GET" else []
    if asked and exchange.task:
        asked += [history for history in histories if history.id == exchange.task.task_id]
    yield from (history.created for history in asked)
    yield from (history.created for history in histories if exchange.target in _results(history))
    if exchange.method == "POST" and not exchange.accepted and _is_sound(exchange, evidence):
        mine = exchange.external_id
        # Some servers ignore the case of ids.
        same = (it for it in evidence.creates if mine and it.external_id.casefold() == mine.casefold())
        yield from (each for each in list(same)[:1] if each.number < exchange.number)


def _caller(delivery: Delivery, evidence: Evidence) -> Iterator[Exchange]:
    """The create whose callback this is."""
    yield from [each for each in evidence.creates if each.callback_token == delivery.token][:1]


def _is_sound(exchange: Exchange, evidence: Evidence) -> bool:
    return not evidence.operation.read(dict(exchange.asked_object)).violations


def _results(history: TaskHistory) -> list[str]:
    """The result URLs in all observations of a task."""
    return [result.url for observation in history.reads for result in observation.task.results]


def _tasks(exchanges: Sequence[Exchange], evidence: Evidence) -> dict[str, str]:
    """Variable names by task id, for the tasks that later requests need."""
    found: dict[str, str] = {}
    for history in evidence.histories():
        if history.created in exchanges and any(
            history.id == each.last_segment or each.target in _results(history) for each in exchanges
        ):
            found[history.id] = f"task{len(found) + 1}" if found else "task"
    return found


def _makes(exchange: Exchange, task: str) -> bool:
    made = exchange.method == "POST" and exchange.task is not None
    return made and exchange.task is not None and exchange.task.task_id == task


def _fetched(exchange: Exchange, tasks: Mapping[str, str], evidence: Evidence) -> Result | None:
    for history in evidence.histories():
        results = _results(history)
        if history.id in tasks and exchange.target in results:
            return Result(tasks[history.id], results.index(exchange.target) % max(history.images, 1))
    return None


def _without_marks(exchange: Exchange) -> Exchange:
    """An invalid request without the fields that only detect a created task."""
    asked, escaped = exchange.asked_object, exchange.body.isascii()
    about = exchange.probe.about.partition(".")[0]
    if exchange.probe.kind != ProbeKind.REFUSE or encode(dict(asked), escaped=escaped) != exchange.body:
        return exchange
    rest = {name: value for name, value in asked.items() if name == about or name not in _MARKS}
    return replace(exchange, body=encode(rest, escaped=escaped))


def _goes_on(calls: Sequence[Call]) -> bool:
    """Whether a call before this one created a task: the script then keeps the pauses."""
    return any(call.exchange.method == "POST" and call.exchange.task is not None for call in calls)


def _pause(before: Exchange, after: Exchange) -> float:
    """The pause between two requests in seconds, rounded up to hundredths; 0 if negligible."""
    gap = after.sent_at - before.received_at
    return math.ceil(gap * 100) / 100 if gap >= _PAUSE else 0.0


def _raced(before: Call, after: Call) -> bool:
    """Whether two creates were sent concurrently: they are equal and have the same external id."""
    one, two = before.exchange, after.exchange
    alike = (one.probe, one.method, one.target, one.body) == (two.probe, two.method, two.target, two.body)
    return alike and one.method == "POST" and bool(one.external_id)


def _repeated(before: Call, after: Call) -> bool:
    """Whether two queries are equal."""
    one, two = before.exchange, after.exchange
    alike = (one.method, one.target, one.headers) == (two.method, two.target, two.headers)
    return alike and one.method == "GET" and before.fetches == after.fetches
