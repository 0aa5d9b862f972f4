"""Downloads: complete files only, without the key, limited in size."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from kling_client import DownloadError, Retry
from kling_client.download import Destination, save
from kling_client.steps import Call, Head, Send
from tests.kling_client.conftest import KEY, TASK_ID, Body, Service, shown
from tests.kling_client.downloads import JPEG, PNG, URL, done, files, sent
from tests.kling_client.flow_run import Run, config


def test_pictures_are_saved_under_task_and_index(service: Service, tmp_path: Path) -> None:
    """The directory is created, and files get the usual permissions of new files."""
    task = done(service, URL, "https://h/1")
    service.will(sent(), sent(JPEG))
    paths = task.save(tmp_path / "new" / "out")
    assert [path.name for path in paths] == [f"{TASK_ID}-0.png", f"{TASK_ID}-1.jpg"]
    assert [path.read_bytes() for path in paths] == [PNG, JPEG]
    umask = os.umask(0)
    os.umask(umask)
    assert paths[0].stat().st_mode & 0o777 == 0o666 & ~umask
    assert files(tmp_path / "new" / "out") == [path.name for path in paths]


def test_the_host_of_a_picture_gets_no_key_and_nothing_else_of_ours(service: Service, tmp_path: Path) -> None:
    """Nor the default headers, cookies and parameters of an injected HTTP client, nor after a redirect."""
    http = service.http(
        headers={"Authorization": f"Bearer {KEY}", "X-Org": "secret"},
        auth=("user", KEY),
        cookies={"session": "secret"},
        params={"token": "secret"},
        follow_redirects=True,
    )
    task = done(service, http_client=http)
    service.will(httpx.Response(302, headers={"location": "//mirror.example/x.png"}), sent())
    task.save(tmp_path)
    assert [str(request.url) for request in service.requests] == [URL, "https://mirror.example/x.png"]
    for request in service.requests:
        assert sorted(request.headers) == ["accept", "accept-encoding", "host", "user-agent"]
        assert request.headers["accept-encoding"] == "identity"


def test_progress_is_reported_in_bytes(service: Service, tmp_path: Path) -> None:
    task = done(service, URL, "https://h/1.png")
    reported: list[tuple[int, int | None]] = []
    service.will(
        httpx.Response(
            200, headers={"content-length": "1000"}, stream=Body(PNG[:100], PNG[100:400], PNG[400:])
        ),
        httpx.Response(200, stream=Body(PNG[:10], PNG[10:70], PNG[70:])),
    )
    task.save(tmp_path, on_bytes=lambda received, total: reported.append((received, total)))
    assert reported == [(100, 1000), (400, 1000), (1000, 1000), (70, None), (1000, None)]


def test_an_existing_file_is_replaced_only_with_overwrite(service: Service, tmp_path: Path) -> None:
    task = done(service)
    target = tmp_path / f"{TASK_ID}-0.png"
    target.write_bytes(b"precious")
    service.will(lambda _: sent())
    with pytest.raises(FileExistsError, match="overwrite=True"):
        task.save(tmp_path)
    assert target.read_bytes() == b"precious"
    assert task.save(tmp_path, overwrite=True) == [target]
    assert target.read_bytes() == PNG
    assert files(tmp_path) == [target.name]


RESET = httpx.ReadError("reset")

TROUBLE: list[tuple[str, Any, str, int]] = [
    ("cut", lambda: sent(content_length="2000"), "incomplete: Content-Length is 2000", 4),
    ("too much", lambda: sent(content_length="999"), "Content-Length is 999", 4),
    ("broken", lambda: httpx.Response(200, stream=Body(PNG, error=RESET)), "ReadError: reset", 4),
    ("late", lambda: httpx.ReadTimeout("late"), "ReadTimeout", 4),
    ("unreachable", lambda: httpx.ConnectError("refused"), "ConnectError", 4),
    ("empty", lambda: sent(b""), "empty", 4),
    ("server error", lambda: sent(status=502), "HTTP 502", 4),
    ("busy", lambda: sent(status=429), "HTTP 429", 4),
    ("busy for long", lambda: sent(status=503, retry_after="3600"), "HTTP 503", 1),
    ("gone", lambda: sent(status=404), "result URLs expire", 1),
    ("partial", lambda: sent(status=206), "HTTP 206", 1),
    ("loop", lambda: httpx.Response(302, headers={"location": URL}), "redirects", 6),
    ("elsewhere", lambda: httpx.Response(302, headers={"location": "file:///etc/passwd"}), "not an http", 1),
    ("nowhere", lambda: httpx.Response(302, headers={"location": "https://[::1"}), "location", 4),
    ("no location", lambda: httpx.Response(302), "HTTP 302", 1),
    ("page", lambda: sent(b"<html>", content_type="text/html; charset=utf-8"), "that of an image", 1),
    ("json", lambda: sent(b"{}", content_type="application/json"), "not 'application/json'", 1),
    ("bomb", lambda: sent(gzip.compress(bytes(10**6)), content_encoding="gzip"), "gzip", 1),
    ("announced too large", lambda: sent(content_length="5001"), "5001 exceeds max_image_bytes=5000", 1),
    ("too large", lambda: httpx.Response(200, stream=Body(*[PNG] * 6)), "exceeds max_image_bytes=5000", 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "reason", "requests"), [row[1:] for row in TROUBLE], ids=[row[0] for row in TROUBLE]
)
def test_a_picture_that_does_not_arrive_whole_leaves_no_file(
    service: Service, tmp_path: Path, make: Any, reason: str, requests: int
) -> None:
    """Failures that may be temporary are retried from the beginning; others raise immediately."""
    task = done(service, max_image_bytes=5000)

    def answer(_: httpx.Request) -> httpx.Response:
        made = make()
        if isinstance(made, Exception):
            raise made
        assert isinstance(made, httpx.Response)
        return made

    service.will(answer)
    with pytest.raises(DownloadError, match=reason) as caught:
        task.save(tmp_path)
    assert caught.value.url == URL
    assert "ksSecret" not in str(caught.value), "the signature must not appear in logs"
    assert len(service.requests) == requests
    assert files(tmp_path) == []


def test_a_second_attempt_starts_a_new_file(service: Service, tmp_path: Path) -> None:
    task = done(service)
    service.will(httpx.Response(200, stream=Body(PNG[:500], error=httpx.ReadError("reset"))), sent())
    (path,) = task.save(tmp_path)
    assert path.read_bytes() == PNG
    assert service.time.sleeps == [0.5]


def test_retry_after_is_honoured_by_downloads(service: Service, tmp_path: Path) -> None:
    task = done(service)
    service.will(sent(status=503, retry_after="7"), sent())
    task.save(tmp_path)
    assert service.time.sleeps == [7]


def test_one_attempt_is_one_attempt(service: Service, tmp_path: Path) -> None:
    task = done(service, retry=Retry(attempts=1))
    service.will(httpx.ConnectError("refused"), sent())
    with pytest.raises(DownloadError) as caught:
        task.save(tmp_path)
    assert isinstance(caught.value.__cause__, httpx.ConnectError)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interruption_leaves_no_file_and_no_open_answer(
    service: Service, tmp_path: Path, error: type[BaseException]
) -> None:
    """Nor a temporary file."""
    task = done(service)
    body = Body(PNG[:100], PNG[100:])
    service.will(httpx.Response(200, stream=body))

    def interrupt(_received: int, _total: int | None) -> None:
        assert len(files(tmp_path)) == 1
        raise error

    with pytest.raises(error):
        task.save(tmp_path, on_bytes=interrupt)
    assert files(tmp_path) == []
    assert body.closed


def test_an_interruption_between_two_reads_leaves_no_file_either(service: Service, tmp_path: Path) -> None:
    """Ctrl-C usually occurs while reading from the network; the traceback keeps the generators alive."""
    task = done(service)
    body = Body(PNG[:100], error=KeyboardInterrupt())
    service.will(httpx.Response(200, stream=body))
    with pytest.raises(KeyboardInterrupt) as caught:
        task.save(tmp_path)
    assert files(tmp_path) == []
    assert body.closed
    assert caught.tb is not None


def test_a_file_is_on_the_disk_before_it_gets_its_name(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        seen.append([Path(name).suffix for name in files(tmp_path)])
        fsync(descriptor)

    task = done(service)
    service.will(sent())
    monkeypatch.setattr("os.fsync", watched)
    task.save(tmp_path)
    assert seen == [[".part"]]


def drip(flow: Any, run: Run, seconds: float) -> None:
    for _ in range(100):
        run.time.now += seconds
        flow.send(bytes(64))


def test_a_download_that_drips_is_given_up(tmp_path: Path) -> None:
    """Each read is within its timeout, but the body never ends."""
    run = Run()
    into = Destination(folder=tmp_path, name="x", overwrite=True, on_bytes=None)
    flow = save(config(run), _succeeded([URL]), into)
    next(flow)
    flow.send(Head(200, {}))
    with pytest.raises(DownloadError, match="incomplete after 600 s"):
        drip(flow, run, 20)
    assert files(tmp_path) == []


@pytest.mark.parametrize("location", ["https://[::1", "https://user:word\u2100@h/a"])
def test_a_redirect_to_an_invalid_url_is_a_download_error(tmp_path: Path, location: str) -> None:
    """In case the HTTP library does not reject it. The URL is not shown: urllib's error has the password."""
    into = Destination(folder=tmp_path, name="x", overwrite=True, on_bytes=None)
    flow = save(config(Run()), _succeeded([URL]), into)
    next(flow)
    with pytest.raises(DownloadError, match="redirect to an invalid URL") as caught:
        flow.send(Head(302, {"location": location}))
    assert caught.value.__cause__ is caught.value.__context__ is None


