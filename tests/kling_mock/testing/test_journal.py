"""The journal: the requests in order, without secrets, and assertions with helpful messages."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import pytest
from msgspec import Struct

from kling_mock import Request
from kling_mock.journal_limits import kept_request
from kling_mock.records import CallRecord, PictureRecord, TaskRequest

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Caller, Start

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


# -- secrets


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


# -- bounds


def test_the_journal_is_bounded_in_bytes_and_drops_the_oldest_calls(start: Start) -> None:
    measured = start()
    measured.create(prompt="call 0")
    caller = start(journal_bytes=3 * measured.fake.calls[0].size)
    for number in range(1, 6):
        caller.create(prompt=f"call {number}")
    kept = [call.request.prompt for call in caller.fake.calls if call.request]
    assert kept == ["call 3", "call 4", "call 5"]
    assert len(caller.fake.tasks) == 5


def test_the_last_call_is_kept_even_if_it_is_too_large(start: Start) -> None:
    caller = start(journal_bytes=1)
    caller.create(prompt="one")
    caller.create(prompt="x" * 2500)
    assert [call.request.prompt for call in caller.fake.calls if call.request] == ["x" * 2500]


@pytest.mark.parametrize(
    "kind", ["plain", "wide text", "long path", "many headers", "many notes", "inline picture"]
)
def test_the_size_of_a_call_is_about_the_memory_that_it_takes(
    kind: str, start: Start, png_head: Callable[[int, int], str]
) -> None:
    """Counterexample to a limit on the number of entries: their sizes differ by a factor of a thousand."""
    caller = start()
    calls: dict[str, Callable[[int], object]] = {
        "plain": lambda at: caller.create(prompt=f"a cat {at}"),
        "wide text": lambda at: caller.create(prompt="\U0001f600" * 2000 + str(at)),
        "long path": lambda at: caller.get(f"{PATH}/{at}{'x' * 3000}"),
        "many headers": lambda at: caller.get(
            f"{PATH}/1", **{f"x-{at}-{n}": f"{at}-{n}-{'v' * 40}" for n in range(90)}
        ),
        "many notes": lambda at: caller.create(**{f"unknown{at}{n}": 1 for n in range(200)}),
        "inline picture": lambda at: caller.create(style_image=png_head(300, 300 + at)),
    }
    make = calls[kind]
    make(0)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for at in range(1, 51):
        make(at)
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    counted = sum(call.size for call in caller.fake.calls[1:])
    assert 0.5 * counted < taken < 1.6 * counted + 50 * 1_500  # up to 1.3 kB for a task besides its call


def test_an_extremely_long_request_is_truncated(caller: Caller) -> None:
    caller.send("GET", "/" + "p" * 100_000, headers=tuple((f"h{at}", "v" * 10_000) for at in range(1_000)))
    call = caller.fake.calls[0]
    assert call.path == "/" + "p" * 4_095 + "... (100001 characters)"
    kept = sum(len(name) + len(value) for name, value in call.headers)
    assert 65_000 < kept <= 65_539
    assert call.headers[-1][1].endswith("v...")
    assert len(caller.get(f"{PATH}/1", **{f"h{at}": "" for at in range(50_000)}).body) < 1_000
    assert len(caller.fake.calls[1].headers) < 2_100
    caller.create(**{f"unknown {at}": at for at in range(1_000)})
    assert len(caller.fake.calls[2].notes) == 51
    assert caller.fake.calls[2].notes[-1] == "and 950 more"


MEGABYTE = 1_000_000
LONG_URL = "https://a.test/" + "u" * MEGABYTE
HOSTILE: dict[str, Callable[[Any], object]] = {
    "external id": lambda caller: caller.ask(external_task_id="i" * MEGABYTE),
    "wide external id": lambda caller: caller.ask(external_task_id="\U0001f600" * MEGABYTE),
    "callback": lambda caller: caller.ask(callback_url=LONG_URL),
    "prompt": lambda caller: caller.ask(prompt="p" * MEGABYTE),
    "picture": lambda caller: caller.ask(style_image=LONG_URL),
    "pictures": lambda caller: caller.post({"subject_image_list": [{"subject_image": LONG_URL}] * 4}),
    "many pictures": lambda caller: caller.post(
        {"subject_image_list": [{"subject_image": f"https://a.test/{at}"} for at in range(20_000)]}
    ),
    "refused by a script": lambda caller: (
        caller.fake.next.refuses(429),
        caller.ask(external_task_id="i" * MEGABYTE),
    ),
    "unknown field": lambda caller: caller.ask(**{"k" * MEGABYTE: "v" * MEGABYTE}),
    "unknown fields": lambda caller: caller.ask(**{f"\U0001f600{at:060}": at for at in range(20_000)}),
    "repeated keys": lambda caller: caller.post(
        b"{" + b",".join(b'"%060d": 1, "%060d": 2' % (at, at) for at in range(10_000)) + b"}"
    ),
    "refused value": lambda caller: caller.ask(n="n" * MEGABYTE),
    "path": lambda caller: caller.get("/" + "\U0001f600" * MEGABYTE),
    "task id": lambda caller: caller.get(f"{PATH}/{'1' * MEGABYTE}"),
    "method": lambda caller: caller.send("M" * MEGABYTE, PATH),
    "header name": lambda caller: caller.get(PATH, **{"h" * MEGABYTE: ""}),
    "header": lambda caller: caller.get(PATH, header="v" * MEGABYTE),
    "headers": lambda caller: caller.get(PATH, **{f"h{at}": "" for at in range(MEGABYTE // 20)}),
    "account": lambda caller: caller.account("sk-mock-" + "k" * MEGABYTE).ask(),
    "key": lambda caller: caller.account("k" * MEGABYTE).ask(),
    "not JSON": lambda caller: caller.post(b"[" * MEGABYTE),
}


def memory(value: object, seen: set[int]) -> int:
    """The memory of a record and of everything that it refers to, in bytes."""
    if id(value) in seen:
        return 0
    seen.add(id(value))
    size = sys.getsizeof(value)
    if isinstance(value, tuple):
        return size + sum(memory(each, seen) for each in cast("tuple[object, ...]", value))
    if isinstance(value, Struct):
        return size + sum(memory(getattr(value, name), seen) for name in value.__struct_fields__)
    return size


@pytest.mark.parametrize("send", HOSTILE.values(), ids=HOSTILE)
def test_an_entry_is_bounded_whatever_is_sent(send: Callable[[Any], object], start: Start) -> None:
    """So the journal keeps its limit: the newest entry, which is always kept, is small as well."""
    caller = start(ignore=["prompt.max_length", "subject_image_list.max_items"])
    send(caller)
    call = caller.fake.calls[-1]
    assert memory(call, set()) < 1.5 * call.size + 2_000
    assert call.size < 600_000
    assert len(repr(caller.fake.calls)) < 10_000


def test_the_journal_keeps_ordinary_requests_unchanged(caller: Caller) -> None:
    task = caller.make(prompt="p" * 2500, external_task_id="mine")
    assert caller.fake.calls[0].request is task.request


def test_a_truncated_entry_keeps_digests_and_describes_lists() -> None:
    picture = PictureRecord("style_image", LONG_URL)
    request = TaskRequest(("a", "b", "c"), (["x" * MEGABYTE], {"k": "v" * MEGABYTE}, None), (picture,))
    kept = kept_request(request)
    assert kept is not None
    assert kept.items == ("array of 1", "object of 1", None)
    assert kept.pictures[0].sha256 == picture.sha256
    assert (kept.pictures[0].url or "").endswith("u... (1000015 characters)")
    assert kept.size < 10_000 < MEGABYTE < request.size


def test_an_internal_error_is_in_the_journal(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a call with status 500; its note names the type of the exception, as its text may hold a key."""
    heard: list[CallRecord] = []
    caller.fake.on_call(heard.append)

    def broken(*_: object) -> None:
        raise ZeroDivisionError(SECRET)

    with monkeypatch.context() as patch:
        patch.setattr("kling_mock.service.decide", broken)
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


