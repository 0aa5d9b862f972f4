"""The whole server: its state, reset, stream of events, and the documents about this API."""

from __future__ import annotations

from typing import Any

from kling_mock.control_api import models, parameters
from kling_mock.control_api.problems import Problem
from kling_mock.fake import Fake
from kling_mock.saved_state import SavedState, StateNotEmpty


def read_state(fake: Fake) -> models.StateLines:
    """Read all state as lines of JSON: tasks, scripts, clock, journal, callback attempts, counters."""
    try:
        return models.StateLines(bytes(fake.snapshot()))
    except TypeError as error:  # the store cannot list its state
        raise Problem(409, str(error)) from None


def write_state(fake: Fake, query: parameters.ImportQuery, content: bytes) -> models.Done:
    """Take over a state, whole or, with an error, not at all."""
    try:
        fake.load_state(SavedState(content), replace=query.replace)
    except StateNotEmpty as error:
        raise Problem(409, str(error)) from None
    except (ValueError, TypeError) as error:
        raise Problem(422, str(error), "") from None
    return models.Done()


def reset(fake: Fake, body: parameters.Reset) -> models.Done:
    """Drop all tasks, calls, scripts and callbacks, of one account or of all; clock and settings stay."""
    fake.named_account(body.account).reset()
    return models.Done()


def open_events(fake: Fake, query: parameters.EventFilter) -> models.EventStream:  # noqa: ARG001 -- as all handlers
    """Follow calls, changes of tasks, attempts to deliver callbacks and changes of the clock."""
    return models.EventStream(query.last_event_id, query.account)


def read_openapi(fake: Fake) -> dict[str, Any]:  # noqa: ARG001 -- the same
    """Read the OpenAPI 3.1 document of the control API."""
    from kling_mock.control_api.document import build_document

    return build_document()


def read_page(fake: Fake) -> models.HTMLPage:  # noqa: ARG001 -- the same
    """Read the document as a page for a browser."""
    from kling_mock.control_api.page import build_page

    return models.HTMLPage(build_page().encode())
