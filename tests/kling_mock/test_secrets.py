"""No key, and no secret of a URL, in the output of a failing test or a console."""

from __future__ import annotations

import copy
import pickle
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import pytest

from kling_mock import Fake, Request
from kling_mock.settings import Settings
from kling_mock.testing.timeline import timeline

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Caller

KEYS = ["sk-real-0123456789", "ACCESS-0123:SECRET-0123", "sk-mock-1"]
SECRETS = ("sk-real", "SECRET-0123", "hunter2", "tok-1", "sig-1")
HOOK = "https://bot:hunter2@app.test/hook?token=tok-1&signature=sig-1"


def leaks(*texts: str) -> list[str]:
    return [secret for secret in SECRETS for text in texts if secret in text]


def test_settings_do_not_show_keys() -> None:
    settings = Settings(keys=tuple(KEYS))
    shown = [repr(settings), str(settings), f"{settings}", repr(settings.keys), str(settings.keys)]
    shown += [repr(replace(settings, seed=3)), repr(copy.deepcopy(settings.keys))]
    shown.append(repr(asdict(Holder(settings.keys))))
    assert leaks(*shown) == []
    assert "sk-mock-1" in repr(settings), "a key for mocks is not secret"
    assert list(settings.keys) == KEYS
    assert settings == replace(settings)


@dataclass
class Holder:
    """A dataclass of an application that refers to the keys."""

    keys: tuple[str, ...]


def test_settings_with_keys_cannot_be_pickled() -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(Settings(keys=tuple(KEYS)).keys)
    harmless = Settings(keys=("sk-mock", "sk-mock-*")).keys
    assert pickle.loads(pickle.dumps(harmless)) == harmless
    for settings in (Settings(keys=tuple(KEYS)), Settings()):
        with pytest.raises(TypeError):
            pickle.dumps(settings)


@pytest.mark.parametrize(
    "keys", ["sk-real-1", [b"sk-real-1"], ["sk-real-1", ["sk-real-2"]], b"sk-real", ["sk-real:"]]
)
def test_errors_about_keys_do_not_show_them(keys: object) -> None:
    with pytest.raises(ValueError, match="keys") as caught:
        Fake(keys=keys)
    assert leaks(str(caught.value), repr(caught.value)) == []


def test_the_timeline_and_all_reprs_hide_secrets_of_urls(caller: Caller) -> None:
    fake = caller.fake

    def receive(_: object) -> int:
        raise ValueError(f"cannot reach {HOOK}")

    fake.callbacks.deliver_to(receive)
    fake.when(callback_url=HOOK, prompt="never")
    task = caller.make(callback_url=HOOK)
    shown = [timeline(fake), repr(fake.calls), repr(fake.callbacks), repr(fake.callbacks[0]), repr(task)]
    shown += [repr(task.request), repr(fake.calls[0]), repr(fake), str(fake.callbacks[0])]
    assert leaks(*shown) == []
    assert "https://app.test/hook?token=[hidden]&signature=[hidden]" in shown[0]
    with pytest.raises(AssertionError) as caught:
        fake.calls.assert_created(callback_url=HOOK + "x")
    assert leaks(str(caught.value)) == []
    assert fake.callbacks[0].url == HOOK, "the values are unchanged"


CONTROLS = "\x1b[31m\x07\x00\x7f\x9b2J\u202e\u2066"


def test_control_characters_never_reach_the_terminal(caller: Caller) -> None:
    fake = caller.fake
    fake.next.fails(f"no {CONTROLS}")
    task = caller.make(
        prompt=CONTROLS, callback_url=f"https://app.test/{CONTROLS}", external_task_id=CONTROLS
    )
    caller.account(f"sk-mock-{CONTROLS}").ask(prompt=CONTROLS)
    caller.send("GET", f"/kling/v1/images/generations/{CONTROLS}")
    caller.send(f"GET{CONTROLS}", f"/{CONTROLS}")
    caller.query(task.id)
    caller.query(task.id)
    fake.when(prompt=CONTROLS + "x").succeeds()
    with pytest.raises(AssertionError) as missing:
        fake.calls.assert_created(prompt="no")
    with pytest.raises(AssertionError) as status:
        task.assert_status("succeed")
    shown = [timeline(fake), repr(fake.calls), repr(fake.callbacks), repr(fake), repr(task)]
    for text in (*shown, str(missing.value), str(status.value)):
        assert all(line.isprintable() for line in text.split("\n"))


def test_requests_do_not_show_their_headers() -> None:
    request = Request("POST", "/x", "token=tok-1", (("authorization", "Bearer sk-real"),), b"sk-real")
    assert repr(request) == "Request(POST /x, headers: authorization, body: 7 B)"
    assert leaks(repr(request)) == []


@pytest.mark.parametrize(
    "name", ["Authorization", "x-api-key", "api-key", "Cookie", "x-goog-api-key", "x-auth-token"]
)
def test_the_journal_keeps_no_header_with_a_key(caller: Caller, name: str) -> None:
    caller.send("GET", "/kling/v1/x", headers=((name.lower(), "sk-real-0123456789"),))
    assert leaks(repr(caller.fake.calls[0])) == []


def test_this_test_would_see_a_leak() -> None:
    """Counterexample."""
    assert leaks(f"x {HOOK}") == ["hunter2", "tok-1", "sig-1"]
