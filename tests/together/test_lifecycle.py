"""A task from its creation to the saved image, over every transport and integration, at every pace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kling_client import KlingError, NotFound, TaskFailed, WaitTimeout
from kling_contracts import TaskMessage, check_lifecycle
from kling_mock import Fake

URL = "https://example.com/cat.png"
PACES = ("instant", "polls:1", "polls:2", "polls:5", "seconds:2,9", "realistic", "realistic:10")


@pytest.mark.parametrize("pace", PACES)
def test_from_create_to_file(line: Any, pace: str, tmp_path: Path) -> None:
    """Every reply is parsed, the transitions are legal, and the files have the requested ratio."""

    async def script(fake: Fake, client: Any) -> None:
        task = await client.generate([URL, URL], "at sea", aspect_ratio="21:9", n=2)
        shown: list[Any] = []
        done = await task.wait(on_update=shown.append)
        assert (task.status, shown[-1].status) == ("submitted", "succeed")
        paths = await done.save(tmp_path)
        assert [path.name for path in paths] == [f"{task.id}-0.png", f"{task.id}-1.png"]
        assert check_lifecycle([TaskMessage.from_wire(seen.raw) for seen in [task, *shown]], n=2) == ()
        assert len({seen.request_id for seen in [task, *shown]}) == len(shown) + 1
        assert fake.task.polls >= len(shown)

    line.run(script, pace=pace)
    for path in tmp_path.iterdir():
        with Image.open(path) as picture:
            assert (picture.format, picture.size) == ("PNG", (1344, 576))


def test_a_failed_task(line: Any, tmp_path: Path) -> None:
    async def script(fake: Fake, client: Any) -> None:
        fake.next.fails("Failure to pass the risk control system")
        task = await client.generate([URL, URL])
        with pytest.raises(TaskFailed, match="risk control") as caught:
            await task.wait()
        with pytest.raises(KlingError):
            await client.task(caught.value.task.id).save(tmp_path)

    line.run(script)
    assert list(tmp_path.iterdir()) == []


def test_a_held_task_runs_into_the_deadline_and_is_resumed(line: Any) -> None:
    """The deadline is total, the error names the task, and a new wait finds it."""

    async def script(fake: Fake, client: Any) -> None:
        task = await client.generate([URL, URL])
        began = fake.clock.now()
        with pytest.raises(WaitTimeout) as caught:
            await task.wait(deadline=60)
        assert 60 <= fake.clock.now() - began <= 61
        assert caught.value.task.id == task.id
        assert task.id in str(caught.value)
        fake.task.release()
        assert (await client.task(task.id).wait()).status == "succeed"

    line.run(script, pace="held")


def test_an_unknown_task(line: Any) -> None:
    async def script(fake: Fake, client: Any) -> None:
        with pytest.raises(NotFound) as caught:
            await client.get("867283741759111202")
        assert (caught.value.status, caught.value.code) == (400, "task_not_exist")
        assert not fake.tasks

    line.run(script)


def test_a_wrong_key(line: Any) -> None:
    async def script(_: Fake, client: Any) -> None:
        with pytest.raises(KlingError, match="invalid token") as caught:
            await client.generate([URL, URL])
        assert type(caught.value).__name__ == "AuthError"
        assert "sk-together" not in f"{caught.value!r} {caught.value}"

    line.run(script, keys=["sk-another"])


def test_an_expired_picture(line: Any, tmp_path: Path) -> None:
    """After thirty days the result URL has expired: a download error, and no file remains."""

    async def script(fake: Fake, client: Any) -> None:
        done = await (await client.generate([URL, URL])).wait()
        fake.clock.advance(days=30)
        with pytest.raises(KlingError) as caught:
            await done.save(tmp_path)
        assert type(caught.value).__name__ == "DownloadError"

    line.run(script)
    assert list(tmp_path.iterdir()) == []


def test_too_many_at_once(line: Any) -> None:
    """429/1303 is retried, since no task was created; it succeeds once the first task has ended."""

    async def script(fake: Fake, client: Any) -> None:
        await client.generate([URL, URL])
        task = await client.generate([URL, URL])
        assert [call.status for call in fake.calls.creates] == [200, 429, 200]
        assert (await task.wait()).status == "succeed"

    line.run(script, slots=1, pace="seconds:0,0.4")
