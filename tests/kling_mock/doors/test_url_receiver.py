"""`deliver_to(url)`: callbacks are posted to a URL, in process and beside a server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest
import starlette.datastructures

from kling_mock import Fake, ManualClock
from kling_mock.doors import webhook_client
from tests.kling_mock.doors.callback_scene import MakeHook, Serve

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Caller, Start

ELSEWHERE = "https://my.example/hook"
STATUSES = ["submitted", "processing", "succeed"]


@pytest.mark.parametrize("make", [str, httpx.URL, httpx2.URL, starlette.datastructures.URL])
@pytest.mark.parametrize("in_a_loop", [False, True])
def test_callbacks_are_posted_to_the_url_instead_of_the_callback_url(
    make: Any, start: Start, hook: MakeHook, *, in_a_loop: bool
) -> None:
    """Before the call to the fake returns, also inside an event loop, with the path and query as given."""
    inbox, caller = hook(), start(pace="instant")
    caller.fake.callbacks.deliver_to(make(f"{inbox.url}?order=7"))

    async def create() -> None:
        caller.create(callback_url=ELSEWHERE)

    if in_a_loop:
        asyncio.run(create())
    else:
        caller.create(callback_url=ELSEWHERE)
    assert all(callback.delivered for callback in caller.fake.callbacks)
    assert [inbox.next().status for _ in range(3)] == STATUSES
    assert {callback.url for callback in caller.fake.callbacks} == {ELSEWHERE}
    caller.fake.callbacks.deliver_to(None)
    caller.fake.check()


def test_the_request_is_that_of_a_server(start: Start, hook: MakeHook) -> None:
    inbox, caller = hook(), start(pace="held:submitted")
    caller.fake.callbacks.deliver_to(inbox.url.replace("//", "//user:password@") + "?order=7#part")
    caller.create(callback_url=ELSEWHERE)
    received = inbox.next()
    assert received.path == "/hook?order=7"
    assert received.headers["host"] == f"127.0.0.1:{inbox.server_port}"
    assert received.headers["user-agent"].startswith("kling-mock/")
    assert "authorization" not in received.headers
    assert received.content == caller.fake.callbacks[0].content
    caller.fake.callbacks.deliver_to(None)


def test_a_failed_attempt_is_repeated_and_is_not_an_error_of_the_test(start: Start, hook: MakeHook) -> None:
    """As over HTTP: neither a status nor a refused connection is reported by `check`."""
    inbox, caller = hook(503), start(pace="held:submitted", callback_retries=[1, 10])
    caller.fake.callbacks.deliver_to(inbox.url)
    caller.create(callback_url=ELSEWHERE)
    caller.clock.advance(1)
    assert [each.status for each in caller.fake.callbacks[0].attempts] == [503, 200]
    inbox.stop()
    caller.create(callback_url=ELSEWHERE)
    (attempt,) = caller.fake.callbacks[1].attempts
    assert str(attempt.error).startswith("cannot connect to ")
    caller.fake.callbacks.deliver_to(None)
    caller.fake.check()


def test_a_receiver_that_does_not_answer_fails_in_time(
    start: Start, hook: MakeHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_client, "ANSWER_SECONDS", 0.05)
    inbox, caller = hook(), start(pace="held:submitted", callback_retries=[])
    inbox.gate.clear()
    caller.fake.callbacks.deliver_to(inbox.url)
    caller.create(callback_url=ELSEWHERE)
    (attempt,) = caller.fake.callbacks[0].attempts
    assert attempt.error == "no answer within 0.05 s"
    caller.fake.callbacks.deliver_to(None)
    caller.fake.check()


def test_a_server_posts_to_the_url_while_it_runs(hook: MakeHook, serve: Serve) -> None:
    """In its own event loop, so that the receiver may query the server meanwhile."""
    inbox, scene = hook(), serve(pace="seconds:2,3")
    scene.create(ELSEWHERE)
    assert scene.fake.callbacks[0].refused is not None
    scene.fake.callbacks.deliver_to(inbox.url)
    assert scene.fake.callbacks[0].refused is None
    assert inbox.statuses(1) == ["submitted"]
    scene.fake.clock.advance(10)
    assert inbox.statuses(2) == ["processing", "succeed"]
    scene.all_delivered(3)
    scene.fake.callbacks.deliver_to(None)
    scene.fake.check()


@pytest.mark.parametrize(
    "text",
    ["", "hook", "/hook", "127.0.0.1:8000/hook", "ftp://127.0.0.1/", "http://", "http://[::1", "http://h:x/"],
)
def test_a_string_that_is_not_a_url_is_refused_at_the_call(text: str, caller: Caller) -> None:
    with pytest.raises(
        ValueError, match=r"^deliver_to: a string must be an http or https URL with a host; got "
    ):
        caller.fake.callbacks.deliver_to(text)


@pytest.mark.parametrize(
    ("callbacks", "url", "reason"),
    [
        ("loopback", "https://user:password@my.example/hook?token=x", "its host is not this machine's own"),
        ("off", "http://127.0.0.1:8000/hook", "callbacks are off"),
    ],
)
def test_a_url_that_the_setting_does_not_allow_is_refused_at_the_call(
    callbacks: str, url: str, reason: str
) -> None:
    """The message has no secrets."""
    fake = Fake(callbacks=callbacks, clock=ManualClock())
    with pytest.raises(ValueError, match=reason) as caught:
        fake.callbacks.deliver_to(url)
    assert "--callbacks any" in str(caught.value)
    assert "password" not in str(caught.value)
    assert "token" not in str(caught.value)


def test_any_allows_every_url() -> None:
    Fake(callbacks="any", clock=ManualClock()).callbacks.deliver_to(ELSEWHERE)
