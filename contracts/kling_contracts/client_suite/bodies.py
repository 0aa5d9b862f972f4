"""Request bodies for clients, and a helper that submits one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import cast

from hypothesis import strategies as st

from kling_contracts.client_suite.attempts import Attempt
from kling_contracts.client_suite.harness import Harness, fault
from kling_contracts.client_suite.replies import created, task
from kling_contracts.client_suite.server import Received
from kling_contracts.strategies import valid_requests
from kling_contracts.vocabulary import TaskStatus


def given_body(harness: Harness, body: object) -> dict[str, object]:
    """A drawn body with declared names instead of aliases, and only with fields that the client can send."""
    given = dict(cast("Mapping[str, object]", body))
    for field in harness.operation.fields:
        for alias in field.aliases:
            if alias in given and field.name not in given:
                given[field.name] = given.pop(alias)
    fields = harness.adapter.fields
    return given if fields is None else {name: value for name, value in given.items() if name in fields}


def valid_bodies(harness: Harness) -> st.SearchStrategy[dict[str, object]]:
    """Valid requests that the client can send."""
    return valid_requests(harness.operation, run="suite").map(partial(given_body, harness))


def smallest_body(harness: Harness, **more: object) -> dict[str, object]:
    """The body with the required field only, plus `more`."""
    name = harness.operation.fields[0].name
    item = {"subject_image": "https://example.com/cat.png"}
    return {name: [dict(item), dict(item)], **more}


def sent_body(sent: Received) -> object:
    """The decoded body of a create. A body that is not JSON in UTF-8 breaks the property (raises Broken)."""
    try:
        return sent.json()
    except ValueError as error:
        fault("a body that is JSON in UTF-8", f"{sent}\n({error})")


def submit(harness: Harness, body: dict[str, object]) -> Attempt:
    """Call the adapter's `submit`; the scripted server accepts the create."""
    harness.answer_with(creates=[created(task(TaskStatus.SUBMITTED))])
    return harness.submit(body)
