"""The Redis store: it passes every check, equals a full scan and the model, and needs few round trips."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import example, given
from hypothesis.stateful import run_state_machine_as_test as run_machine
from redis import Redis

from kling_mock import Fake, ManualClock, Request
from kling_mock.records import RuleRecord, RuleUse, WindowRecord
from kling_mock.stores import (
    SCRIPTS,
    AccountKey,
    CallsKey,
    Change,
    ExternalKey,
    Key,
    RuleKey,
    Store,
    TasksKey,
    WindowKey,
)
from kling_mock.stores.conformance import CHECKS, check_store
from kling_mock.stores.conformance.samples import call
from kling_mock.stores.memory import MemoryStore
from kling_mock.stores.record_format import VERSION
from kling_mock.stores.redis import commands
from tests.kling_mock.conftest import PATH, SUBJECTS, Caller
from tests.kling_mock.life_cycle import KEYS, LifeCycle, _spelled
from tests.kling_mock.stores.histories import RETENTION, Player, moves
from tests.kling_mock.stores.redis_server import (
    StoppedRedisStore,
    count_round_trips,
    redis_store,
    second_handle,
)
from tests.profiles import share

if TYPE_CHECKING:
    from kling_mock import Reply
    from kling_mock.stores import AsyncStore
    from kling_mock.stores.redis.session import RedisCommand
    from kling_mock.stores.redis.store import RedisStore

HELD = ("create", "x", "image", 1, None, "no luck", "held")
KEPT: dict[str, Any] = {"retention": 30 * 86_400, "journal_bytes": 2**22}


def test_the_store_passes_every_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """With two handles, as of two processes, and lists in parts of three."""
    monkeypatch.setattr(commands, "PART", 3)
    check_store(lambda retention: redis_store(retention, 2**20), second_handle)


# The scripts are the same: the asynchronous driver is checked by concurrency and by values of all kinds.
ASYNCHRONOUS = ("empty_store", "external_id_taken_once", "parallel_snapshots_consistent")


def test_the_asynchronous_store_passes_checks() -> None:
    opened: list[RedisStore] = []

    async def make(retention: float) -> AsyncStore:
        opened.append(redis_store(retention, 2**20))
        return opened[-1].in_loop()

    async def checked() -> None:
        try:
            for name in ASYNCHRONOUS:
                await CHECKS[name].run_async(make)
        finally:
            for store in opened:
                await store.in_loop().close()

    asyncio.run(checked())


@share(0.1)
@given(history=moves)
@example(history=[HELD, ("finish", 0, "fail"), ("finish", 0, "succeed"), ("advance", 3 * RETENTION)])
def test_indexes_equal_a_full_scan(history: list[Any]) -> None:
    Player(cast("Any", StoppedRedisStore)).play(history)


class SharedLifeCycle(LifeCycle):
    """The fake under test has its state in Redis."""

    def new_fake(self, **switches: Any) -> Fake:
        store = StoppedRedisStore(**KEPT)
        pace = _spelled(self.pace)
        return Fake(store=store, pace=pace, keys=list(KEYS), unused_scripts="ignore", **switches)


def test_a_fake_agrees_with_the_model() -> None:
    run_machine(SharedLifeCycle, settings=share(0.05))


def test_round_trips_of_requests() -> None:
    """A read and a commit each, also with limits, scripts and a token; one more of each after a lost race."""
    store = StoppedRedisStore(**KEPT)
    fake = Fake(store=store, slots=9, balance=10_000, rate="50/60", rate_total="50/60", poll_rate="50/60")
    caller = Caller(fake)
    fake.when(prompt="*cat*").fails("no luck").optional()
    task = caller.create(prompt="a cat", external_task_id="mine")["task_id"]
    sent = count_round_trips(store)
    for request in (
        lambda: caller.create(prompt="a dog", external_task_id="yours"),
        lambda: caller.create(prompt="a cat"),
        lambda: caller.query(task),
        lambda: caller.get("/v1/images/multi-image2image?pageNum=1&pageSize=30"),
        lambda: caller.get("/v1/images/multi-image2image/mine"),
        lambda: caller.post(b"{"),
    ):
        sent.clear()
        request()
        assert sent == ["EVALSHA", "EVALSHA"]
    fake.check()


def test_concurrent_requests_about_one_account_or_task_take_turns() -> None:
    """So none of their commits is refused and decided again: two round trips each."""
    store = StoppedRedisStore(**KEPT)
    fake = Fake(store=store, slots_total=99)
    task = Caller(fake).create()["task_id"]
    key = (("authorization", "Bearer sk-mock-a"),)
    create = Request("POST", PATH, headers=key, body=json.dumps({"subject_image_list": SUBJECTS}).encode())
    query = Request("GET", f"{PATH}/{task}", headers=key)
    run: list[RedisCommand] = []
    sent: list[RedisCommand] = []

    async def gathered() -> list[Reply]:
        in_loop, handle = store.in_loop(), fake.handle_async
        assert handle is not None
        add = in_loop._batches.add
        send = in_loop._pipeline.send

        def added(command: RedisCommand) -> Any:
            run.append(command)
            return add(command)

        def counted(words: Any) -> Any:
            sent.append(words)
            return send(words)

        in_loop._batches.add = added  # type: ignore[method-assign]
        in_loop._pipeline.send = counted  # type: ignore[method-assign,assignment]
        try:
            return await asyncio.gather(*map(handle, [create, query] * 6))
        finally:
            await in_loop.close()

    assert [reply.status for reply in asyncio.run(gathered())] == [200] * 12
    assert len(run) == 24, "a read and a commit each"
    assert len(sent) < 20, "those of one create and one query are joined"
    fake.check()


def test_scripts_are_read_once() -> None:
    """Afterwards only their version, and the uses since."""
    store = StoppedRedisStore(**KEPT)
    caller, other = Caller(Fake(store=store)), Caller(Fake(store=second_handle(store)))
    for number in range(30):
        caller.fake.when(prompt=f"cat {number}").fails("no luck").times(1)
    caller.ask()
    replies: list[Any] = []
    run_command = store._run

    def run(command: RedisCommand, **options: Any) -> Any:
        replies.append(run_command(command, **options))
        return replies[-1]

    store._run = run  # type: ignore[method-assign]
    other.ask(prompt="cat 7")
    tasks = [caller.create(prompt=f"cat {number}")["task_id"] for number in (7, 8, 9)]
    changes = [reply[-1][-1] for reply in replies if isinstance(reply[-1], list)]
    assert [(rules, len(uses) // 2) for _, _, rules, uses in changes] == [(None, 1), (None, 0), (None, 1)]
    for task in tasks:
        caller.query(task)
    assert [caller.query(task)["task_status"] for task in tasks] == ["succeed", "failed", "failed"]


def test_the_clock_of_all_processes() -> None:
    """Freezing, speed and advances by one are those of the other."""
    store = redis_store()
    one, two = store.clock, second_handle(store).clock
    assert abs(one.now() - time.time()) < 5
    one.freeze()
    assert two.speed == 0
    two.advance(60)
    assert one.now() == two.now()
    two.speed = 1_000
    before = one.now()
    time.sleep(0.01)
    assert one.now() - before >= 10
    assert [jump.seconds for jump in one.jumps] == [60]


def test_an_estimate_of_the_clock_needs_no_round_trip() -> None:
    """It is by the settings that were read last."""
    store = redis_store()
    clock = store.clock
    clock.freeze()
    clock.advance(60)
    reading = clock.now()
    sent = count_round_trips(store)
    assert (clock.estimate(), clock.estimated_speed) == (reading, 0)
    assert not sent
    clock.resume()
    sent.clear()
    assert reading <= clock.estimate() < reading + 60
    assert clock.estimated_speed == 1
    assert not sent


def test_a_clock_goes_on_when_the_system_time_of_redis_was_set_back() -> None:
    store = redis_store()
    ahead = store.clock.now() + 3_600
    latest = {"latest": repr(ahead), "system": repr(ahead)}
    store._client.hset(f"{store.session.address.prefix}state", mapping=latest)
    readings = [store.clock.now() for _ in range(3)]
    assert readings == sorted(readings)
    assert 0 <= readings[0] - ahead < 60
    assert readings[-1] > readings[0]


def test_the_journal_is_limited_by_its_size() -> None:
    limit = 20_000
    stores: list[Store] = [
        redis_store(journal_bytes=limit),
        MemoryStore(ManualClock(), retention=1, journal_bytes=limit),
    ]
    kept: list[Any] = []
    for store in stores:
        for number in range(60):
            store.commit(Change((), (call(1.0, f"/{number}"),)))
        kept.append(store.read((CallsKey(),))[CallsKey()])
    assert kept[0] == kept[1]
    assert 1 < len(kept[0]) < 60


@pytest.mark.parametrize("account", [None, "x", "without tasks"])
def test_clearing_equals_that_of_memory(account: str | None) -> None:
    """Of one account or of all: tasks, totals, windows, rules and their uses, calls."""
    found: list[Any] = []
    for kind in (MemoryStore, StoppedRedisStore):
        player = Player(cast("Any", kind))
        for name in ("x", "y"):
            player.create(name, "image", 2, "mine", "no luck", "held")
            player.create(name, "image", 1, None, "no luck", "seconds:1,2")
            player.call(name)
            player.store.commit(Change((), (WindowRecord(name, "create", 1.0, 1, 1),)))
            number = len(player.history.calls)
            player.store.commit(Change((), (RuleRecord(number, name, None, 5), RuleUse(number))))
        player.call(None)
        player.advance(4)
        player.store.clear(account)
        accounts = ("x", "y", None)
        keys: list[Key[Any]] = [
            *map(AccountKey, accounts),
            *map(TasksKey, accounts),
            *map(CallsKey, accounts),
            *[WindowKey(name, "create") for name in accounts],
            *[ExternalKey(name, "mine") for name in ("x", "y")],
            *map(RuleKey, range(4)),
        ]
        snapshot = player.store.read([*keys, SCRIPTS])
        found.append([[snapshot[key] for key in keys], list(snapshot[SCRIPTS].rules)])
    assert found[0] == found[1]


def test_the_format_of_a_namespace_has_the_version_of_its_records() -> None:
    """A new version of the records needs a migration of namespaces, or refuses them."""
    assert f"'kling-mock {VERSION}'" in commands.script("read").source


def test_a_store_that_is_dropped_closes_its_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself: the garbage collector may end a socket, which warns, before the client of redis-py."""
    monkeypatch.setattr(Redis, "__del__", lambda _: None)
    store = redis_store()
    (connection,) = store._client.connection_pool._connections
    assert connection._sock is not None
    del store
    gc.collect()
    assert connection._sock is None