# -- notes


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


# -- assertions


def test_assert_created_passes_if_a_create_matches(caller: Caller) -> None:
    caller.create(prompt="two cats", aspect_ratio="1:1")
    caller.create(prompt="a dog", n=2)
    calls = caller.fake.calls
    calls.assert_created()
    calls.assert_created(2)
    calls.assert_created(prompt="*cats", aspect_ratio="1:1", n=1, subjects=2)
    calls.assert_created(1, n=2)
    calls.assert_created(0, prompt="*bird*")


def test_assert_created_shows_the_closest_creates_first(caller: Caller) -> None:
    first = caller.create(prompt="a dog")["task_id"]
    second = caller.create(prompt="a cat")["task_id"]
    caller.ask(n=0)
    with pytest.raises(AssertionError) as caught:
        caller.fake.calls.assert_created(prompt="*cat*", n=2)
    assert str(caught.value) == (
        "expected at least one task created with prompt='*cat*', n=2; found 0. "
        "Create requests, closest match first:\n"
        f"  POST {PATH} -> 200 submitted task {second}\n"
        "    prompt: matches\n"
        "    n: expected 2, got 1\n"
        f"  POST {PATH} -> 200 submitted task {first}\n"
        "    prompt: expected '*cat*', got 'a dog'\n"
        "    n: expected 2, got 1\n"
        f"  POST {PATH} -> 400 (refused by n.minimum)"
    )


def test_assert_created_counts_tasks_not_refusals(caller: Caller) -> None:
    caller.fake.next.refuses(1302)
    caller.ask(prompt="a cat")
    with pytest.raises(AssertionError, match="expected exactly 1 task created with prompt='a cat'; found 0"):
        caller.fake.calls.assert_created(1, prompt="a cat")


def test_assert_created_without_any_create(caller: Caller) -> None:
    with pytest.raises(AssertionError) as caught:
        caller.fake.calls.assert_created()
    assert str(caught.value) == (
        "expected at least one task created; found 0. Create requests, closest match first:\n  none"
    )


def test_assert_created_shows_five_creates_at_most(caller: Caller) -> None:
    for _ in range(7):
        caller.create()
    with pytest.raises(AssertionError, match="exactly 1 task created; found 7") as caught:
        caller.fake.calls.assert_created(1)
    assert str(caught.value).count("POST") == 5
    assert str(caught.value).endswith("  and 2 more")


@pytest.mark.parametrize("criteria", [{"promt": "x"}, {"subject": 2}])
def test_an_unknown_criterion_is_a_type_error(criteria: dict[str, Any], caller: Caller) -> None:
    with pytest.raises(TypeError, match=r"did you mean '(prompt|subjects)'\?"):
        caller.fake.calls.assert_created(**criteria)
