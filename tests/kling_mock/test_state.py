"""A fake with a state file: its state survives the process."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from kling_mock import Clock, Fake, ManualClock, Request
from kling_mock.timing import clock as clock_module
from tests.kling_mock.life_cycle import LifeCycle
from tests.kling_mock.reading import body_of
from tests.kling_mock.stores.state_files import MEMORY
from tests.profiles import share

if TYPE_CHECKING:
    from kling_mock import Reply

CREATE = "/kling/v1/images/generations"
OFFICIAL = "/v1/images/multi-image2image"
SUBJECTS = [{"subject_image": f"https://pictures.test/{name}.png"} for name in "ab"]


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "state.db"


def create(fake: Fake, path: str = CREATE, key: str = "sk-mock", **fields: object) -> Any:
    body = json.dumps({"subject_image_list": SUBJECTS, **fields}).encode()
    return body_of(
        fake.handle(Request("POST", path, headers=(("authorization", f"Bearer {key}"),), body=body))
    )


def get(fake: Fake, path: str, key: str = "sk-mock") -> Reply:
    return fake.handle(Request("GET", path, headers=(("authorization", f"Bearer {key}"),)))


def crashed(path: Path) -> Path:
    """The files of a state as they are at present, as a process that is killed now would leave them."""
    image = path.with_name(f"crashed-{path.name}")
    for suffix in ("", "-wal"):
        source = path.with_name(path.name + suffix)
        if source.exists():
            shutil.copy(source, image.with_name(image.name + suffix))
    return image


# -- survival


def test_everything_survives_without_a_close(path: Path) -> None:
    """Tasks, external ids, scripts and their uses, faults, limits, clock, journal, counters."""
    switches: dict[str, Any] = {"seed": 3, "slots": 9, "rate": "5/60", "unused_scripts": "ignore"}
    fake = Fake(state=path, clock=ManualClock(), **switches)
    fake.when(prompt="*cat*").fails("no cats").times(2)
    fake.next.reads_stale()
    task_id = create(fake, external_task_id="mine", n=2)["data"]["task_id"]
    create(fake, prompt="a cat", key="sk-mock-b")
    for _ in range(3):
        get(fake, f"{CREATE}/{task_id}")
    fake.clock.advance(12)

    image = crashed(path)
    again = Fake(state=image, clock=ManualClock(1_900_000_000), **switches)
    assert again.clock.now() == fake.clock.now()
    assert again.clock.jumps == fake.clock.jumps
    assert [task.history for task in again.tasks] == [task.history for task in fake.tasks]
    assert [task.shown for task in again.tasks] == [task.shown for task in fake.tasks]
    assert list(again.calls) == list(fake.calls)
    assert (again.spend, again.peak_concurrency) == (fake.spend, fake.peak_concurrency)
    assert again.scripts == fake.scripts
    assert again.script_uses == fake.script_uses
    # And the future is the same.
    for each in (fake, again):
        assert create(each, external_task_id="mine")["code"] == 1201
    for asked in ({"prompt": "another cat"}, {}):
        assert create(fake, key="sk-mock-b", **asked) == create(again, key="sk-mock-b", **asked)
    assert [call.status for call in again.calls] == [call.status for call in fake.calls]
    again.close()
    fake.close()


def test_callbacks_that_are_due_go_on_after_a_crash(path: Path) -> None:
    fake = Fake(state=path, clock=ManualClock(), pace="seconds:1,5")
    delivered: list[str] = []
    fake.callbacks.deliver_to(lambda callback: delivered.append(callback.status) or 200)
    create(fake, callback_url="http://127.0.0.1:9/hook")
    fake.clock.advance(1)
    assert delivered == ["submitted", "processing"]
    again = Fake(state=crashed(path), clock=ManualClock(), pace="seconds:1,5")
    assert [callback.delivered for callback in again.callbacks] == [True, True]
    again.callbacks.deliver_to(lambda callback: delivered.append(callback.status) or 200)
    assert delivered == ["submitted", "processing"]
    again.callbacks[0].redeliver(task_status="failed")
    again.clock.advance(5)
    assert delivered == ["submitted", "processing", "submitted", "succeed"]
    again.close()
    again = Fake(state=again.settings.state, clock=ManualClock(), pace="seconds:1,5")
    again.callbacks.deliver_to(lambda callback: delivered.append(callback.status) or 200)
    assert len(delivered) == 4
    assert [each.kind for each in again.callbacks[0].attempts] == ["sent", "edited"]
    for each in (fake, again):
        each.close()
        each.check()


class RestartedLifeCycle(LifeCycle):
    """The life cycle of tasks over a state file that is opened again now and then."""

    def new_fake(self, **switches: Any) -> Fake:
        if not hasattr(self, "folder"):
            self.folder = TemporaryDirectory(dir=MEMORY)
        self.path = Path(self.folder.name) / "state.db"
        return super().new_fake(state=self.path, **switches)

    @rule(crash=st.booleans())
    def restart(self, *, crash: bool) -> None:
        image = crashed(self.path)
        self.fake.close()
        if crash:
            for suffix in ("", "-wal"):
                source = image.with_name(image.name + suffix)
                if source.exists():
                    source.replace(self.path.with_name(self.path.name + suffix))
        self.fake = self.new_fake()
        for caller in self.callers[:2]:
            caller.fake = self.fake

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "fake"):
            self.fake.close()
            self.folder.cleanup()


def test_a_fake_that_is_restarted_agrees_with_the_model() -> None:
    run_machine(RestartedLifeCycle, settings=share(0.15))


# -- the clock


def _open(path: Path, clock: Clock | None = None) -> Fake:
    return Fake(state=path, clock=clock)


@pytest.mark.parametrize(
    ("speed", "passed"), [(1.0, 3_600.0), (10.0, 36_000.0), (0.0, 0.0)], ids=["running", "fast", "frozen"]
)
def test_time_passes_while_no_process_runs_unless_the_clock_is_frozen(
    speed: float, passed: float, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_800_000_000.0
    monkeypatch.setattr(clock_module, "system_time", lambda: now)
    with _open(path) as fake:
        fake.clock.advance(days=1)
        fake.clock.speed = speed
        before = fake.clock.now()
    now += 3_600
    with _open(path) as fake:
        assert fake.clock.now() == pytest.approx(before + passed, abs=1e-3)
        assert fake.clock.speed == speed


def test_system_time_that_was_set_back_is_no_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock goes on from the latest instant in the file."""
    now = 1_800_000_000.0
    monkeypatch.setattr(clock_module, "system_time", lambda: now)
    with _open(path) as fake:
        now += 50
        create(fake)
    now -= 7_200
    with _open(path) as fake:
        assert fake.clock.now() == 1_800_000_050.0
        now += 10
        assert fake.clock.now() == 1_800_000_060.0


