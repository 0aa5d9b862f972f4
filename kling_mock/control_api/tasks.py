"""Tasks: list, read and end them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import dropwhile, islice

from kling_mock.control import TaskAlreadyEnded
from kling_mock.control_api import models
from kling_mock.control_api.problems import Problem, not_found
from kling_mock.control_api.shown import show_task
from kling_mock.fake import Fake
from kling_mock.testing.task_handle import TaskHandle


def list_tasks(fake: Fake, query: models.TaskFilter) -> models.TaskPage:
    """List tasks, oldest first."""
    handles: Iterable[TaskHandle] = fake.named_account(query.account).tasks
    if query.after is not None:
        found_task(fake, query.after)
        handles = islice(dropwhile(lambda task: task.id != query.after, handles), 1, None)
    shown = list(islice((each for each in _shown(fake, handles) if _fits(each, query)), query.limit + 1))
    page = tuple(shown[: query.limit])
    return models.TaskPage(page, page[-1].id if len(shown) > query.limit else None)


def _shown(fake: Fake, handles: Iterable[TaskHandle]) -> Iterator[models.Task]:
    for handle in handles:
        try:
            yield _show(fake, handle)
        except LookupError:  # its retention ended meanwhile
            continue


def _fits(task: models.Task, query: models.TaskFilter) -> bool:
    values = task.request.values
    return (
        query.status in (None, task.status)
        and query.operation in (None, task.operation)
        and query.external_task_id in (None, values.get("external_task_id"))
        and (query.prompt is None or fnmatchcase(str(values.get("prompt", "")), query.prompt))
    )


def read_task(fake: Fake, id: str) -> models.Task:  # noqa: A002 -- the name in the path
    """Read one task. This is not a query of the service: it does not count as a poll."""
    return _show(fake, found_task(fake, id))


def release_task(fake: Fake, id: str) -> models.Task:  # noqa: A002
    """End a task now, with its planned outcome."""
    return _end(fake, id, lambda task: task.release())


def succeed_task(fake: Fake, id: str) -> models.Task:  # noqa: A002
    """End a task now, successfully."""
    return _end(fake, id, lambda task: task.succeed())


def fail_task(fake: Fake, id: str, body: models.TaskFailure) -> models.Task:  # noqa: A002
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
    try:
        end(task)
    except TaskAlreadyEnded as error:
        raise Problem(409, str(error)) from error
    return _show(fake, task)


def _show(fake: Fake, task: TaskHandle) -> models.Task:
    return show_task(*task.read(), fake.settings.seed)
