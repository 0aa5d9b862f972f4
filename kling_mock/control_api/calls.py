"""The journal: all requests to the imitated service."""

from __future__ import annotations

from collections.abc import Callable

from kling_mock.control_api import call_models, parameters
from kling_mock.control_api.paging import page_of
from kling_mock.control_api.problems import not_found
from kling_mock.control_api.shown import show_call
from kling_mock.fake import Fake
from kling_mock.records import CallRecord


def list_calls(fake: Fake, query: parameters.CallFilter) -> call_models.CallPage:
    """List requests, oldest first or newest first. The journal drops its oldest entries when it is full."""
    calls = tuple(fake.named_account(query.account).calls)
    page = page_of("call", calls, query, id_of=lambda call: call.id, fits=_filter(fake, query))
    return call_models.CallPage(tuple(map(show_call, page.items)), page.next, page.total)


def read_call(fake: Fake, id: str) -> call_models.Call:  # noqa: A002 -- the name in the path
    """Read one call by its id, which is the `request_id` of the reply."""
    return show_call(found_call(fake, id))


def found_call(fake: Fake, name: str) -> CallRecord:
    """The call with this id. Raises a problem (404) with similar ids."""
    calls = tuple(fake.calls)
    for call in reversed(calls):
        if call.id == name:
            return call
    raise not_found("call", name, [call.id for call in calls])


def _filter(fake: Fake, query: parameters.CallFilter) -> Callable[[CallRecord], bool] | None:
    """The filter of a query; None if it selects all calls (of its account)."""
    same = [
        (name, value)
        for name, value in (
            ("id", query.request_id),
            ("task_id", query.task_id),
            ("rule", query.rule),
            ("method", query.method),
        )
        if value is not None
    ]
    status, external = query.status, query.external_task_id
    text = None if query.text is None else query.text.casefold()
    if not same and status is external is text is None:
        return None
    tasks = _tasks(fake, external)

    def fits(call: CallRecord) -> bool:
        return (
            all(getattr(call, name) == value for name, value in same)
            and (status is None or _has_status(call, status))
            and (external is None or _has_external_id(call, external, tasks))
            and (text is None or text in _text_of(call))
        )

    return fits


def _tasks(fake: Fake, external_id: str | None) -> frozenset[str]:
    """The ids of the tasks with an external id."""
    if external_id is None:
        return frozenset()
    tasks, _ = fake.read_tasks()
    records = [task.record for task in tasks]
    return frozenset(each.id for each in records if each.request.external_task_id == external_id)


def _has_status(call: CallRecord, status: str) -> bool:
    return str(call.status // 100) == status[0] if status.endswith("xx") else str(call.status) == status


def _has_external_id(call: CallRecord, external_id: str, tasks: frozenset[str]) -> bool:
    request = call.request
    return call.task_id in tasks or (request is not None and request.external_task_id == external_id)


def _text_of(call: CallRecord) -> str:
    """All texts of a call, in lower case, one per line."""
    parts: list[object] = [call.id, call.account, call.method, call.path, call.task_id, call.shown]
    parts += [call.actual, call.rule, call.message, *call.notes, *call.faults]
    for name, value in call.headers:
        parts.append(f"{name}: {value}")
    if call.request is not None:
        parts += call.request.items
        parts += [each.url or each.digest for each in call.request.pictures]
    return "\n".join([str(each) for each in parts if each is not None]).casefold()
