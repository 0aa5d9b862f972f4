"""Programs as users of the client write them, and the types that they see. Not executed."""

# pyright: strict
from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import assert_type

import httpx

from kling_client import (
    ApiError,
    AsyncClient,
    AsyncTask,
    Client,
    Image,
    ImageLike,
    InvalidRequest,
    KlingError,
    NotFound,
    Poll,
    Retry,
    SubmitUncertain,
    Task,
    TaskFailed,
    WaitTimeout,
    parse_callback,
)
from kling_contracts import ResultImage, ResultMedia, TaskMessage, TaskStatus, Violation
from kling_contracts.gateways import KLING
from kling_contracts.messages import Result
from kling_contracts.operations import TEXT_TO_IMAGE


def asking_for_pictures() -> None:
    pictures: list[ImageLike] = [
        Path("a.png"),
        b"bytes",
        "https://pictures.test/c.png",
        Image.from_path("d.png"),
        Image.from_bytes(b"bytes"),
        Image.from_url("https://pictures.test/e.png"),
    ]
    with Client() as kling:
        assert_type(kling, Client)
        task = kling.generate(pictures, "the two of them at sea", aspect_ratio="3:2", n=2)
        assert_type(task, Task)
        assert_type(task.wait(on_update=print, deadline=60), Task)
        assert_type(task.wait().save("out"), list[Path])
        task.save(Path("out"), name="{task_id}.{ext}", overwrite=True, on_bytes=lambda received, size: None)
        assert_type(task.refresh(), Task)
        assert_type(task.updates(deadline=5), Iterator[Task])
        assert_type(kling.get(task.id), Task)
        assert_type(kling.task("835493114551853674"), Task)
        kling.generate([Path("a.png"), Path("b.png")], scene=Path("s.png"), style="https://a.test/s.png")
        kling.generate(pictures, None, extra={"seed": 1}, check=False, callback_url="https://me.test/hook")


def any_operation() -> None:
    with Client(gateway="kling", operation="text-to-image") as kling:
        task = kling.create(prompt="at sea", n=2, image=Path("a.png"))
        assert_type(task, Task)
        assert_type(kling.create({"prompt": "at sea"}, check=False), Task)
        assert_type(task.images, tuple[ResultImage, ...])
        assert_type(task.media, tuple[ResultMedia, ...])
        assert_type(task.results, tuple[Result, ...])
        assert_type([result.url for result in task.results], list[str])
    Client(gateway=KLING, operation=TEXT_TO_IMAGE).close()


def options() -> None:
    Client("sk-key", base_url="https://proxy.test", timeout=5, retry=Retry(), poll=Poll())
    with httpx.Client() as session:
        Client(http_client=session, clock=lambda: 0.0, sleep=lambda seconds: None).close()


async def awaiting() -> None:
    async with AsyncClient() as kling:
        assert_type(kling, AsyncClient)
        task = await kling.generate(["https://a.test/1.png", b"2"], "at sea")
        assert_type(task, AsyncTask)
        assert_type(await task.wait(on_update=print), AsyncTask)
        assert_type(await task.save("out"), list[Path])
        assert_type(await task.refresh(), AsyncTask)
        assert_type(task.updates(), AsyncIterator[AsyncTask])
        async for update in task.updates():
            assert_type(update, AsyncTask)
        assert_type(await kling.create(prompt="at sea"), AsyncTask)
        assert_type(kling.task("1"), AsyncTask)
        assert_type(await kling.get("1"), AsyncTask)


def errors(task: Task) -> None:
    try:
        task.wait()
    except TaskFailed as failed:
        assert_type(failed.task.id, str)
    except WaitTimeout as timeout:
        overdue: TimeoutError = timeout
        assert overdue
    except (NotFound, SubmitUncertain, ApiError) as error:
        base: KlingError = error
        assert base
    except InvalidRequest as invalid:
        for violation in invalid.violations:
            assert_type(violation, Violation)


def callbacks(body: bytes) -> None:
    message = parse_callback(body)
    assert_type(message, TaskMessage)
    assert_type(message.task_status, TaskStatus | str)
    assert_type(parse_callback("{}").task_id, str)
