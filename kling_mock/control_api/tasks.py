"""Tasks: list, read and end them."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase

from kling_contracts.vocabulary import TaskStatus
from kling_mock.control_api import parameters, task_models
from kling_mock.control_api.paging import page_of
from kling_mock.control_api.problems import converted_errors, not_found
from kling_mock.control_api.shown import show_task
from kling_mock.fake import Fake
from kling_mock.records import TaskState
from kling_mock.testing.task_handle import TaskHandle


def list_tasks(fake: Fake, query: parameters.TaskFilter) -> task_models.TaskPage:
    """List tasks, oldest first or newest first."""
    tasks, now = fake.named_account(query.account).read_tasks()
    page = page_of("task", tasks, query, id_of=lambda task: task.record.id, fits=_filter(query, now))
    return task_models.TaskPage(
        tuple([show_task(fake, task, now) for task in page.items]), page.next, page.total
    )


def _filter(query: parameters.TaskFilter, now: float) -> Callable[[TaskState], bool] | None:
    """The filter of a query; None if it selects all tasks (of its account)."""
    operation, external, prompt = query.operation, query.external_task_id, query.prompt
    text = None if query.text is None else query.text.casefold()
    if (query.status, operation, external, prompt, text) == (None,) * 5:
        return None

    def fits(task: TaskState) -> bool:
        request = task.record.request
        return (
            query.status in (None, task.at(now).status)
            and operation in (None, task.record.operation)
            and external in (None, request.external_task_id)
            and (prompt is None or fnmatchcase(request.prompt, prompt))
            and (text is None or _contains(task, now, text))
        )

    return fits


def _contains(task: TaskState, now: float, text: str) -> bool:
    record, request = task.record, task.record.request
    if text in request.prompt.casefold() or text in record.id or text in record.account.casefold():
        return True
    external, failure = request.external_task_id, task.plan.failure
    return (external is not None and text in external.casefold()) or (
        failure is not None and text in failure.casefold() and task.at(now).status is TaskStatus.FAILED
    )


def read_task(fake: Fake, id: str) -> task_models.Task:  # noqa: A002 -- the name in the path
    """Read one task. This is not a query of the service: it does not count as a poll."""
    return _show(fake, found_task(fake, id))


def release_task(fake: Fake, id: str) -> task_models.Task:  # noqa: A002 -- the same
    """End a task now, with its planned outcome."""
    return _end(fake, id, lambda task: task.release())


def succeed_task(fake: Fake, id: str) -> task_models.Task:  # noqa: A002 -- the same
    """End a task now, successfully."""
    return _end(fake, id, lambda task: task.succeed())


def fail_task(fake: Fake, id: str, body: parameters.TaskFailure) -> task_models.Task:  # noqa: A002 -- the same
    """End a task now, failed with a message."""
    return _end(fake, id, lambda task: task.fail(body.message))


def found_task(fake: Fake, task_id: str) -> TaskHandle:
    """The task with this id. Raises a problem (404) with similar ids."""
    task = fake.find_task(task_id)
    if task is None:
        raise not_found("task", task_id, [each.id for each in fake.tasks])
    return task


def _end(fake: Fake, task_id: str, end: Callable[[TaskHandle], None]) -> task_models.Task:
    task = found_task(fake, task_id)
    with converted_errors(None):
        end(task)
    return _show(fake, task)


def _show(fake: Fake, task: TaskHandle) -> task_models.Task:
    return show_task(fake, *task.read())