def _succeeded(urls: list[str]) -> Any:
    service = Service("sync")
    service.will(shown("succeed", urls=urls))
    return service.client().get(TASK_ID)


@pytest.mark.parametrize("status", ["submitted", "failed", "succeed"])
def test_a_task_without_pictures_has_nothing_to_save(service: Service, tmp_path: Path, status: str) -> None:
    service.will(shown(status))
    found = service.client().get(TASK_ID)
    with pytest.raises(DownloadError, match=f"no results .*{status}"):
        found.save(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "url", ["data:image/png;base64,xx", "file:///etc/passwd", "/relative.png", "https://"]
)
def test_what_is_no_web_address_is_not_fetched(service: Service, tmp_path: Path, url: str) -> None:
    task = done(service, url)
    with pytest.raises(DownloadError, match="not an http"):
        task.save(tmp_path)
    assert service.requests == []


@pytest.mark.parametrize("url", ["https://h/\ud800", "https://h/\x00", "https://xn--/a.png"])
def test_an_address_that_cannot_be_asked_is_a_download_error(
    service: Service, tmp_path: Path, url: str
) -> None:
    task = done(service, url)
    service.will(httpx.ConnectError("no such host"))
    with pytest.raises(DownloadError):
        task.save(tmp_path)


def test_a_download_is_a_call_that_does_not_take_part_in_the_session() -> None:
    """The flow marks the call as not private; `kling_client.http` acts on that."""
    run = Run()
    folder = Destination(folder=Path(), name="x", overwrite=True, on_bytes=None)
    flow = save(config(run), _succeeded([URL]), folder)
    step = next(flow)
    assert isinstance(step, Send)
    assert isinstance(step.call, Call)
    assert not step.call.private
    assert KEY not in str(dict(step.call.headers))
    with pytest.raises(DownloadError, match="Content-Encoding 'br'"):
        flow.send(Head(200, {"content-encoding": "br"}))
