"""Fakes with tasks, calls, a script and a callback, to save, restore and export."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kling_mock import Fake, ManualClock, Request
from kling_mock.stores.lines import dump
from kling_mock.stores.record_format import Counter
from tests.kling_mock.reading import body_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CREATE = "/kling/v1/images/generations"
KEY = (("authorization", "Bearer sk-mock"),)
SUBJECTS = [{"subject_image": f"https://pictures.test/{name}.png"} for name in "ab"]
# The lines of a small state.
LINES = dump([Counter("a", 1), Counter("b", 2)])


@contextmanager
def fake_with_past(state: Path | None) -> Iterator[Fake]:
    """A fake with two tasks and calls, in memory or in a state file."""
    fake = Fake(clock=ManualClock(), pace="seconds:1,5", state=state, seed=4, unused_scripts="ignore")
    fake.when(prompt="*cat*").fails("no cats").times(3)
    create(fake, prompt="a cat", callback_url="https://h.test/")
    fake.clock.advance(2)
    create(fake, external_task_id="mine")
    yield fake
    fake.close()
    fake.check()


def create(fake: Fake, **fields: object) -> Any:
    body = json.dumps({"subject_image_list": SUBJECTS, **fields}).encode()
    return body_of(fake.handle(Request("POST", CREATE, headers=KEY, body=body)))


def past(fake: Fake) -> list[Any]:
    tasks = [(task.id, task.history, task.polls) for task in fake.tasks]
    calls = list(fake.calls)
    return [tasks, calls, fake.spend, fake.peak_concurrency, fake.scripts, fake.script_uses, fake.clock.now()]
