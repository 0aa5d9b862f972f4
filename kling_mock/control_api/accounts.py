"""Accounts: their tasks, money and concurrency."""

from __future__ import annotations

from kling_mock.control_api import models
from kling_mock.fake import Fake

ALL = "*"


def list_accounts(fake: Fake) -> models.Accounts:
    """List the accounts that have sent a request, and their totals."""
    tasks, _ = fake.read_tasks()
    names = {call.account for call in fake.calls} | {task.record.account for task in tasks}
    found = sorted(name for name in names if name is not None)
    return models.Accounts(tuple([read_account(fake, name) for name in found]), _show(fake, None))


def read_account(fake: Fake, name: str) -> models.Account:
    """Read one account by its name. An account without requests has zeros."""
    return _show(fake, name)


def _show(fake: Fake, name: str | None) -> models.Account:
    view = fake.named_account(name)
    tasks, now = view.read_tasks()
    unfinished = sum(task.record.request.n for task in tasks if not task.at(now).status.terminal)
    return models.Account(
        ALL if name is None else name, len(tasks), view.spend, unfinished, view.peak_concurrency
    )
