"""The journal: all requests to the imitated service."""

from __future__ import annotations

from kling_mock.control_api import call_models, parameters
from kling_mock.control_api.paging import page_of
from kling_mock.control_api.problems import not_found
from kling_mock.control_api.shown import show_call
from kling_mock.fake import Fake
from kling_mock.records import CallRecord


def list_calls(fake: Fake, query: parameters.CallFilter) -> call_models.CallPage:
    """List requests, oldest first or newest first. The journal drops its oldest entries when it is full."""
    tasks = _tasks(fake, query.external_task_id)
    page = page_of(
        "call",
        tuple(fake.named_account(query.account).calls),
        query,
        id_of=lambda call: call.id,
        fits=lambda call: _fits(call, query, tasks),
    )
    return call_models.CallPage(tuple(map(show_call, page.items)), page.next, page.total)


def read_call(fake: Fake, id: str) -> call_models.Call:  # noqa: A002 -- the name in the path
    """Read one call by its id, which is the `request_id` of the reply."""
    calls = list(fake.calls)
    for call in calls:
        if call.id == id:
            return show_call(call)
    raise not_found("call", id, [call.id for call in calls])


def _tasks(fake: Fake, external_id: str | None) -> frozenset[str]:
    """The ids of the tasks with an external id."""
    if external_id is None:
        return frozenset()
    tasks, _ = fake.read_tasks()
    records = [task.record for task in tasks]
    return frozenset(each.id for each in records if each.request.external_task_id == external_id)


def _fits(call: CallRecord, query: parameters.CallFilter, tasks: frozenset[str]) -> bool:
    request = call.request
    external = query.external_task_id
    return (
        query.request_id in (None, call.id)
        and query.task_id in (None, call.task_id)
        and query.rule in (None, call.rule)
        and (
            external is None
            or call.task_id in tasks
            or (request is not None and request.external_task_id == external)
        )
        and (query.text is None or _contains(call, query.text))
    )


def _contains(call: CallRecord, text: str) -> bool:
    prompt = "" if call.request is None else call.request.prompt
    return any(text in each for each in (call.path, call.message or "", prompt, *call.notes))
