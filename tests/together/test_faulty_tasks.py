"""Both clients at faulty tasks and limits: each run ends as documented, and none pays twice."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import pytest

from kling_client import (
    ApiError,
    DownloadError,
    KlingError,
    NotFound,
    RateLimited,
    SubmitUncertain,
    TaskFailed,
    UnexpectedReply,
    WaitTimeout,
)
from tests.rows import exhaustive
from tests.together.conftest import Line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kling_mock import Fake
    from kling_mock.scripts.create_script import Script

URL = "https://example.com/cat.png"
DEADLINE = 120.0


class Case(NamedTuple):
    """A faulty task of two images: the images in the end, or the error of wait or save, or of the create."""

    fault: Callable[[Script], Script]
    images: int = 2
    error: type[KlingError] | None = None
    paid: int = 2


CASES: dict[str, Case] = {
    "stuck": Case(lambda task: task.sticks(), error=WaitTimeout),
    "stuck for two queries": Case(lambda task: task.sticks(polls=2)),
    "stuck for a minute": Case(lambda task: task.sticks(seconds=60)),
    "back to submitted": Case(lambda task: task.pace("polls:4").goes_back()),
    "stale read": Case(lambda task: task.reads_stale().optional()),
    "unknown at first": Case(lambda task: task.appears_late(), error=NotFound),
    "unknown word": Case(lambda task: task.shows_status("queued")),
    "unknown word at the end": Case(lambda task: task.shows_status("done", at="succeed"), error=WaitTimeout),
    "no images": Case(lambda task: task.omits_images(), error=DownloadError),
    "no index": Case(lambda task: task.omits_index()),
    "too many images": Case(lambda task: task.miscounts(3), images=3),
    "too few images": Case(lambda task: task.miscounts(1), images=1),
    "unknown fields": Case(lambda task: task.adds_fields()),
    "null fields": Case(lambda task: task.nulls_fields()),
    "null result": Case(lambda task: task.nulls_fields("task_result"), error=DownloadError),
    "null id": Case(lambda task: task.nulls_fields("task_id"), error=UnexpectedReply),
    "null id twice": Case(lambda task: task.pace("polls:4").nulls_fields("task_id", polls=2)),
    "times in seconds": Case(lambda task: task.timestamps_in_seconds()),
    "another shape": Case(lambda task: task.pace("polls:9").changes_shape(), error=UnexpectedReply),
    "another shape twice": Case(lambda task: task.pace("polls:4").changes_shape(polls=2)),
    "long id": Case(lambda task: task.long_id()),
    "failed": Case(lambda task: task.fails("no luck"), error=TaskFailed, paid=0),
    "failed without text": Case(lambda task: task.fails("no").omits_message(), error=TaskFailed, paid=0),
    "picture refused": Case(lambda task: task.pictures_are("refused"), error=DownloadError),
    "picture expired": Case(lambda task: task.pictures_are("expired"), error=DownloadError),
    "picture redirected": Case(lambda task: task.pictures_are("redirect")),
    "picture is a page": Case(lambda task: task.pictures_are("html"), error=DownloadError),
    "picture truncated": Case(lambda task: task.pictures_are("truncated"), error=DownloadError),
    "picture truncated once": Case(lambda task: task.pictures_are("truncated", polls=1)),
    "picture slow": Case(lambda task: task.pictures_are("slow")),
    "picture too slow": Case(lambda task: task.pictures_are("slow", delay=900), error=DownloadError),
    "picture too slow once": Case(lambda task: task.pictures_are("slow", delay=900, polls=1)),
    # Creates that are refused for a while.
    "refused twice": Case(lambda task: task.refuses(429).times(2)),
    "refused for a second": Case(lambda task: task.refuses(1303).lasting(1).times(9)),
    "refused by chance": Case(lambda task: task.refuses(1303).chance(0.5).times(9).optional()),
    "unavailable": Case(lambda task: task.refuses(5001), error=SubmitUncertain, paid=0),
}


@pytest.fixture(params=[pytest.param("sync", marks=exhaustive), "async"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Line:
    """A client in process, whose transport does not really wait."""
    monkeypatch.delenv("KLING_BASE_URL", raising=False)

    async def no_sleep(_: float) -> None: ...

    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(anyio, "sleep", no_sleep)
    return Line(f"transport, {request.param}", None)  # type: ignore[arg-type]


async def generate_and_save(client: Any, folder: Path) -> tuple[Any, list[Path]]:
    """The task at its end, and the files of its results."""
    task = await client.generate([URL, URL], "at sea", n=2)
    done = await task.wait(deadline=DEADLINE)
    return done, await done.save(folder)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_faulty_task_ends_as_documented_and_is_paid_once(either: Line, case: Case, tmp_path: Path) -> None:
    async def script(fake: Fake, client: Any) -> None:
        case.fault(fake.next)
        if case.error is not None:
            with pytest.raises(case.error) as caught:
                await generate_and_save(client, tmp_path)
            assert type(caught.value) is case.error
        else:
            done, paths = await generate_and_save(client, tmp_path)
            assert done.status == "succeed"
            assert len(paths) == len(done.images) == case.images
            for path in paths:
                assert path.read_bytes().endswith(b"IEND\xaeB`\x82")
        fake.assert_paid(images=case.paid)

    either.run(script)
    assert len(list(tmp_path.iterdir())) == (0 if case.error else case.images)


def test_the_last_status_stays_after_a_stale_read(either: Line) -> None:
    async def script(fake: Fake, client: Any) -> None:
        fake.next.reads_stale()
        task = await client.generate([URL, URL])
        done = await task.wait()
        assert (await done.wait()).status == "succeed"
        assert (await done.refresh()).status == "processing"
        assert fake.task.status == "succeed"

    either.run(script)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_rate_delays_the_create(either: Line, form: str, tmp_path: Path) -> None:
    """The header makes the client wait for the rest of the window: nothing is paid twice."""

    async def script(fake: Fake, client: Any) -> None:
        await client.generate([URL, URL])
        before = fake.clock.now()
        await generate_and_save(client, tmp_path)
        assert 20 <= fake.clock.now() - before <= 30
        fake.assert_paid(images=3)
        assert fake.peak_concurrency == 3

    either.run(script, rate="1/20", retry_after=form)


def test_a_rate_of_queries_slows_a_wait_down(either: Line, tmp_path: Path) -> None:
    async def script(fake: Fake, client: Any) -> None:
        await generate_and_save(client, tmp_path)
        assert len(fake.calls.refused) > 0
        fake.assert_paid(images=2)

    either.run(script, poll_rate="1/5", pace="polls:3")


@pytest.mark.parametrize(
    ("limit", "error"),
    [
        ({"slots": 1}, RateLimited),
        ({"slots_total": 1}, RateLimited),
        ({"balance": 16}, ApiError),
        ({"packs": [16]}, ApiError),
        ({"credit": 16}, ApiError),
        ({"rate": "0/3600", "retry_after": "seconds"}, RateLimited),
    ],
    ids=str,
)
def test_a_lasting_limit_is_an_error(
    either: Line, limit: dict[str, Any], error: type[KlingError], tmp_path: Path
) -> None:
    async def script(fake: Fake, client: Any) -> None:
        with pytest.raises(error) as caught:
            await generate_and_save(client, tmp_path)
        assert type(caught.value) is error
        fake.assert_paid(images=0)
        assert fake.spend == 0

    either.run(script, **limit)
