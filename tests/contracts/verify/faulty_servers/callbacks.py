"""Servers with wrong callbacks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import urlencode

from tests.contracts.verify.faulty_servers.base import Behind, FaultyServer, Group
from tests.contracts.verify.faulty_servers.messages import Callback, Object, Request, Response, images_of
from tests.contracts.verify.faulty_servers.tasks import whole

group: Final = Group()
Mutation = Callable[[Callback], Iterable[Callback]]


def _calling(catches: str, *, also: tuple[str, ...] = ()) -> Callable[[Mutation], Mutation]:
    """A faulty server as a function from a callback to the callbacks that are sent instead."""

    def note(mutate: Mutation) -> Mutation:
        class Mutating(FaultyServer):
            def call_back(self, callback: Callback) -> Iterable[Callback]:
                return mutate(callback)

        group.add(catches, mutate.__name__, (mutate.__doc__ or "").strip(), Mutating, also=also)
        return mutate

    return note


def _ended(task: Object) -> bool:
    return task["task_status"] in ("succeed", "failed")


@_calling("callbacks.each_change")
def none(callback: Callback) -> Iterable[Callback]:
    """No callbacks are sent."""
    return []


@_calling("callbacks.each_change")
def the_end_only(callback: Callback) -> Iterable[Callback]:
    """A callback is sent only for the terminal status."""
    return [callback] if _ended(callback.task) else []


@_calling("callbacks.each_change")
def no_failures(callback: Callback) -> Iterable[Callback]:
    """No callback is sent for a failed task."""
    return [] if callback.task["task_status"] == "failed" else [callback]


@_calling("callbacks.each_change")
def the_beginning_only(callback: Callback) -> Iterable[Callback]:
    """No callback is sent for the terminal status."""
    return [] if _ended(callback.task) else [callback]


@_calling("callbacks.bare")
def enveloped(callback: Callback) -> Iterable[Callback]:
    """The body of a callback is a response envelope."""
    callback.json = {"code": 0, "message": "SUCCEED", "request_id": "1", "data": callback.peek}
    return [callback]


@_calling("callbacks.bare")
def a_form(callback: Callback) -> Iterable[Callback]:
    """The body of a callback is form-encoded."""
    callback.content = urlencode({name: str(value) for name, value in callback.peek.items()}).encode()
    return [callback]


@_calling("callbacks.bare")
def encoded_twice(callback: Callback) -> Iterable[Callback]:
    """The body of a callback is a JSON string that contains the task."""
    callback.content = json.dumps(callback.content.decode()).encode()
    return [callback]


@_calling("callbacks.bare")
def an_id_alone(callback: Callback) -> Iterable[Callback]:
    """A callback contains only the task id."""
    callback.json = {"task_id": callback.peek["task_id"]}
    return [callback]


@_calling("callbacks.body")
def own_stamps(callback: Callback) -> Iterable[Callback]:
    """updated_at in a callback is later than in a query."""
    stamp = callback.task["updated_at"]
    callback.task["updated_at"] = stamp + 250 if isinstance(stamp, int) else stamp
    return [callback]


@_calling("callbacks.body")
def stamps_in_seconds(callback: Callback) -> Iterable[Callback]:
    """Timestamps are in seconds."""
    for name in ("created_at", "updated_at"):
        stamp = callback.task[name]
        callback.task[name] = stamp // 1000 if isinstance(stamp, int) else stamp
    return [callback]


@_calling("callbacks.body")
def no_result(callback: Callback) -> Iterable[Callback]:
    """A callback lacks the images."""
    callback.task["task_result"] = {}
    return [callback]


@_calling("callbacks.body")
def other_urls(callback: Callback) -> Iterable[Callback]:
    """The result URLs in a callback differ from those of a query."""
    for image in images_of(callback.task):
        image["url"] = f"{image['url']}?from=callback"
    return [callback]


@_calling("callbacks.body")
def no_reason(callback: Callback) -> Iterable[Callback]:
    """A callback lacks the reason of a failure."""
    callback.task.pop("task_status_msg", None)
    return [callback]


@_calling("callbacks.body")
def other_words(callback: Callback) -> Iterable[Callback]:
    """A callback has status succeeded instead of succeed."""
    if callback.task["task_status"] == "succeed":
        callback.task["task_status"] = "succeeded"
    return [callback]


@group.server("callbacks.body")
class LatestTask(FaultyServer):
    """A callback contains the task that was created last."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._latest: object = None

    def call_back(self, callback: Callback) -> Iterable[Callback]:
        if callback.peek["task_status"] == "submitted":
            self._latest = callback.peek["task_id"]
        callback.task["task_id"] = self._latest
        return [callback]


