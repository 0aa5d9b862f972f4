"""The journal: the requests in order, without secrets, with notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kling_mock import Request
from kling_mock.records import CallRecord
from tests.kling_mock.reading import body_of

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Caller

PATH = "/kling/v1/images/generations"
SECRET = "sk-live-0123456789abcdef"


def everything_of(thing: object, depth: int = 8) -> str:
    """Everything that can be read from an object: its repr, attributes, items, and theirs."""
    found = [repr(thing)]
    if depth and not isinstance(thing, (str, bytes, int, float, type(None))):
        inner = list(getattr(thing, "__dict__", {}).values())
        inner += [getattr(thing, name) for name in getattr(thing, "__slots__", ()) if hasattr(thing, name)]
        if isinstance(thing, dict):
            inner += [*thing.keys(), *thing.values()]
        elif isinstance(thing, (list, tuple, set, frozenset)):
            inner += list(thing)
        found += [everything_of(each, depth - 1) for each in inner]
    return "\n".join(found)


def test_calls_are_in_order_and_filters_pick_from_them(caller: Caller) -> None:
    task_id = caller.create()["task_id"]
    caller.ask(n=0)
    caller.query(task_id)
    caller.get(f"{PATH}/1")
    caller.query(task_id)
    calls = caller.fake.calls
    assert [(call.method, call.status) for call in calls] == [
        ("POST", 200), ("POST", 400), ("GET", 200), ("GET", 400), ("GET", 200),
    ]  # fmt: skip
    assert [call.status for call in calls.creates] == [200, 400]
    assert [call.shown for call in calls.polls] == ["processing", "succeed"]
    assert [call.rule for call in calls.refused] == ["n.minimum", "task.exists"]
    assert [call.rule for call in calls.creates.refused] == ["n.minimum"]
    assert {call.task_id for call in calls.polls} == {task_id}


def test_calls_are_a_sequence_that_is_always_current(caller: Caller) -> None:
    calls = caller.fake.calls
    creates = calls.creates
    assert (len(calls), list(creates)) == (0, [])
    caller.create(prompt="one")
    caller.create(prompt="two")
    assert len(creates) == len(calls) == 2
    assert [call.request.prompt for call in calls[0:2] if call.request] == ["one", "two"]
    assert calls[-1] is creates[1]
    assert calls[0] in calls


def test_a_call_has_its_instant_account_and_script(caller: Caller) -> None:
    caller.clock.advance(5)
    caller.fake.next.fails("no such luck")
    caller.create()
    call = caller.fake.calls[0]
    assert (call.at, call.account, call.script) == (1_767_225_605.0, "sk-mock-a", 0)
    assert (call.path, call.shown, call.rule) == (PATH, "submitted", None)


def test_the_journal_prints_a_line_for_each_call(caller: Caller) -> None:
    task_id = caller.create()["task_id"]
    caller.query(task_id)
    caller.ask(n=0)
    assert repr(caller.fake.calls) == (
        "<calls>\n"
        f"  POST {PATH} -> 200 submitted task {task_id}\n"
        f"  GET {PATH}/{task_id} -> 200 processing task {task_id}\n"
        f"  POST {PATH} -> 400 (refused by n.minimum)"
    )


def test_no_secret_is_kept(caller: Caller) -> None:
    """Neither reprs nor attributes of journal, tasks, callbacks or views contain a key or a cookie."""
    secretive = caller.account(SECRET)
    headers = (
        ("cookie", "session=topsecretcookie"),
        ("proxy-authorization", "Basic topsecretproxy"),
        ("x-api-key", "topsecretheader"),
        ("x-trace", "harmless"),
    )
    body = {"subject_image_list": [{"subject_image": "https://pictures.test/a.png"}] * 2}
    reply = secretive.post({**body, "callback_url": "https://app.test/hook"}, headers=headers)
    task_id = secretive.data(reply)["task_id"]
    secretive.query(task_id)
    secretive.ask(n=0)
    caller.fake.handle(Request("GET", f"{PATH}/1", "", (("authorization", f"Basic {SECRET}"),)))
    fake = caller.fake
    handed = [
        reply,
        list(fake.calls),
        list(fake.callbacks),
        fake.task,
        fake.account(SECRET),
        [call.headers for call in fake.calls],
    ]
    shown = everything_of(handed)
    assert task_id in shown
    assert "harmless" in shown
    assert SECRET not in shown
    assert SECRET[:10] not in shown
    assert "topsecret" not in shown
    assert {call.account for call in fake.calls} == {fake.calls[0].account, None}


def test_the_search_for_secrets_does_find_them() -> None:
    """Counterexample for the search itself."""
    request = Request("GET", "/", "", (("authorization", SECRET),))
    assert SECRET in everything_of([{"a": request}])


def test_an_internal_error_is_in_the_journal(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a call with status 500; its note names the type of the exception, as its text may hold a key."""
    heard: list[CallRecord] = []
    caller.fake.on_call(heard.append)

    def broken(*_: object) -> None:
        raise ZeroDivisionError(SECRET)

    with monkeypatch.context() as patch:
        patch.setattr("kling_mock.request_decisions.decide", broken)
        assert caller.ask().status == 500
    (call,) = caller.fake.calls
    assert (call.method, call.path, call.status, call.rule) == ("POST", PATH, 500, "internal")
    assert call.notes == ("internal error of kling-mock: ZeroDivisionError, see Fake.check()",)
    assert heard == [call]
    assert list(caller.fake.calls.refused) == [call]
    assert SECRET not in repr(call)
    with pytest.raises(ExceptionGroup):
        caller.fake.check()


