"""Tasks: list, read and end them."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase

from kling_mock.control_api import models, parameters
from kling_mock.control_api.paging import page_of
from kling_mock.control_api.problems import converted_errors, not_found
from kling_mock.control_api.shown import show_task
from kling_mock.fake import Fake
from kling_mock.records import TaskState
from kling_mock.testing.task_handle import TaskHandle


def list_tasks(fake: Fake, query: parameters.TaskFilter) -> models.TaskPage:
    """List tasks, oldest first."""
    tasks, now = fake.named_account(query.account).read_tasks()
    page, following = page_of(
        "task",
        tasks,
        query,
        id_of=lambda task: task.record.id,
        fits=lambda task: _fits(task, query, now),
    )
    seed = fake.settings.seed
    return models.TaskPage(tuple([show_task(task, now, seed) for task in page]), following)


def _fits(task: TaskState, query: parameters.TaskFilter, now: float) -> bool:
    request = task.record.request
    return (
        query.status in (None, task.at(now).status)
        and query.operation in (None, task.record.operation)
        and query.external_task_id in (None, request.external_task_id)
        and (query.prompt is None or fnmatchcase(request.prompt, query.prompt))
    )


def read_task(fake: Fake, id: str) -> models.Task:  # noqa: A002 -- the name in the path
    """Read one task. This is not a query of the service: it does not count as a poll."""
    return _show(fake, found_task(fake, id))


def release_task(fake: Fake, id: str) -> models.Task:  # noqa: A002 -- the same
    """End a task now, with its planned outcome."""
    return _end(fake, id, lambda task: task.release())


def succeed_task(fake: Fake, id: str) -> models.Task:  # noqa: A002 -- the same
    """End a task now, successfully."""
    return _end(fake, id, lambda task: task.succeed())


def fail_task(fake: Fake, id: str, body: parameters.TaskFailure) -> models.Task:  # noqa: A002 -- the same
    """End a task now, failed with a message."""
    return _end(fake, id, lambda task: task.fail(body.message))


def found_task(fake: Fake, task_id: str) -> TaskHandle:
    """The task with this id. Raises a problem (404) with similar ids."""
    task = fake.find_task(task_id)
    if task is None:
        raise not_found("task", task_id, [each.id for each in fake.tasks])
    return task


def _end(fake: Fake, task_id: str, end: Callable[[TaskHandle], None]) -> models.Task:
    task = found_task(fake, task_id)
    with converted_errors(None):
        end(task)
    return _show(fake, task)


def _show(fake: Fake, task: TaskHandle) -> models.Task:
    return show_task(*task.read(), fake.settings.seed)