@group.server("callbacks.order")
class EndFirst(FaultyServer):
    """The callback for processing is sent after the terminal one."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._held: dict[object, Callback] = {}

    def call_back(self, callback: Callback) -> Iterable[Callback]:
        task = callback.peek
        if task["task_status"] == "processing":
            self._held[task["task_id"]] = callback
            return []
        held = self._held.pop(task["task_id"], None)
        return [callback] if held is None else [callback, held]


@group.server("callbacks.retry")
class NoSecondAttempt(FaultyServer):
    """A failed callback is not retried."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._seen: set[tuple[object, object]] = set()

    def call_back(self, callback: Callback) -> Iterable[Callback]:
        this = (callback.peek["task_id"], callback.peek["task_status"])
        again = this in self._seen
        self._seen.add(this)
        return [] if again else [callback]


@_calling("callbacks.stops")
def again_and_again(callback: Callback) -> Iterable[Callback]:
    """Each callback is sent eight times, even if it was accepted."""
    return [callback] * 8


@group.server("callbacks.retry", also=("callbacks.each_change",))
class GivesUp(FaultyServer):
    """After a failed delivery no further callbacks of the task are sent."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._seen: set[tuple[object, object]] = set()
        self._lost: set[object] = set()

    def call_back(self, callback: Callback) -> Iterable[Callback]:
        name = callback.peek["task_id"]
        this = (name, callback.peek["task_status"])
        if this in self._seen:
            self._lost.add(name)
        self._seen.add(this)
        return [] if name in self._lost else [callback]


@_calling("callbacks.content_type")
def no_type(callback: Callback) -> Iterable[Callback]:
    """A callback has no Content-Type."""
    callback.headers.pop("content-type", None)
    return [callback]


@_calling("callbacks.content_type")
def plain_text(callback: Callback) -> Iterable[Callback]:
    """A callback has Content-Type text/plain."""
    callback.headers["content-type"] = "text/plain"
    return [callback]


class _KnowsCreates(FaultyServer):
    """Stores the headers of the latest create."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self.header = ""

    def before(self, request: Request) -> None:
        if request.creates and request.key:
            self.header = request.headers["authorization"]


@group.server("callbacks.no_key")
class PassesHeadersOn(_KnowsCreates):
    """A callback repeats the headers of the create."""

    def call_back(self, callback: Callback) -> Iterable[Callback]:
        callback.headers["authorization"] = self.header
        return [callback]


@group.server("callbacks.no_key")
class KeyInTheBody(_KnowsCreates):
    """A callback contains the key of the account."""

    def call_back(self, callback: Callback) -> Iterable[Callback]:
        callback.task["user"] = self.header.partition(" ")[2]
        return [callback]


@group.server("invalid_requests.no_callback")
class CallsForRefusals(FaultyServer):
    """A refused request causes a callback for a failed task."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._strays: list[Callback] = []

    def after(self, request: Request, response: Response) -> None:
        url = request.peek.get("callback_url")
        if (
            request.creates
            and response.status == 400
            and isinstance(url, str)
            and "already" not in str(response.peek)
        ):
            stray = Callback(url=url, headers={"content-type": "application/json"})
            stray.json = {"task_id": "1" * 18, "task_status": "failed", "task_status_msg": "refused"}
            self._strays.append(stray)

    def call_back(self, callback: Callback) -> Iterable[Callback]:
        yield callback
        while self._strays:
            yield self._strays.pop()


@group.server("callbacks.not_early")
class AnnouncesChanges(FaultyServer):
    """The callback for status processing is sent with the one for status submitted."""

    def after(self, request: Request, response: Response) -> None:
        for task in response.tasks:
            _date(task)

    def call_back(self, callback: Callback) -> list[Callback]:
        if callback.peek["task_status"] != "submitted":
            _date(callback.task)
            return [callback]
        early = Callback(raw=callback.content, url=callback.url, headers=dict(callback.headers))
        early.task["task_status"] = "processing"
        _date(early.task)
        return [callback, early]


def _date(task: Object) -> None:
    """Give each message about a processing task the same updated_at, by the pace of the runs."""
    if task["task_status"] == "processing":
        task["updated_at"] = whole(task["created_at"]) + 300


@group.before("callbacks.url")
def query_is_lost(request: Request) -> None:
    """The query of callback_url is dropped."""
    url = request.peek.get("callback_url")
    if request.creates and isinstance(url, str) and "?" in url:
        request.body["callback_url"] = url.partition("?")[0]
