"""The size of the journal: in bytes, for all requests."""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import pytest
from msgspec import Struct

from kling_mock.journal_limits import kept_request
from kling_mock.task_request import PLAIN_BODY, PictureRecord, TaskRequest, size_bound

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Caller, Start

PATH = "/kling/v1/images/generations"


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


def test_the_size_by_the_length_of_a_body_is_an_upper_bound() -> None:
    """Of a body in plain ASCII. Others are measured: an emoji, escaped or not, widens its whole text."""
    picture = PictureRecord("style_image", "https://a.test/" + "u" * 500, thumbnail=b"t" * 300)
    for values, ascii_only, is_bound in (
        (("p" * 2000, None, 3, 0.5, True), True, True),
        ((10**300, "", "3:2"), True, True),
        (("p" * 500 + "\U0001f600",), False, False),
        (("p" * 500 + "\U0001f600",), True, False),
        (([[]] * 300,), True, False),
        (("p" * PLAIN_BODY,), True, False),
    ):
        request = TaskRequest(("x",) * len(values), values, (picture,))
        body = json.dumps([values, picture.url], ensure_ascii=ascii_only).encode()
        size = size_bound(request, body)
        assert size == request.size if not is_bound else request.size <= size < request.size + 500, values
        assert size_bound(request, b"") == request.size


def test_a_truncated_entry_keeps_digests_and_describes_lists() -> None:
    picture = PictureRecord("style_image", LONG_URL)
    request = TaskRequest(("a", "b", "c"), (["x" * MEGABYTE], {"k": "v" * MEGABYTE}, None), (picture,))
    kept, size = kept_request(request, b"")
    assert kept is not None
    assert kept.items == ("array of 1", "object of 1", None)
    assert kept.pictures[0].sha256 == picture.sha256
    assert (kept.pictures[0].url or "").endswith("u... (1000015 characters)")
    assert size == kept.size < 10_000 < MEGABYTE < request.size
