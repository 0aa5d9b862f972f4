"""Reset: drop tasks, calls, scripts and callbacks."""

from __future__ import annotations

from kling_mock.control_api import models
from kling_mock.fake import Fake


def reset(fake: Fake, body: models.Reset) -> models.Done:
    """Drop all tasks, calls, scripts and callbacks, of one account or of all; clock and settings stay."""
    fake.named_account(body.account).reset()
    return models.Done()
