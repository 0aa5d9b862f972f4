"""Replies of the scripted server: those that the contract allows, in the order of a script."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, cast
from urllib.parse import parse_qs, urlsplit

from kling_contracts.client_suite.server import REPLY_SECONDS, Delivery, Received, Reply
from kling_contracts.gateways import Gateway, RefusalReason
from kling_contracts.image_files import png
from kling_contracts.messages import Envelope, ResultImage, TaskMessage
from kling_contracts.openapi.examples import REQUEST_ID, TASK_ID, task_in
from kling_contracts.vocabulary import TaskStatus

PICTURES: Final = "/pictures/"
TOO_MANY: Final = 429
# Values for the templates of all refusals; extra values are ignored.
_FILLING: Final = {
    "id": TASK_ID,
    "model": "kling-v9",
    "method": "POST",
    "path": "/",
    "parts": 1,
    "message": "prompt value length exceeds 2500",
}


def task(status: TaskStatus | str, *, pictures: str = "", task_id: str = TASK_ID) -> TaskMessage:
    """A task with a status, which may be unknown to the API; `pictures` is the origin of its images."""
    like = status if isinstance(status, TaskStatus) else TaskStatus.PROCESSING
    shown = replace(task_in(like), task_id=task_id)
    if status == TaskStatus.SUCCEED:
        urls = [f"{pictures}{PICTURES}{task_id}-{index}.png" for index in range(2)]
        images = tuple(ResultImage(index=index, url=url) for index, url in enumerate(urls))
        shown = replace(shown, images=images)
    return replace(shown, task_status=status)


def answer(wire: object, *, delivery: Delivery = Delivery.WHOLE, seconds: float = REPLY_SECONDS) -> Reply:
    """A JSON value as the body of a reply with status 200."""
    return Reply(body=json.dumps(wire).encode(), delivery=delivery, seconds=seconds)


def created(message: TaskMessage) -> Reply:
    """The success reply to a create."""
    return answer(Envelope.success(message.to_wire(with_result=False), REQUEST_ID).to_wire())


def shown(message: TaskMessage, *, seconds: float = REPLY_SECONDS) -> Reply:
    """The success reply to a query."""
    return answer(Envelope.success(message.to_wire(), REQUEST_ID).to_wire(), seconds=seconds)


def refused(gateway: Gateway, reason: RefusalReason, **filling: object) -> Reply:
    """The gateway's refusal for a reason."""
    refusal = gateway.refusals[reason]
    body = refusal.body(REQUEST_ID, **(_FILLING | filling))
    return Reply(status=refusal.status, body=json.dumps(body).encode())


def too_many(gateway: Gateway, retry_after: str) -> Reply:
    """The gateway's 429 reply with Retry-After; the request has no effect."""
    reply = refused(gateway, RefusalReason.NO_SLOTS)
    return replace(reply, headers=(*reply.headers, ("Retry-After", retry_after)))


def out_of_order(status: int) -> Reply:
    """An HTML page, as sent by a proxy whose upstream does not respond."""
    page = f"<html><body>{status}: the upstream did not respond</body></html>"
    return Reply(status=status, body=page.encode(), headers=(("Content-Type", "text/html"),))


@dataclass
class Script:
    """Replies to creates and queries, each from a list whose last reply is repeated.

    `accepts`: creates count as accepted, also if their reply is lost. A create with an external id that is in
    use is refused.
    """

    gateway: Gateway
    creates: Sequence[Reply] = ()
    queries: Sequence[Reply] = ()
    accepts: bool = True
    accepted: int = 0
    _asked: int = 0
    _sent: int = 0
    _taken: set[str] = field(default_factory=set[str])

    def __call__(self, request: Received) -> Reply:
        if request.path.startswith(PICTURES):
            return Reply(body=png(300, 300), headers=(("Content-Type", "image/png"),))
        if request.method == "POST":
            return self._create(request)
        if self.gateway.lists and "pageNum" in parse_qs(urlsplit(request.target).query):
            tasks = [task(TaskStatus.SUBMITTED).to_wire()] if self.accepted else []
            return answer(Envelope.success(tasks, REQUEST_ID).to_wire())
        if not self.queries:
            return refused(self.gateway, RefusalReason.UNKNOWN_TASK)
        self._asked += 1
        return self.queries[min(self._asked, len(self.queries)) - 1]

    def _create(self, request: Received) -> Reply:
        external_id = _external_id(request)
        if external_id in self._taken:
            return refused(self.gateway, RefusalReason.DUPLICATE_ID, id=external_id)
        self._sent += 1
        creates = self.creates or (created(task(TaskStatus.SUBMITTED)),)  # where the script has none
        reply = creates[min(self._sent, len(creates)) - 1]
        if self.accepts and reply.status != TOO_MANY:
            self.accepted += 1
            if external_id:
                self._taken.add(external_id)
        return reply


def _external_id(request: Received) -> str:
    try:
        body = request.json()
    except ValueError:
        return ""
    given = cast("dict[str, object]", body).get("external_task_id") if isinstance(body, dict) else None
    return given if isinstance(given, str) else ""
