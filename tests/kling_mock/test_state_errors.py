"""A fake with a state file that cannot be used or written."""

from __future__ import annotations

import asyncio
import json
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from kling_mock import Fake, ManualClock, Request
from kling_mock.callbacks.model import AttemptResult
from kling_mock.cli import main
from kling_mock.doors import webhook_sender
from kling_mock.doors.webhook_client import WebhookClient
from kling_mock.stores import StateNotKept, state_file
from kling_mock.stores.memory import MemoryStore
from kling_mock.stores.state_file import NOTHING_GONE
from tests.kling_mock.fakes_with_past import CREATE, KEY, SUBJECTS, create

if TYPE_CHECKING:
    from pathlib import Path

    from kling_mock.callbacks.model import Callback


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "state.db"


def test_a_state_file_that_cannot_be_written_is_a_503(path: Path) -> None:
    """With the reason and a remedy; the fake goes on once it can be written again."""
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
        headers=KEY,
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


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("ftp://localhost/0", "state must be the path of a file; ftp:// is not supported"),
        ("", "state must be the path of a file, not ''"),
        (b"x", "state must be the path of a file, not b'x'"),
        ("a\0b", r"state must be the path of a file, not 'a\\x00b'"),
        (True, "state must be the path of a file, not True"),
    ],
)
def test_a_state_that_is_not_a_path(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Fake(state=value)


def test_a_store_and_a_state_exclude_each_other(path: Path) -> None:
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
        "help: kling-mock help state\n"
    )
    assert out == ""


def test_a_new_file_on_a_full_disk_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise StateNotKept("state file x: not written: the disk is full; free some space")

    monkeypatch.setattr(state_file.StateFile, "write", full)
    assert main(["serve", "--state", str(path), "--port", "0"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "kling-mock: --state file x: not written: the disk is full; free some space",
        "help: kling-mock help state",
    ]


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
