"""Properties of billing: a create that may have been accepted is not sent again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from kling_contracts.client_suite.adapter import ClientAdapter
from kling_contracts.client_suite.bodies import smallest_body
from kling_contracts.client_suite.harness import TIMEOUT, Harness, Property, fault, require_create
from kling_contracts.client_suite.replies import answer, created, out_of_order, shown, task
from kling_contracts.client_suite.server import Delivery, Reply
from kling_contracts.openapi.examples import TASK_ID
from kling_contracts.vocabulary import KLING_LIVE, KLING_UPDATES, TaskStatus

_NO_SECOND_CREATE_HINT: Final = "repeat a create only if it cannot have arrived, or after 429"

# `service.timeout` in tests without a reply.
_SHORT: Final = 0.1
_EXTERNAL_ID: Final = "external_task_id"

_WHOLE: Final = created(task(TaskStatus.SUBMITTED))
# Ways in which the reply to an accepted create is lost.
LOST_REPLIES: Final[Mapping[str, tuple[str, Reply]]] = MappingProxyType(
    {
        "dropped": ("the connection is dropped without a response", answer(None, delivery=Delivery.DROPPED)),
        "cut": ("the response is cut in the middle", Reply(body=_WHOLE.body, delivery=Delivery.CUT)),
        "stalled": ("no response arrives before the timeout", answer(None, delivery=Delivery.STALLED)),
        "502": ("a proxy responds with 502", out_of_order(502)),
        "504": ("a proxy responds with 504", out_of_order(504)),
        "illegible": (
            "the response has status 200 but is not JSON",
            Reply(body=b"<html>ok</html>", headers=(("Content-Type", "text/html"),)),
        ),
    }
)


def billing(adapter: ClientAdapter) -> Iterator[Property]:
    """The properties of creates whose reply was lost."""
    for name, (sentence, reply) in LOST_REPLIES.items():
        yield Property(
            id=f"client.no_second_create[{name}]",
            hint=_NO_SECOND_CREATE_HINT,
            sentence=f"if {sentence}, a create is not repeated, and the caller gets an error",
            source=KLING_UPDATES,
            check=partial(_no_second_create, reply),
        )
    running, failed = shown(task(TaskStatus.PROCESSING)), shown(task(TaskStatus.FAILED))
    for name, sentence, replies in (
        ("failed", "a task has failed", [running, failed]),
        ("deadline", "a task has not ended by the deadline", [running]),
    ):
        yield Property(
            id=f"client.no_second_create[{name}]",
            hint=_NO_SECOND_CREATE_HINT,
            sentence=f"if {sentence}, waiting for it does not create another one",
            source=KLING_UPDATES,
            check=partial(_waiting_creates_nothing, replies),
        )
    yield Property(
        id=f"client.no_second_create[{_EXTERNAL_ID}]",
        hint=_NO_SECOND_CREATE_HINT,
        sentence="a create with an external id creates one task, even if it is repeated",
        source=KLING_LIVE,
        check=_one_task_for_one_id,
        skip=_unless_sent(adapter.fields),
    )


def _unless_sent(fields: Collection[str] | None) -> str:
    return "" if fields is None or _EXTERNAL_ID in fields else f"the client does not send {_EXTERNAL_ID}"


def _no_second_create(reply: Reply, harness: Harness) -> None:
    harness.timeout = _SHORT if reply.delivery is Delivery.STALLED else TIMEOUT
    script = harness.answer_with(creates=[reply, _WHOLE], queries=[shown(task(TaskStatus.SUBMITTED))])
    attempt = harness.submit(smallest_body(harness))
    require_create(attempt)
    if script.accepted != 1:
        fault(
            "one create, since the service accepted the first",
            f"{script.accepted} creates, all accepted and billed",
            tag=f"reply to the first create: {reply.delivery.value}, HTTP {reply.status}",
        )
    if attempt.error is None and attempt.value != TASK_ID:
        fault("an error, since the id of the task is unknown", attempt)


def _waiting_creates_nothing(replies: list[Reply], harness: Harness) -> None:
    script = harness.answer_with(queries=replies)
    attempt = harness.wait(TASK_ID, harness.deadline)
    if script.accepted:
        fault("no create", f"{'; '.join(map(str, attempt.creates))} (billed)")


def _one_task_for_one_id(harness: Harness) -> None:
    script = harness.answer_with(
        creates=[answer(None, delivery=Delivery.DROPPED), _WHOLE], queries=[shown(task(TaskStatus.SUBMITTED))]
    )
    attempt = harness.submit(smallest_body(harness, **{_EXTERNAL_ID: "poster-1"}))
    if script.accepted != 1:
        fault("one task", f"{script.accepted} tasks, from {'; '.join(map(str, attempt.creates))}")
