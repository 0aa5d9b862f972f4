"""Callbacks: those that are due so far, with the attempts to deliver them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from kling_mock.callbacks.model import Callback
from kling_mock.callbacks.outbox import OutboxCallback
from kling_mock.control_api import models
from kling_mock.control_api.problems import Problem, not_found
from kling_mock.control_api.shown import show_attempt
from kling_mock.fake import Fake


def list_callbacks(fake: Fake, query: models.CallbackFilter) -> models.CallbackPage:
    """List the callbacks that are due so far, oldest first."""
    outbox = fake.named_account(query.account).callbacks
    callbacks = list(outbox) if query.task_id is None else outbox.of_task(query.task_id)
    start = 0
    if query.after is not None:
        ids = [callback_id(each) for each in callbacks]
        if query.after not in ids:
            raise not_found("callback", query.after, ids)
        start = ids.index(query.after) + 1
    found = (each for each in islice(callbacks, start, None) if _fits(each, query))
    shown = list(islice(_shown(fake, found), query.limit + 1))
    page = tuple(shown[: query.limit])
    return models.CallbackPage(page, page[-1].id if len(shown) > query.limit else None)


def read_callback(fake: Fake, id: str) -> models.CallbackInfo:  # noqa: A002 -- the name in the path
    """Read one callback."""
    return _show(fake, found_callback(fake, id))


def redeliver_callback(fake: Fake, id: str, body: models.RedeliverBody) -> models.AttemptInfo:  # noqa: A002
    """Deliver a callback now, once: as it was sent, or with another body or changed fields."""
    callback = found_callback(fake, id)
    edited = body.body
    if body.changes:
        edited = {**(callback.body if edited is None else edited), **body.changes}
    try:
        return show_attempt(callback.redeliver(edited))
    except (ValueError, RuntimeError) as error:
        raise Problem(409, str(error)) from None
    except LookupError as error:
        raise Problem(404, str(error)) from None


def found_callback(fake: Fake, name: str) -> OutboxCallback:
    """The callback with this id. Raises a problem (404) with similar ids."""
    of_task = fake.callbacks.of_task(name.rpartition("-")[0])
    for callback in of_task:
        if callback_id(callback) == name:
            return callback
    raise not_found("callback", name, [callback_id(each) for each in of_task or fake.callbacks])


def callback_id(callback: Callback) -> str:
    """The id of a callback: that of its task, and the position of the change in the history of the task."""
    return f"{callback.task_id}-{callback.position}"


def _fits(callback: Callback, query: models.CallbackFilter) -> bool:
    return query.delivered in (None, callback.delivered)


def _shown(fake: Fake, callbacks: Iterable[Callback]) -> Iterator[models.CallbackInfo]:
    for callback in callbacks:
        try:
            yield _show(fake, callback)
        except Problem:  # its task was dropped meanwhile
            continue


def _show(fake: Fake, callback: Callback) -> models.CallbackInfo:
    task = fake.find_task(callback.task_id)
    if task is None:
        raise Problem(404, f"callback {callback_id(callback)}: its task is no longer kept")
    return models.CallbackInfo(
        id=callback_id(callback),
        task_id=callback.task_id,
        account=task.account,
        url=callback.url,
        status=str(callback.status),
        due=callback.due,
        delivered=callback.delivered,
        attempts=tuple([show_attempt(each) for each in callback.attempts]),
        next_attempt=callback.next_attempt(fake.settings.callback_retries),
        refused=callback.refused,
        body=callback.body,
    )
