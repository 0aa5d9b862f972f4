"""A fake with a state file: what survives its process, and errors of the file."""

from __future__ import annotations

import asyncio
import json
import shutil
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from kling_mock import Clock, Fake, ManualClock, Request
from kling_mock.callbacks.model import AttemptResult
from kling_mock.cli import main
from kling_mock.doors import webhook_sender
from kling_mock.doors.webhook_client import WebhookClient
from kling_mock.stores import StateNotKept, state_file
from kling_mock.stores.memory import MemoryStore
from kling_mock.stores.state_file import NOTHING_GONE
from kling_mock.timing import clock as clock_module
from tests.kling_mock.life_cycle import LifeCycle
from tests.kling_mock.reading import body_of
from tests.kling_mock.stores.state_files import MEMORY
from tests.profiles import share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kling_mock import Reply
    from kling_mock.callbacks.model import Callback

CREATE = "/kling/v1/images/generations"
OFFICIAL = "/v1/images/multi-image2image"
SUBJECTS = [{"subject_image": f"https://pictures.test/{name}.png"} for name in "ab"]


@pytest.fixture
def path() -> Iterator[Path]:
    with TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder) / "state.db"


def create(fake: Fake, path: str = CREATE, key: str = "sk-mock", **fields: object) -> Any:
    body = json.dumps({"subject_image_list": SUBJECTS, **fields}).encode()
    return body_of(
        fake.handle(Request("POST", path, headers=(("authorization", f"Bearer {key}"),), body=body))
    )


def get(fake: Fake, path: str, key: str = "sk-mock") -> Reply:
    return fake.handle(Request("GET", path, headers=(("authorization", f"Bearer {key}"),)))


def crashed(path: Path) -> Path:
    """The files of a state as they are at present: what a process that is killed now would leave."""
    image = path.with_name(f"crashed-{path.name}")
    for suffix in ("", "-wal"):
        source = path.with_name(path.name + suffix)
        if source.exists():
            shutil.copy(source, image.with_name(image.name + suffix))
    return image


# -- what survives


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


# -- errors


def test_a_state_file_that_cannot_be_written_is_a_503(path: Path) -> None:
    """With the reason and the way out; the fake goes on once it can be written again."""
    fake = Fake(state=path, clock=ManualClock())
    create(fake, external_task_id="first")
    fake._store._file._execute("PRAGMA max_page_count=1")  # type: ignore[attr-defined]
    large = {"prompt": "x" * 2500}
    replies = [create(fake, **large) for _ in range(9)]
    refused = replies[-1]
    assert refused["error"]["code"] == "state_not_kept"
    message = f"state file {path}: not written: the disk is full; free some space"
    assert refused["error"]["message"] == message
    tasks = len(fake.tasks)
    request = Request(
        "POST",
        CREATE,
        headers=(("authorization", "Bearer sk-mock"),),
        body=json.dumps({"subject_image_list": SUBJECTS, **large}).encode(),
    )
    seen: list[str | None] = []
    fake.on_call(lambda call: seen.append(call.message))
    reply = fake.handle(request)
    assert reply.status == 503
    (rule,) = [value for name, value in reply.headers if name == "x-kling-mock-rule"]
    assert rule.startswith("server.state; source=standard")
    assert rule.endswith(f"relax={message}")
    assert seen == [message]
    assert len(fake.tasks) == tasks
    with pytest.raises(BaseExceptionGroup) as caught:
        fake.check()
    assert [type(each) for each in caught.value.exceptions] == [StateNotKept]
    fake._store._file._execute("PRAGMA max_page_count=100000")  # type: ignore[attr-defined]
    assert create(fake, external_task_id="first")["code"] == 1201
    assert create(fake, **large)["code"] == 0
    fake.close()
    fake.check()


def test_requests_after_the_close_are_refused(path: Path) -> None:
    with Fake(state=path) as fake:
        assert create(fake)["code"] == 0
    assert create(fake)["error"]["message"].endswith("it is closed; open it with a new Fake")
    Fake().close()  # without effect


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


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("redis://localhost/0", "state must be the path of a file; redis:// is not supported"),
        ("", "state must be the path of a file, not ''"),
        (b"x", "state must be the path of a file, not b'x'"),
        ("a\0b", r"state must be the path of a file, not 'a\\x00b'"),
        (True, "state must be the path of a file, not True"),
    ],
)
def test_a_state_that_is_no_path(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Fake(state=value)


def test_a_store_and_a_state_are_too_much(path: Path) -> None:
    store = MemoryStore(ManualClock(), retention=1.0, journal_bytes=1)
    with pytest.raises(TypeError, match="state: not accepted together with store"):
        Fake(store=store, state=path)
    assert not path.exists()


def test_serve_refuses_a_file_with_one_sentence_and_status_2(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_text("no database\n" * 20)
    assert main(["serve", "--state", str(path), "--port", "0"]) == 2
    out, errors = capsys.readouterr()
    assert errors == (
        f"kling-mock: --state file {path}: it is not a state file of kling-mock; use another path\n"
    )
    assert out == ""


def test_a_new_file_on_a_full_disk_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise StateNotKept("state file x: not written: the disk is full; free some space")

    monkeypatch.setattr(state_file.StateFile, "write", full)
    assert main(["serve", "--state", str(path), "--port", "0"]) == 2
    assert capsys.readouterr().err == (
        "kling-mock: --state file x: not written: the disk is full; free some space\n"
    )


def test_a_callback_whose_attempt_cannot_be_kept_is_sent_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender does not end, so that others are sent too."""
    monkeypatch.setattr(webhook_sender, "UNKEPT_PAUSE", 0.0)
    numbers = count()
    write = state_file.StateFile.write
    sent: list[str] = []
    recorded: list[str] = []

    def fails_once(file: state_file.StateFile, rows: Any, calls: Any = (), gone: Any = NOTHING_GONE) -> None:
        if not calls and next(numbers) == 0:  # an attempt has no journal entry
            raise StateNotKept("once")
        write(file, rows, calls, gone)

    async def send(_client: object, callback: Callback) -> AttemptResult:
        sent.append(callback.status.value)
        return AttemptResult(200)

    async def run(fake: Fake) -> None:
        done = asyncio.Event()

        def note(callback: Callback, _attempt: object) -> None:
            recorded.append(callback.status.value)
            if len(recorded) == 3:
                done.set()

        sending = asyncio.create_task(fake.sender(note).run())
        async with asyncio.timeout(20):
            await done.wait()
        sending.cancel()
        await asyncio.wait([sending])
        assert sending.cancelled()

    monkeypatch.setattr(WebhookClient, "attempt", send)
    with Fake(state=path, pace="instant") as fake:
        create(fake, callback_url="http://127.0.0.1:9/hook")
        monkeypatch.setattr(state_file.StateFile, "write", fails_once)
        asyncio.run(run(fake))
    assert recorded == ["submitted", "processing", "succeed"]
    assert sent == ["submitted", "submitted", "processing", "succeed"]
