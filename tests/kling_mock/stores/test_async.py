"""The core with an asynchronous store: equal replies, and no invariant is violated by concurrency."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts.vocabulary import TaskStatus
from kling_mock import Fake, Request
from kling_mock.control import finish_task, write_rule
from kling_mock.outcomes import Fails, Progresses, Succeeds
from kling_mock.plan import Pace
from kling_mock.records import RuleRecord
from kling_mock.stores import CallsKey, TasksKey, run_async
from kling_mock.stores.conformance import CHECKS, check_async_store
from kling_mock.stores.memory import MemoryStore
from tests.kling_mock.reading import body_of
from tests.kling_mock.stores.async_stores import (
    AsyncFake,
    AsyncMemoryStore,
    DroppingAsyncStore,
    RacyAsyncStore,
    RepeatingAsyncStore,
    TornAsyncStore,
)
from tests.profiles import share

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kling_mock import Reply
    from kling_mock.stores import AsyncStore

PATH = "/kling/v1/images/generations"
OFFICIAL = "/v1/images/multi-image2image"
SUBJECTS = [{"subject_image": f"https://pictures.test/{name}.png"} for name in ("a", "b")]
TOGETHER = 30


def create(key: str = "sk-a", *, path: str = PATH, **fields: object) -> Request:
    body = {"subject_image_list": SUBJECTS, **fields}
    return Request("POST", path, "", (("authorization", f"Bearer {key}"),), json.dumps(body).encode())


def get(path: str, query: str = "", key: str = "sk-a") -> Request:
    return Request("GET", path, query, (("authorization", f"Bearer {key}"),))


async def opened(retention: float) -> AsyncMemoryStore:
    return AsyncMemoryStore(retention=retention)


# -- conformance


def test_an_asynchronous_store_passes_every_check() -> None:
    asyncio.run(check_async_store(opened))


@pytest.mark.parametrize(
    ("check", "fault"),
    [
        ("parallel_polls_counted", RacyAsyncStore),
        ("parallel_creates_numbered", RacyAsyncStore),
        ("external_id_taken_once", RacyAsyncStore),
        ("parallel_advances_added", RacyAsyncStore),
        ("parallel_snapshots_consistent", TornAsyncStore),
        ("tickets_never_repeated", RepeatingAsyncStore),
    ],
)
def test_a_faulty_asynchronous_store_is_found(check: str, fault: type[AsyncMemoryStore]) -> None:
    async def faulty(retention: float) -> AsyncMemoryStore:
        return fault(retention=retention)

    with pytest.raises(AssertionError, match=f"^{check}: "):
        asyncio.run(CHECKS[check].run_async(faulty))


def test_an_asynchronous_store_may_have_a_second_handle() -> None:
    handles: list[AsyncStore] = []

    async def second(store: AsyncStore) -> AsyncStore:
        handles.append(store)
        return RepeatingAsyncStore()

    with pytest.raises(AssertionError, match="numbers over two handles"):
        asyncio.run(CHECKS["tickets_never_repeated"].run_async(opened, second))
    assert [type(each) for each in handles] == [AsyncMemoryStore]


def test_every_failed_check_of_an_asynchronous_store_is_listed() -> None:
    async def faulty(retention: float) -> AsyncMemoryStore:
        return TornAsyncStore(retention=retention)

    with pytest.raises(AssertionError, match=r"^1 of \d+ checks failed\nparallel_snapshots_consistent: "):
        asyncio.run(check_async_store(faulty))


# -- replies

External = st.none() | st.sampled_from(["mine", "yours"])
actions = st.one_of(
    st.tuples(st.just("create"), st.integers(0, 3), External, st.sampled_from([PATH, OFFICIAL])),
    st.tuples(st.just("query"), st.integers(0, 9)),
    st.tuples(st.just("list"), st.integers(1, 3), st.integers(1, 4)),
    st.tuples(st.just("picture"), st.integers(0, 9)),
    st.tuples(st.just("refused"), st.sampled_from(["no key", "no route", "no JSON", "PUT", "unknown"])),
    st.tuples(st.just("costs")),
    st.tuples(st.just("script"), st.sampled_from(["fails", "refuses"])),
    st.tuples(st.just("finish"), st.integers(0, 9)),
    st.tuples(st.just("advance"), st.sampled_from([0.25, 20.0, 30 * 86_400.0])),
)
REFUSED = {
    "no key": Request("GET", f"{PATH}/1"),
    "no route": get("/kling/v1/images"),
    "no JSON": Request("POST", PATH, "", (("authorization", "Bearer sk-a"),), b"{"),
    "PUT": Request("PUT", PATH, "", (("authorization", "Bearer sk-a"),)),
    "unknown": get(f"{PATH}/1"),
}


async def play(  # noqa: C901, PLR0912 -- one case for each action
    moves: list[Any], send: Callable[[Request], Awaitable[Reply]], store: AsyncMemoryStore
) -> list[Reply]:
    """Apply the actions; all but requests by the steps of `control`."""
    replies: list[Reply] = []
    tasks: list[str] = []
    pictures: list[str] = []
    for move in moves:
        reply: Reply | None = None
        match move:
            case ("create", n, external_id, path):
                reply = await send(create(path=path, n=n, external_task_id=external_id))
                if reply.status == 200:
                    tasks.append(body_of(reply)["data"]["task_id"])
            case ("query", at) if tasks:
                reply = await send(get(f"{PATH}/{tasks[at % len(tasks)]}"))
                if reply.status == 200:
                    images = body_of(reply)["data"].get("task_result", {}).get("images", [])
                    pictures += [image["url"] for image in images]
            case ("list", page, size):
                reply = await send(get(OFFICIAL, f"pageNum={page}&pageSize={size}"))
            case ("picture", at) if pictures:
                path = "/" + pictures[at % len(pictures)].split("/", 3)[3]
                reply = await send(Request("GET", path))
            case ("refused", kind):
                reply = await send(REFUSED[kind])
            case ("costs",):
                reply = await send(get("/account/costs"))
            case ("script", verb):
                end = Fails("no luck") if verb == "fails" else Succeeds()
                rule = RuleRecord(-1, None, None, 1, (end, Progresses(Pace.instant())))
                await run_async(write_rule(rule), store)
            case ("finish", at) if tasks:
                try:
                    await run_async(finish_task(tasks[at % len(tasks)], lambda _: "stopped"), store)
                except (AssertionError, LookupError) as refusal:
                    reply = await send(get(f"/kling/{type(refusal).__name__}"))
            case ("advance", seconds):
                store.inner.clock.advance(seconds)
            case _:
                pass
        replies += [] if reply is None else [reply]
    return replies


def both(
    moves: list[Any], kind: type[AsyncMemoryStore] = AsyncMemoryStore, **switches: Any
) -> tuple[list[Any], list[Any]]:
    """Replies, journal and tasks: of `Fake.handle`, and with the asynchronous store."""
    called, awaited = AsyncMemoryStore(), kind()
    fake = Fake(store=called.inner, **switches)

    async def handle(request: Request) -> Reply:
        return fake.handle(request)

    results: list[list[Any]] = []
    for store, send in ((called, handle), (awaited, AsyncFake(awaited, **switches).handle)):
        replies = asyncio.run(play(moves, send, store))
        snapshot = store.inner.read((CallsKey(), TasksKey()))
        results.append([*replies, snapshot[CallsKey()], snapshot[TasksKey()]])
    fake.forget_scripts()
    fake.check()
    return results[0], results[1]


@share(0.5)
@given(
    moves=st.lists(actions, max_size=25),
    pace=st.sampled_from(["polls:2", "seconds:1,5", "realistic", "held"]),
    seed=st.integers(0, 3),
)
def test_an_asynchronous_store_gives_the_same_bytes(moves: list[Any], pace: str, seed: int) -> None:
    called, awaited = both(moves, pace=pace, seed=seed, slots=6, balance=400)
    assert called == awaited


WHOLE = [
    ("create", 2, "mine", PATH),
    ("create", 1, "mine", PATH),
    ("create", 1, None, OFFICIAL),
    *([("query", 0)] * 2),
    *([("picture", at) for at in range(2)]),
    ("list", 1, 5),
    *([("refused", kind) for kind in REFUSED]),
    ("costs",),
    ("script", "fails"),
    ("create", 1, None, PATH),
    ("query", 2),
    ("finish", 1),
    ("finish", 1),
]


def test_whole_requests_of_every_kind_give_the_same_bytes() -> None:
    called, awaited = both(WHOLE)
    assert called == awaited
    replies = called[:-2]
    assert {reply.status for reply in replies} >= {200, 400, 401, 404, 405}
    assert [reply.content_type for reply in replies].count("image/png") == 2


def test_a_store_that_loses_polls_gives_other_bytes() -> None:
    """Counterexample."""
    called, awaited = both(WHOLE, DroppingAsyncStore)
    assert called != awaited


def test_another_seed_gives_other_bytes() -> None:
    assert both(WHOLE, seed=1)[0] != both(WHOLE, seed=2)[1]


# -- concurrency


def together(
    kind: type[AsyncMemoryStore], requests: list[Request], **switches: Any
) -> tuple[list[Reply], MemoryStore]:
    """The replies to requests that one event loop answers concurrently."""
    store = kind()

    async def gathered() -> list[Reply]:
        fake = AsyncFake(store, **switches)
        return await asyncio.gather(*map(fake.handle, requests))

    return asyncio.run(gathered()), store.inner


def check_external_id(kind: type[AsyncMemoryStore]) -> None:
    replies, store = together(kind, [create(external_task_id="mine")] * TOGETHER)
    assert sorted(reply.status for reply in replies) == [200] + [400] * (TOGETHER - 1)
    snapshot = store.read((TasksKey(), CallsKey()))
    assert len(snapshot[TasksKey()]) == 1
    assert len(snapshot[CallsKey()]) == TOGETHER


def check_slots(kind: type[AsyncMemoryStore]) -> None:
    replies, store = together(kind, [create(n=2)] * TOGETHER, slots=7, pace="held")
    assert sorted(reply.status for reply in replies) == [200] * 3 + [429] * (TOGETHER - 3)
    assert len(store.read((TasksKey(),))[TasksKey()]) == 3


def check_balance(kind: type[AsyncMemoryStore]) -> None:
    replies, _ = together(kind, [create()] * TOGETHER, balance=7 * 16)
    assert sorted(reply.status for reply in replies) == [200] * 7 + [403] * (TOGETHER - 7)


def check_polls(kind: type[AsyncMemoryStore]) -> None:
    """Concurrent queries are counted exactly: `polls:20` returns `processing` 19 times."""
    store = kind()

    async def polled() -> list[Reply]:
        fake = AsyncFake(store, pace="polls:20")
        task_id = body_of(await fake.handle(create()))["data"]["task_id"]
        return await asyncio.gather(*(fake.handle(get(f"{PATH}/{task_id}")) for _ in range(TOGETHER)))

    seen = [body_of(reply)["data"]["task_status"] for reply in asyncio.run(polled())]
    assert seen.count(TaskStatus.PROCESSING) == 19
    assert seen.count(TaskStatus.SUCCEED) == TOGETHER - 19
    (state,) = store.inner.read((TasksKey(),))[TasksKey()]
    assert state.polls == TOGETHER


def check_scripts(kind: type[AsyncMemoryStore]) -> None:
    """A rule for three creates applies to three, even if creates of several accounts race."""
    store = kind()

    async def scripted() -> list[Reply]:
        fake = AsyncFake(store)
        await run_async(write_rule(RuleRecord(-1, None, None, 3, (Fails("no luck"),))), store)
        return await asyncio.gather(*(fake.handle(create(f"sk-{at % 5}")) for at in range(TOGETHER)))

    assert {reply.status for reply in asyncio.run(scripted())} == {200}
    failing = [state for state in store.inner.read((TasksKey(),))[TasksKey()] if state.plan.failure]
    assert len(failing) == 3


def check_ids(kind: type[AsyncMemoryStore]) -> None:
    """Request ids and task ids are unique."""
    requests = [create(f"sk-{at % 5}") for at in range(TOGETHER)]
    replies, _ = together(kind, requests)
    bodies = [body_of(reply) for reply in replies]
    assert len({body["request_id"] for body in bodies}) == TOGETHER
    assert len({body["data"]["task_id"] for body in bodies}) == TOGETHER


INVARIANTS = [check_external_id, check_slots, check_balance, check_polls, check_scripts, check_ids]


@pytest.mark.parametrize("check", INVARIANTS, ids=lambda check: check.__name__)
def test_concurrent_requests_keep(check: Callable[[type[AsyncMemoryStore]], None]) -> None:
    check(AsyncMemoryStore)


@pytest.mark.parametrize("check", INVARIANTS, ids=lambda check: check.__name__)
def test_a_racy_store_breaks(check: Callable[[type[AsyncMemoryStore]], None]) -> None:
    """Counterexample: each invariant depends on atomic commits or on tickets."""
    with pytest.raises(AssertionError):
        check(RepeatingAsyncStore if check is check_ids else RacyAsyncStore)
