"""The bodies of replies from templates are the encoded task objects, whatever a record contains."""

from __future__ import annotations

from itertools import product

import msgspec

from kling_contracts.vocabulary import ResultKind, TaskStatus
from kling_contracts.wire_objects import success_object
from kling_mock.plan import Plan, Transition
from kling_mock.records import TaskRecord, TaskRequest
from kling_mock.render import task_body, task_message


def test_a_body_is_the_encoded_task_object() -> None:
    created, later = 1_767_225_600.4999, 1_767_225_603.9999
    ids, words = ("867283741759111202", 'no number: "%s"'), ("SUCCEED", 'done: 100 %s "%"')
    externals, marks = (None, "", 'a "%d"'), (False, True)
    for status, task_id, word, kind, external, marked, shown in product(
        TaskStatus, ids, words, (ResultKind.IMAGES, ResultKind.VIDEOS), externals, marks, (False, True)
    ):
        request = TaskRequest(("external_task_id", "n"), (external, 2), (), marked)
        record = TaskRecord(task_id, "me", 1, "multi", request, created, 'https://a.test/%d"', 8, kind, word)
        plan, state = Plan(1, 2, counted=True, failure="no such luck: 5 %"), Transition(status, later)
        message = task_message(record, plan, state, 7, with_result=shown)
        body = task_body(record, plan, state, 7, "c0656403", with_result=shown)
        assert body == msgspec.json.encode(success_object(message, "c0656403", word))