def test_a_manual_clock_stands_at_the_reading_of_the_file(path: Path) -> None:
    with _open(path) as fake:
        fake.clock.advance(days=40)
    clock = ManualClock()
    with _open(path, clock):
        now = clock.now()
        assert now > Clock().now() + 39 * 86_400
        assert clock.now() == now


# -- resets


def test_a_reset_keeps_clock_and_counters(path: Path) -> None:
    with Fake(state=path, clock=ManualClock(), unused_scripts="ignore") as fake:
        fake.next.fails("x").times(2)
        first = create(fake)
        fake.clock.advance(5)
        fake.reset()
        assert (len(fake.tasks), len(fake.calls), len(fake.scripts)) == (0, 0, 0)
    with Fake(state=path, clock=ManualClock()) as fake:
        assert (len(fake.tasks), len(fake.calls), len(fake.scripts)) == (0, 0, 0)
        assert fake.clock.now() == ManualClock().now() + 5
        assert create(fake)["request_id"] != first["request_id"]


def test_a_reset_of_one_account_leaves_the_others(path: Path) -> None:
    with Fake(state=path, clock=ManualClock(), pace="held") as fake:
        for key in ("sk-mock-a", "sk-mock-b", "sk-mock-a"):
            create(fake, key=key, n=2)
        fake.account("sk-mock-a").reset()
        expected = [len(fake.tasks), len(fake.calls), fake.spend, fake.peak_concurrency]
        assert expected[:3] == [1, 1, 32]
    with Fake(state=path, clock=ManualClock(), pace="held") as fake:
        assert [len(fake.tasks), len(fake.calls), fake.spend, fake.peak_concurrency] == expected
        assert fake.account("sk-mock-a").spend == 0
        assert fake.account("sk-mock-b").spend == 32


# -- connections


def test_a_fake_uses_its_file_over_one_connection(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In all threads and for all operations. Counterexample: a second fake has a connection of its own."""
    connect, connected = sqlite3.connect, list[str]()

    def counting(path: str, **options: Any) -> sqlite3.Connection:
        connected.append(path)
        connection: sqlite3.Connection = connect(path, **options)
        return connection

    monkeypatch.setattr(sqlite3, "connect", counting)
    first, second = str(folder / "first.db"), str(folder / "second.db")
    with Fake(state=first, clock=ManualClock(), unused_scripts="ignore") as fake:
        thread = Thread(target=create, args=[fake])
        thread.start()
        thread.join()
        fake.next.fails("x")
        get(fake, f"{CREATE}/{create(fake)['data']['task_id']}")
        fake.clock.advance(60)
        fake.load_state(fake.snapshot(), replace=True)
        fake.reset()
        create(fake)
        assert connected == [first]
        Fake(state=second).close()
    assert connected == [first, second]
