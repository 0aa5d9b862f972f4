"""The story of a task: its create, outcome, queries and callbacks, as facts from which a test is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple, cast

from kling_contracts.gateways import Gateway, every_operation, gateway_of
from kling_contracts.vocabulary import TaskStatus
from kling_mock.exports.fault_calls import call_of_fault
from kling_mock.exports.request_body import body_of
from kling_mock.faults import uses_of
from kling_mock.images.urls import locate
from kling_mock.keys import is_public
from kling_mock.plan import NEVER
from kling_mock.records import CREATE, QUERY, SENT, CallRecord, RuleRecord, TaskState
from kling_mock.reply_faults import KINDS as REPLY_KINDS
from kling_mock.request_facts import kind_of
from kling_mock.settings import Settings
from kling_mock.testing.view import FakeView

# The number of queries and downloads that a story has; the end of the task is stated in any case.
EVENTS: Final = 100
# Instants are in whole milliseconds; a query that came with a change is placed this time after it.
_TICK: Final = 0.001
# Faults of replies that leave the status in the reply as it is.
_LATE: Final = frozenset({"delays", "sends_slowly", "pads", "answers"})
_FAILED_ATTEMPT: Final = 503


class StoryEvent(NamedTuple):
    """A query or a download: the seconds since the one before, and the expected outcome.

    `shown` is a task status, an HTTP status, None without a reply, or `ANY` if a fault decides it. `picture`
    is the index of the downloaded result; None for a query.
    """

    seconds: float
    shown: str | int | None
    picture: int | None = None


# The outcome of a request whose reply has a fault that changes its bytes.
ANY: Final = "ANY"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStory:
    """A create and its consequences.

    `settings` are those on which the create depends, `scripts` documents: the first is about the create.
    `created` is the status of the reply to the create, None without a reply; `rule` refused it. `replies` are
    the statuses with which the receiver of callbacks answered, `delivered` the task statuses that it
    accepted. `rest` is the time in seconds from the last event to the end, or to the present. `status` is
    None if nothing was created.
    """

    title: str
    gateway: Gateway
    path: str
    key: str
    body: Mapping[str, Any]
    settings: Mapping[str, Any]
    scripts: Sequence[Mapping[str, Any]]
    created: int | None
    rule: str | None = None
    events: Sequence[StoryEvent] = ()
    replies: Sequence[int] = ()
    delivered: Sequence[str] = ()
    rest: float = 0.0
    status: str | None = None
    failure: str | None = None


def story_of_task(view: FakeView, task: TaskState, now: float) -> TaskStory:
    """The story of a task up to the present. Raises ValueError if a part of it is not kept."""
    record, created = task.record, task.record.created
    calls = [call for call in view.calls if call.task_id == record.id]
    create = next((call for call in calls if call.method == "POST"), None)
    if create is None:
        raise ValueError(f"the journal has dropped the create of task {record.id}")
    rules = {rule.id: rule for rule in view.scripts}
    state = task.at(now)
    timeline = _Timeline(task)
    events, queries = _events(calls, rules, timeline, view.gateways)
    end = min(now, max(state.at, *(each.at for each in task.attempts), created))
    sent = [each for each in task.attempts if each.kind == SENT]
    history = task.history(NEVER)
    return TaskStory(
        title=f"Task {record.id}: {state.status}",
        scripts=[_create_script(task, create, rules, timeline), *_other_create(create, rules), *queries],
        created=None if _loses_reply(create) else create.status,
        events=events,
        replies=[each.status if each.status and each.delivered else _FAILED_ATTEMPT for each in sent],
        delivered=[str(history[each.position].status) for each in sent if each.delivered],
        rest=timeline.advance(end),
        status=str(state.status),
        failure=task.plan.failure if state.status is TaskStatus.FAILED else None,
        **_parts(create, view.settings, view.gateways),
    )


def story_of_refusal(view: FakeView, call: CallRecord) -> TaskStory:
    """The story of a create that a script or a rule of the body refused.

    Raises ValueError for another call, or if its body or script is not kept.
    """
    rule = next((each for each in view.scripts if each.id == call.script), None)
    by_body = call.script is None and any(call.rule in each.rules for each in every_operation(view.gateways))
    if call.request is None or not (rule or by_body):
        raise ValueError(
            "only a create that a script or a rule of the body refused has a story, while both are kept"
        )
    scripts: list[dict[str, Any]] = []
    if rule is not None:
        outcomes = {name: value for name, value in rule.calls.items() if name not in _SELECTING}
        scripts.append({"next" if rule.kind == CREATE else "next_request": True, **outcomes})
    return TaskStory(
        title=f"A create that is refused with {call.status}",
        scripts=scripts,
        created=call.status or None,
        rule=call.rule,
        **_parts(call, view.settings, view.gateways),
    )


_RANKS: Final[Mapping[TaskStatus, int]] = MappingProxyType(
    {status: min(rank, 2) for rank, status in enumerate(TaskStatus)}
)
# The methods of a script that select requests; a story is about one.
_SELECTING: Final = frozenset({"times", "lasting", "chance", "optional"})


def _parts(call: CallRecord, settings: Settings, gateways: Sequence[Gateway]) -> dict[str, Any]:
    """The parts of a story that the create determines."""
    assert call.request is not None  # noqa: S101 -- for the type checkers
    host = dict(call.headers).get("host", "")
    return {
        "gateway": gateway_of(call.path, host, gateways),
        "path": call.path,
        "key": call.account if call.account and is_public(call.account) else "sk-mock",
        "body": body_of(call.request),
        "settings": _settings(settings, callbacks=call.request.callback_url is not None),
    }


def _settings(settings: Settings, *, callbacks: bool) -> dict[str, Any]:
    """The settings that decide whether the create is accepted, as far as they are not the defaults."""
    defaults = Settings()
    names = ["operations", "ignore", "models", "null_is_absent"]
    names += ["callback_submitted", "callback_retries"] if callbacks else []
    found: dict[str, Any] = {}
    for name in names:
        value = getattr(settings, name)
        if value != getattr(defaults, name):
            found[name] = _plain(value)
    return found


def _plain(value: object) -> object:
    """The value of a setting as JSON data."""
    if isinstance(value, frozenset):
        return sorted(cast("frozenset[str]", value))
    return list(cast("tuple[object, ...]", value)) if isinstance(value, tuple) else value


def _loses_reply(call: CallRecord) -> bool:
    return call.status == 0 or bool(set(call.faults) & set(REPLY_KINDS) - _LATE)


class _Timeline:
    """Places the instants of a task in whole milliseconds, each on the same side of every change."""

    def __init__(self, task: TaskState) -> None:
        self._created = task.record.created
        self._last = 0.0
        # The status, the seconds since the create, and the same in milliseconds.
        self._changes: list[tuple[TaskStatus, float, float]] = []
        if not task.plan.counted:
            for status, at in task.history(NEVER)[1:]:
                if at < NEVER:
                    self._changes.append((status, at - self._created, round(at - self._created, 3)))

    def advance(self, at: float, status: str | None = None) -> float:
        """The seconds from the event before to the one at this instant, at which the task has this status.

        Without the status it is that of the instant; a change by hand may come between two events of one.
        """
        since = at - self._created
        place = round(since, 3)
        for changed, true, rounded in self._changes:
            past = since >= true if status is None else _RANKS[TaskStatus(status)] >= _RANKS[changed]
            if past and rounded:
                place = max(place, rounded + _TICK)
            elif not past:
                place = min(place, rounded - _TICK)
        place = max(round(place, 3), self._last)
        seconds, self._last = round(place - self._last, 3), place
        return seconds

    @property
    def pace(self) -> tuple[float, ...]:
        """The rounded seconds from the create to each change."""
        return tuple([rounded for _, _, rounded in self._changes])


def _events(
    calls: Sequence[CallRecord],
    rules: Mapping[int, RuleRecord],
    timeline: _Timeline,
    gateways: Sequence[Gateway],
) -> tuple[list[StoryEvent], list[dict[str, Any]]]:
    """The queries and downloads, and the scripts about single queries."""
    events: list[StoryEvent] = []
    scripts: list[dict[str, Any]] = []
    nth = 0
    for call in calls:
        place = locate(call.path)
        host = dict(call.headers).get("host", "")
        if call.method != "GET" or len(events) == EVENTS:
            continue
        if place is not None:
            if not place.watermark:
                events.append(StoryEvent(timeline.advance(call.at), _outcome(call), place.number))
            continue
        if kind_of(call.method, call.path, host, gateways) != QUERY:
            continue
        nth += call.shown is not None or call.script is not None
        seconds = timeline.advance(call.at, call.actual or (call.shown if call.shown in _RANKS else None))
        events.append(StoryEvent(seconds, _outcome(call)))
        rule = None if call.script is None else rules.get(call.script)
        if rule is not None:
            calls_of_rule = {name: value for name, value in rule.calls.items() if name not in _SELECTING}
            scripts.append({"when_query": {"nth": nth}, **calls_of_rule, "times": 1})
    return events, scripts


def _outcome(call: CallRecord) -> str | int | None:
    if _loses_reply(call) or (call.status == 200 and "pictures_are" in call.faults):
        return ANY if call.status else None
    return call.shown if call.shown is not None and call.status == 200 else call.status


def _create_script(
    task: TaskState, create: CallRecord, rules: Mapping[int, RuleRecord], timeline: _Timeline
) -> dict[str, Any]:
    """The document of a script with the outcome of the task: its end, pace and faults, as they are now."""
    plan = task.plan
    script: dict[str, Any] = {"next": True}
    script |= {} if plan.failure is None else {"fails": plan.failure}
    script |= _pace(task, timeline)
    for fault in plan.faults:
        script[fault.kind] = call_of_fault(fault)
    if any(not use.shown for use in uses_of(plan.faults, task.fault_uses)):
        script["optional"] = True
    rule = None if create.script is None else rules.get(create.script)
    if rule is not None and "long_id" in rule.calls:
        script["long_id"] = True
    return script


def _pace(task: TaskState, timeline: _Timeline) -> dict[str, Any]:
    plan = task.plan
    starts, ends = plan.starts, plan.ends
    if ends == NEVER:
        return {"holds": "submitted" if starts == NEVER else True}
    if plan.counted:
        return {"pace": f"polls:{ends:g}"}
    *before, end = timeline.pace
    start = before[0] if before else end
    if not end:
        return {"pace": "instant"}
    return {"pace": f"seconds:{_number(start)},{_number(end - start)}"}


def _number(seconds: float) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


def _other_create(create: CallRecord, rules: Mapping[int, RuleRecord]) -> list[dict[str, Any]]:
    """The script with the faults of the reply to the create; these need not fit its outcome."""
    rule = None if create.script is None else rules.get(create.script)
    if rule is None:
        return []
    calls = {name: value for name, value in rule.calls.items() if name in REPLY_KINDS}
    return [{"next_request": True, **calls}] if calls else []
