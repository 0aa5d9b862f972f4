"""Accounts: their tasks, money and concurrency."""

from __future__ import annotations

from kling_mock.control_api import models
from kling_mock.fake import Fake

ALL = "*"


def list_accounts(fake: Fake) -> models.Accounts:
    """List the accounts that have sent a request, and their totals."""
    names = {call.account for call in fake.calls} | {task.read()[0].record.account for task in fake.tasks}
    found = sorted(name for name in names if name is not None)
    return models.Accounts(tuple([read_account(fake, name) for name in found]), _show(fake, None))


def read_account(fake: Fake, name: str) -> models.Account:
    """Read one account by its name. An account without requests has zeros."""
    return _show(fake, name)


def _show(fake: Fake, name: str | None) -> models.Account:
    view = fake.named_account(name)
    unfinished = sum(task.request.n for task in view.tasks if not task.status.terminal)
    return models.Account(
        ALL if name is None else name, len(view.tasks), view.spend, unfinished, view.peak_concurrency
    )
