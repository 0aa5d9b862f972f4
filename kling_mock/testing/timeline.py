"""The timeline of a fake as text: requests, task states, callbacks, clock advances; and unused scripts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from kling_contracts.gateways import RefusalReason, gateway_of
from kling_contracts.vocabulary import TaskStatus
from kling_mock.callbacks.model import Callback
from kling_mock.records import SENT, CallRecord, RuleRecord
from kling_mock.scripts.rule_builder import describe
from kling_mock.testing.base_view import View
from kling_mock.testing.journal import elapsed, line, printable
from kling_mock.testing.task_handle import TaskHandle
from kling_mock.testing.unused_scripts import report

# The number of events shown from the beginning and from the end of a long timeline.
FIRST: Final = 20
LAST: Final = 40

# Events with equal timestamps are listed in causal order.
_ORDER: Final = ("call", "state", "callback", "clock")


class _Event(NamedTuple):
    at: float
    kind: str
    text: str


def timeline(view: View) -> str:
    """All events of a fake, or of one account, one per line, with the seconds since the first event.

    A task state is listed at the instant of the change, even if no query observed it. After the events,
    scripts with uses left are compared with the create requests. Secrets of URLs are left out.
    """
    events = sorted(_events(view), key=lambda event: (event.at, _ORDER.index(event.kind)))
    return "\n".join(map(printable, [*_shortened(events), *report(view)]))


def _events(view: View) -> Iterator[_Event]:
    calls = list(view.calls)
    scripts = {rule.id: rule for rule in view.scripts}
    several = len({call.account for call in calls if call.account is not None}) > 1
    for call in calls:
        text = _describe_call(call, scripts, several=several)
        yield _Event(call.at, "call", "; ".join((text, *call.notes, *_known_routes(call, view))))
    created = {call.task_id for call in calls if call.method == "POST"}
    for task in view.tasks:
        yield from _states(task, skip_first=task.id in created)
    for callback in view.callbacks:
        yield from _deliveries(callback)
    for jump in view.clock.jumps:
        yield _Event(jump.at, "clock", f"advanced by {jump.seconds:g} s")


def _describe_call(call: CallRecord, scripts: dict[int, RuleRecord], *, several: bool) -> str:
    account = f"{call.account or 'no account'}: " if several else ""
    rule = None if call.script is None else scripts.get(call.script)
    script = "" if rule is None else f" [script #{rule.id}: {describe(rule)}]"
    why = f": {call.message}" if call.rule and call.message else ""
    return f"{account}{line(call)}{why}{script}"


def _known_routes(call: CallRecord, view: View) -> Iterator[str]:
    """The routes of the gateway to which a request with an unknown path was sent: its base URL is wrong."""
    if call.rule == RefusalReason.NO_ROUTE.value:
        gateway = gateway_of(call.path, dict(call.headers).get("host", ""), view.gateways)
        yield f"routes of {gateway.title}: {', '.join(gateway.create_paths)}"


def _states(task: TaskHandle, *, skip_first: bool) -> Iterator[_Event]:
    """The states of a task; `skip_first` if the line of its create shows the first one."""
    for change in task.history[skip_first:]:
        why = f": {task.failure}" if change.status is TaskStatus.FAILED else ""
        yield _Event(change.at, "state", f"task {task.id} {change.status}{why}")


def _deliveries(callback: Callback) -> Iterator[_Event]:
    subject = f"task {callback.task_id} {callback.status} to {callback.url}"
    if not callback.attempts:
        why = "not delivered" if callback.refused is None else f"not sent: {callback.refused}"
        yield _Event(callback.due, "callback", f"{subject} is due, {why}")
    for attempt in callback.attempts:
        result = "delivered" if attempt.delivered else f"attempt {attempt.number} failed: {attempt.error}"
        kind = "" if attempt.kind == SENT else f" ({attempt.kind})"
        yield _Event(attempt.at, "callback", f"{subject} {result}{kind}")


def _shortened(events: Sequence[_Event]) -> Iterator[str]:
    if not events:
        yield "no requests"
        return
    times = [elapsed(events[0].at, event.at) for event in events]
    width = max(map(len, times))
    left_out = len(events) - FIRST - LAST
    for index, (time, event) in enumerate(zip(times, events, strict=True)):
        if left_out > 0 and index == FIRST:
            yield f"... {left_out} more ..."
        if left_out <= 0 or not FIRST <= index < FIRST + left_out:
            yield f"{time:>{width}}  {event.kind:<8}  {event.text}"
