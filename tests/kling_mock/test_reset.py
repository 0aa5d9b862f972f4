"""`Fake.reset()`: nothing of before is left, and nothing of it comes back."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from kling_contracts.gateways import COMETAPI
from kling_mock import Fake, ManualClock
from kling_mock.callbacks.model import Callback

URL = COMETAPI.base_url + COMETAPI.create_path
KEY = {"authorization": "Bearer sk-one"}
BODY: dict[str, object] = {
    "subject_image_list": [{"subject_image": "https://h.test/a"}, {"subject_image": "https://h.test/b"}],
    "callback_url": "https://h.test/hook",
}


def create(fake: Fake, **fields: object) -> str:
    with httpx.Client(transport=fake.transport(), headers=KEY) as http:
        task: str = http.post(URL, json=BODY | fields).raise_for_status().json()["data"]["task_id"]
        return task


def test_tasks_calls_scripts_balances_and_external_ids_are_gone() -> None:
    fake = Fake(clock=ManualClock(), slots=1, balance=16, pace="held")
    fake.when(prompt="*").fails("no")
    first = create(fake, external_task_id="mine")
    fake.reset()
    assert fake.tasks == ()
    assert len(fake.calls) == 0
    assert len(fake.callbacks) == 0
    assert list(fake.scripts) == []
    with httpx.Client(transport=fake.transport(), headers=KEY) as http:
        assert http.get(f"{URL}/{first}").json()["code"] == "task_not_exist"
    assert create(fake, external_task_id="mine") == fake.task.id
    assert fake.task.id == first  # as in a new fake at this instant


def test_no_callback_of_before_is_delivered_and_the_clock_goes_on() -> None:
    seen: list[Callback] = []
    fake = Fake(clock=ManualClock(), pace="seconds:1,1")
    fake.callbacks.deliver_to(seen.append)
    create(fake)
    now = fake.clock.now()
    fake.reset()
    assert fake.clock.now() == now
    seen.clear()
    fake.clock.advance(seconds=10)
    create(fake)
    fake.clock.advance(seconds=10)
    assert seen == []
    fake.callbacks.deliver_to(seen.append)
    assert [callback.task_id for callback in seen] == [fake.task.id] * 3
    fake.check()


def test_a_problem_of_before_is_still_raised() -> None:
    def broken(_: Callback) -> None:
        raise ZeroDivisionError

    fake = Fake(clock=ManualClock(), pace="instant")
    fake.callbacks.deliver_to(broken)
    create(fake)
    fake.reset()
    with pytest.raises(ExceptionGroup):
        fake.check()


def test_a_store_that_cannot_be_cleared_is_named() -> None:
    class Kept:
        def __init__(self, store: Any) -> None:
            self._store = store
            self.clock = store.clock

        def read(self, keys: Any) -> Any:
            return self._store.read(keys)

        def commit(self, change: Any) -> Any:
            return self._store.commit(change)

    fake = Fake(store=Kept(Fake()._store))
    with pytest.raises(TypeError, match=r"reset\(\): the store Kept has no clear\(\); make a new Fake"):
        fake.reset()