def test_an_internal_error_of_the_store_is_still_answered(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError("the store is gone")

    with monkeypatch.context() as patch:
        patch.setattr("kling_mock.stores.memory.MemoryStore.commit", broken)
        assert caller.ask().status == 500
    with pytest.raises(ExceptionGroup) as caught:
        caller.fake.check()
    assert len(caught.value.exceptions) == 2


def test_ignored_parts_are_noted(caller: Caller) -> None:
    """Unknown fields, repeated keys and the alias change nothing, but are noted."""
    content = (
        b'{"subject_image_list": [{"subject_image": "https://a.test/1", "id": 1},'
        b' {"subject_image": "https://a.test/2"}],'
        b' "n": 3, "n": 2, "negative_prompt": "fog", "scene_image": "https://a.test/3"}'
    )
    reply = caller.post(content)
    assert reply.status == 200
    assert caller.fake.task.request.n == 2
    assert set(caller.fake.calls[0].notes) == {
        "unknown field ignored: 'negative_prompt'",
        "unknown field ignored: subject_image_list[0]['id']",
        "scene_image used as scence_image",
        "duplicate key, the last one wins: 'n'",
    }


def test_a_refused_picture_is_noted_with_its_place_and_the_mistake(caller: Caller) -> None:
    """The message of the service names neither."""
    pictures = [{"subject_image": text} for text in ("https://a.test/1", "data:image/png;base64,AAAA")]
    refusal = body_of(caller.ask(subject_image_list=pictures))
    assert refusal["message"] == "File is not in a valid base64 format"
    assert caller.fake.calls[0].notes == (
        (
            "subject_image_list[1].subject_image: must be a URL or raw base64; "
            "got 'data:image/png;base64,AAAA' (length 26); leave out the prefix 'data:image/png;base64,'"
        ),
    )


def test_a_long_key_is_truncated_in_notes(caller: Caller) -> None:
    """Absent fields are not noted, and 60 characters of a key are enough to find it."""
    key = b"k" * 59 + b"yz"
    content = b'{"subject_image_list": [{"subject_image": "https://a.test/1"}, {"subject_image": "https://a.test/2"}]'
    assert caller.post(content + b', "' + key + b'": 1, "' + key + b'": 2}').status == 200
    assert f"duplicate key, the last one wins: '{'k' * 59}y'" in caller.fake.calls[0].notes
    assert caller.fake.task.request.prompt == ""


def test_the_alias_beside_the_name_is_ignored_and_noted(caller: Caller) -> None:
    caller.create(scence_image="https://a.test/1", scene_image="https://a.test/2")
    call = caller.fake.calls[0]
    assert call.notes == ("scene_image ignored: scence_image is given",)
    assert call.request is not None
    assert [picture.url for picture in call.request.pictures][-1] == "https://a.test/1"


def test_a_refused_request_is_noted_too(caller: Caller) -> None:
    caller.ask(n=0, quality="high")
    assert caller.fake.calls[0].notes == ("unknown field ignored: 'quality'",)


def test_a_plain_request_has_no_notes(caller: Caller) -> None:
    caller.create(prompt="x")
    assert caller.fake.calls[0].notes == ()
