"""The setting `callbacks`: off, loopback or any; callbacks to other hosts are reported with a reason."""

from __future__ import annotations

import socket
import sys
from typing import Any

import pytest

from tests.kling_mock.doors.callback_scene import LONG, MakeHook, Serve


@pytest.mark.parametrize(
    ("callbacks", "reason"),
    [("off", "callbacks are off"), ("loopback", "its host is not this machine's own")],
)
def test_a_refused_host_is_not_called_and_the_reason_is_reported(
    callbacks: str, reason: str, hook: MakeHook, serve: Serve
) -> None:
    scene = serve(pace="instant", callbacks=callbacks)
    url = hook().url if callbacks == "off" else "https://my.example/hook"
    scene.create(url)
    callback, attempt = scene.reported.get(timeout=LONG)
    assert attempt is None
    assert str(callback.refused).startswith(reason)
    assert "--callbacks any" in str(callback.refused)
    assert f"succeed to {url}, not sent: {reason}" in repr(scene.fake.callbacks)
    assert {each.attempts for each in scene.fake.callbacks} == {()}
    scene.server.stop()
    assert {each.refused for each in scene.fake.callbacks} == {None}  # without a server none is sent
    assert scene.reported.empty()  # once for a task


def test_off_calls_not_even_this_machine(hook: MakeHook, serve: Serve) -> None:
    inbox, scene = hook(), serve(callbacks="off")
    scene.create(inbox.url)
    scene.reported.get(timeout=LONG)
    scene.server.stop()
    assert inbox.received.empty()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The resolved hosts. `receiver.test` is this machine; uvloop, which has its own resolver, is off."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else str(host)
        asked.append(name)
        if name.endswith(".example"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real("127.0.0.1" if name == "receiver.test" else host, *args, **kwargs)

    monkeypatch.setitem(sys.modules, "uvloop", None)
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def test_loopback_resolves_no_name_but_localhost(hook: MakeHook, serve: Serve, names: list[str]) -> None:
    inbox, scene = hook(), serve(pace="held:submitted")
    scene.create(inbox.url.replace("127.0.0.1", "receiver.test"))
    scene.create("https://my.example/hook")
    last = scene.create(inbox.url.replace("127.0.0.1", "localhost"))
    assert inbox.next().body["task_id"] == last
    assert inbox.received.empty()
    assert "localhost" in names
    assert not {"receiver.test", "my.example"} & set(names)


def test_any_calls_every_host(hook: MakeHook, serve: Serve, names: list[str]) -> None:
    """Also the counterexample: a name that is resolved is seen."""
    inbox, scene = hook(), serve(pace="held:submitted", callbacks="any")
    scene.create("http://my.example/hook")
    (attempt,) = scene.attempts(1)
    assert str(attempt.error).startswith("cannot connect to ")
    scene.create(inbox.url.replace("127.0.0.1", "receiver.test"))
    assert inbox.next().headers["host"] == f"receiver.test:{inbox.server_port}"
    assert {"receiver.test", "my.example"} <= set(names)


def test_a_receiver_of_the_test_takes_precedence_over_http(hook: MakeHook, serve: Serve) -> None:
    inbox, scene = hook(), serve(pace="seconds:2,3")
    heard: list[str] = []
    scene.fake.callbacks.deliver_to(lambda callback: heard.append(callback.status.value))
    scene.create(inbox.url)
    scene.create("https://my.example/hook")
    assert heard == ["submitted", "submitted"]
    assert {each.refused for each in scene.fake.callbacks} == {None}
    scene.fake.callbacks.deliver_to(None)
    scene.fake.clock.advance(10)
    assert inbox.statuses(2) == ["processing", "succeed"]
    assert heard == ["submitted", "submitted"]


def test_a_receiver_of_the_test_gets_the_refused_callbacks(serve: Serve) -> None:
    scene = serve(pace="instant")
    scene.create("https://my.example/hook")
    scene.reported.get(timeout=LONG)
    heard: list[str] = []
    scene.fake.callbacks.deliver_to(lambda callback: heard.append(callback.status.value))
    assert heard == ["submitted", "processing", "succeed"]
