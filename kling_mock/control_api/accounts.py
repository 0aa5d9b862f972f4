"""Accounts: their tasks, money and concurrency."""

from __future__ import annotations

from kling_mock.control_api import models
from kling_mock.fake import Fake
from kling_mock.testing.task_handle import TaskHandle

ALL = "*"


def list_accounts(fake: Fake) -> models.Accounts:
    """List the accounts that have sent a request, and their totals."""
    names = {call.account for call in fake.calls} | {task.account for task in fake.tasks}
    found = sorted(name for name in names if name is not None)
    return models.Accounts(tuple([read_account(fake, name) for name in found]), _show(fake, None))


def read_account(fake: Fake, name: str) -> models.Account:
    """Read one account by its name. An account without requests has zeros."""
    return _show(fake, name)


def _show(fake: Fake, name: str | None) -> models.Account:
    view = fake.named_account(name)
    tasks = view.tasks
    return models.Account(
        ALL if name is None else name,
        len(tasks),
        view.spend,
        sum(map(_unfinished_images, tasks)),
        view.peak_concurrency,
    )


def _unfinished_images(task: TaskHandle) -> int:
    try:
        return 0 if task.status.terminal else task.request.n
    except LookupError:  # the task was dropped meanwhile
        return 0
