"""Callbacks: those that are due so far, with the attempts to deliver them."""

from __future__ import annotations

from kling_mock.callbacks.model import DueCallback, is_delivered
from kling_mock.callbacks.outbox import Outbox
from kling_mock.control_api import models, parameters
from kling_mock.control_api.paging import page_of
from kling_mock.control_api.problems import Problem, not_found
from kling_mock.control_api.shown import show_attempt
from kling_mock.fake import Fake


def list_callbacks(fake: Fake, query: parameters.CallbackFilter) -> models.CallbackPage:
    """List the callbacks that are due so far, oldest first or newest first."""
    outbox = fake.named_account(query.account).callbacks
    page = page_of(
        "callback",
        outbox.due(query.task_id),
        query,
        id_of=_id,
        fits=None if query.delivered is None else lambda due: _fits(due, query),
    )
    return models.CallbackPage(tuple([_show(fake, outbox, due) for due in page.items]), page.next, page.total)


def read_callback(fake: Fake, id: str) -> models.CallbackInfo:  # noqa: A002 -- the name in the path
    """Read one callback."""
    return _show(fake, fake.callbacks, _found(fake, id))


def redeliver_callback(fake: Fake, id: str, body: parameters.RedeliverBody) -> models.AttemptInfo:  # noqa: A002 -- the same
    """Deliver a callback now, once: as it was sent, or with another body or changed fields."""
    callback = fake.callbacks.callback(_found(fake, id))
    edited = body.body
    if body.changes:
        edited = {**(callback.body if edited is None else edited), **body.changes}
    try:
        return show_attempt(callback.redeliver(edited))
    except (ValueError, RuntimeError) as error:
        raise Problem(409, str(error)) from None
    except LookupError as error:
        raise Problem(404, str(error)) from None


def _found(fake: Fake, name: str) -> DueCallback:
    """The callback with this id. Raises a problem (404) with similar ids."""
    of_task = fake.callbacks.due(name.rpartition("-")[0])
    for due in of_task:
        if _id(due) == name:
            return due
    raise not_found("callback", name, map(_id, of_task or fake.callbacks.due()))


def _id(due: DueCallback) -> str:
    return models.callback_id(due.task.record.id, due.position)


def _fits(due: DueCallback, query: parameters.CallbackFilter) -> bool:
    return query.delivered == is_delivered(due.task.attempts_at(due.position))


def _show(fake: Fake, outbox: Outbox, due: DueCallback) -> models.CallbackInfo:
    callback = outbox.callback(due)
    return models.CallbackInfo(
        id=_id(due),
        task_id=callback.task_id,
        account=due.task.record.account,
        url=callback.url,
        status=str(callback.status),
        due=callback.due,
        delivered=callback.delivered,
        attempts=tuple([show_attempt(each) for each in callback.attempts]),
        next_attempt=callback.next_attempt(fake.settings.callback_retries),
        refused=callback.refused,
        body=callback.body,
    )
