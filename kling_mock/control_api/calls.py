"""The journal: all requests to the imitated service."""

from __future__ import annotations

from itertools import islice

from kling_mock.control_api import models
from kling_mock.control_api.problems import not_found
from kling_mock.control_api.shown import show_call
from kling_mock.fake import Fake
from kling_mock.records import CallRecord


def list_calls(fake: Fake, query: models.CallFilter) -> models.CallPage:
    """List requests, oldest first. The journal drops its oldest entries when it is full."""
    calls = list(fake.named_account(query.account).calls)
    start = 0
    if query.after is not None:
        ids = [call.id for call in calls]
        if query.after not in ids:
            raise not_found("call", query.after, ids[-models.PAGE_MAXIMUM :])
        start = ids.index(query.after) + 1
    tasks = _tasks(fake, query.external_task_id)
    found = (call for call in islice(calls, start, None) if _fits(call, query, tasks))
    shown = list(islice(found, query.limit + 1))
    page = tuple([show_call(call) for call in shown[: query.limit]])
    return models.CallPage(page, page[-1].id if len(shown) > query.limit else None)


def read_call(fake: Fake, id: str) -> models.Call:  # noqa: A002 -- the name in the path
    """Read one call by its id, which is the `request_id` of the reply."""
    calls = list(fake.calls)
    for call in calls:
        if call.id == id:
            return show_call(call)
    raise not_found("call", id, [call.id for call in calls[-models.PAGE_MAXIMUM :]])


def _tasks(fake: Fake, external_id: str | None) -> frozenset[str]:
    """The ids of the tasks with an external id."""
    if external_id is None:
        return frozenset()
    return frozenset(task.id for task in fake.tasks if task.request.external_task_id == external_id)


def _fits(call: CallRecord, query: models.CallFilter, tasks: frozenset[str]) -> bool:
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
