"""Errors of `Remote`: no server, another server, no access, values that the server refuses."""

from __future__ import annotations

import httpx
import pytest

import kling_mock
from kling_mock import Fake, Remote, RemoteError, Request
from kling_mock.control_api.access import Peer
from kling_mock.remote.connection import RemoteDenied, RemoteInvalid, RemoteMissing, RemoteUnreachable
from tests.kling_mock.remote.conftest import URL, transport_of

TOKEN = "token must be at least 8 visible ASCII characters, or none"
ELSEWHERE = Peer(is_local=False, host_is_local=False)


def test_a_server_that_does_not_answer_is_named() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(RemoteUnreachable, match=rf"no answer from {URL} .*kling-mock serve"):
        Remote(URL, transport=httpx.MockTransport(refuse)).clock.now()


@pytest.mark.parametrize(
    ("url", "token", "message"),
    [
        ("localhost:8000", None, "url: must begin with http:// or https://; got 'localhost:8000'"),
        ("", None, "url: must begin with http:// or https://; got ''"),
        ("http://me:hidden@h:x", None, "url: Invalid port: 'x'; got 'http://h:x'"),
        (URL, "hidden-token\n", TOKEN),
        (URL, "hidden-tok\xeen", TOKEN),
    ],
)
def test_a_url_or_token_that_cannot_be_sent_is_an_error(url: str, token: str | None, message: str) -> None:
    with pytest.raises(RemoteInvalid) as caught:
        Remote(url, token)
    assert str(caught.value) == message


def test_messages_do_not_show_the_password_of_the_url() -> None:
    remote = Remote("http://me:hidden@127.0.0.1:1/")
    assert "at http://127.0.0.1:1>" in repr(remote)
    with pytest.raises(RemoteUnreachable, match=r"^no answer from http://127\.0\.0\.1:1 \("):
        remote.clock.now()


@pytest.mark.parametrize(("status", "body"), [(404, "not found"), (200, "<html>"), (200, "{}"), (500, "{}")])
def test_another_server_is_recognized(status: int, body: str) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, text=body))
    with pytest.raises(RemoteUnreachable, match=r"is not (the base URL of )?a kling-mock"):
        Remote(URL, transport=transport).clock.now()


def test_the_address_of_the_service_is_not_that_of_the_server() -> None:
    """`/kling` is a part of the paths of the imitated service, whose errors have an `error` too."""
    fake = Fake()

    def answer(request: httpx.Request) -> httpx.Response:
        reply = fake.handle(Request(request.method, request.url.path, headers=()))
        return httpx.Response(reply.status, content=reply.body)

    with pytest.raises(RemoteUnreachable) as caught:
        Remote(URL + "/kling/", transport=httpx.MockTransport(answer)).clock.now()
    assert str(caught.value) == (
        f"url: {URL}/kling is not the base URL of a kling-mock, such as http://127.0.0.1:8000; "
        "/kling/_mock/clock is answered with 401"
    )


def test_a_token_opens_a_server_on_another_machine() -> None:
    fake = Fake(control_token="let-me-in")
    transport = transport_of(fake, ELSEWHERE)
    with Remote(URL, "let-me-in", transport=transport) as remote:
        assert remote.spend == 0
        assert "let-me-in" not in repr(remote)
    with pytest.raises(RemoteDenied, match="token"):
        _ = Remote(URL, transport=transport).spend
    with pytest.raises(PermissionError, match="--control-token"):
        _ = Remote(URL, "let-me-in", transport=transport_of(Fake(), ELSEWHERE)).spend


def test_refused_values_and_unknown_ids_are_errors_of_python() -> None:
    remote = Remote(URL, transport=transport_of(Fake()))
    with pytest.raises(RemoteInvalid, match="speed") as caught:
        remote.clock.speed = -1
    assert (caught.value.status, caught.value.pointer) == (422, "/speed")
    with pytest.raises(RemoteInvalid, match="slots must be") as refused:
        remote.change_settings(slots=-1)
    assert refused.value.pointer == "/slots"
    with pytest.raises(RemoteMissing, match="unknown script"):
        remote.remove_script(7)
    for error in (RemoteDenied, RemoteInvalid, RemoteMissing, RemoteUnreachable):
        assert issubclass(error, RemoteError)


def test_many_tasks_are_read_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kling_mock.remote.connection.PAGE_MAXIMUM", 2)
    fake = Fake()
    from tests.kling_mock.conftest import Caller

    made = [Caller(fake).make().id for _ in range(5)]
    remote = Remote(URL, transport=transport_of(fake))
    assert [task.id for task in remote.tasks] == made
    assert len(remote.calls) == 5


def test_it_is_public_and_works_over_a_socket() -> None:
    assert "Remote" in kling_mock.__all__
    with Fake().serve() as server, Remote(server.url) as remote:
        assert remote.tasks == ()
        assert repr(remote) == f"<Remote of all accounts at {server.url}>"
