"""The stream of events, as server-sent events."""

from __future__ import annotations

from kling_mock.control_api import models
from kling_mock.fake import Fake


def open_events(fake: Fake, query: models.EventFilter) -> models.EventStream:  # noqa: ARG001 -- as all handlers
    """Follow calls, changes of tasks, attempts to deliver callbacks and changes of the clock."""
    return models.EventStream(query.last_event_id, query.account)
