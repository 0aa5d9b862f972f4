"""Properties of receipts: the id gets to the caller."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import cast

from kling_contracts.client_suite.attempts import Attempt
from kling_contracts.client_suite.bench import Bench, Inconclusive, Property, fault
from kling_contracts.client_suite.bodies import smallest_body
from kling_contracts.client_suite.scripts import answer, created, task
from kling_contracts.client_suite.stand_in import Reply
from kling_contracts.messages import Envelope
from kling_contracts.openapi.examples import REQUEST_ID, TASK_ID
from kling_contracts.vocabulary import SEED, TaskStatus

Wire = dict[str, object]


def receipts() -> Iterator[Property]:
    """The properties of answers to creates."""
    yield Property(
        id="client.reads_created[plain]",
        sentence="the id in the answer to a create is given to the caller",
        source=SEED,
        check=_gives_the_id,
    )
    for name, (sentence, bodies) in _created().items():
        yield Property(
            id=f"client.reads_created[{name}]",
            sentence=f"in the answer to a create, {sentence}",
            source=SEED,
            check=partial(_reads_created, bodies),
        )


def _created() -> dict[str, tuple[str, list[Wire]]]:
    message = task(TaskStatus.SUBMITTED)
    usual = Envelope.success(message.to_wire(with_result=False), REQUEST_ID).to_wire()
    data = cast("Wire", usual["data"])
    bare = {name: value for name, value in data.items() if name != "task_info"}
    bodies: list[Wire] = [usual | {"zz_new": 1}, usual | {"data": data | {"zz_new": {"a": [None]}}}]
    absent: list[Wire] = [
        {name: value for name, value in usual.items() if name != "request_id"},
        usual | {"data": bare},
    ]
    null: list[Wire] = [
        usual | {"data": data | {"task_info": {"external_task_id": None}, "task_status_msg": None}},
        usual | {"data": data | {"task_result": None}},
    ]
    return {
        "unknown-field": ("fields that are new do no harm", bodies),
        "missing-optional": ("what may be absent may be absent", absent),
        "null": ("what may be null may be null", null),
    }


def _gives_the_id(bench: Bench) -> None:
    attempt = _create(bench, created(task(TaskStatus.SUBMITTED)))
    if attempt.value != TASK_ID:
        fault(f"the id {TASK_ID!r}", attempt)


def _create(bench: Bench, reply: Reply) -> Attempt:
    bench.play(creates=[reply])
    return bench.submit(smallest_body(bench))


def _reads_created(bodies: list[Wire], bench: Bench) -> None:
    usual = _create(bench, created(task(TaskStatus.SUBMITTED)))
    if usual.error is not None:
        raise Inconclusive("the usual answer is not read: see client.reads_created[plain]")
    for body in bodies:
        attempt = _create(bench, answer(body))
        if attempt.error is not None or attempt.value != usual.value:
            fault(f"the same as for the usual answer, {usual}", attempt, tag=json.dumps(body))
