"""State of the server as lines of JSON, for `kling-mock export` and `import`."""

from __future__ import annotations

from kling_mock.control_api import models
from kling_mock.control_api.problems import Problem
from kling_mock.fake import Fake
from kling_mock.saved_state import SavedState, StateNotEmpty


def read_state(fake: Fake) -> models.StateLines:
    """Read all state as lines of JSON: tasks, scripts, clock, journal, callback attempts, counters."""
    return models.StateLines(bytes(fake.snapshot()))


def write_state(fake: Fake, query: models.ImportQuery, content: bytes) -> models.Done:
    """Take over a state, whole or, with an error, not at all."""
    try:
        fake.load_state(SavedState(content), replace=query.replace)
    except StateNotEmpty as error:
        raise Problem(409, str(error)) from None
    except (ValueError, TypeError) as error:
        raise Problem(422, str(error), "") from None
    return models.Done()
