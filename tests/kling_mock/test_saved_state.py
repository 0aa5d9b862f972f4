"""Snapshots, forks and restored fakes; the lines of an export; the endpoint of the control API."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from kling_mock import Clock, Fake, ManualClock, Reply, Request
from kling_mock.control_api.access import Peer
from kling_mock.control_api.api import ControlAPI
from kling_mock.control_api.reading import BODY_BYTES
from kling_mock.saved_state import SavedState, StateNotEmpty
from kling_mock.stores import Change, Snapshot
from kling_mock.stores.lines import parse
from kling_mock.stores.record_format import VERSION, Counter
from tests.kling_mock.fakes_with_past import LINES, create, fake_with_past, past
from tests.rows import each_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kling_mock.stores import Expect


@pytest.fixture(params=["memory", "file"])
def fake(request: pytest.FixtureRequest, folder: Path) -> Iterator[Fake]:
    """A fake with a past, in memory and in a file."""
    with fake_with_past(None if request.param == "memory" else folder / "own.db") as fake:
        yield fake


# -- forks


def test_a_fork_has_the_same_past_and_a_future_of_its_own(fake: Fake) -> None:
    fork = fake.fork()
    assert past(fork) == past(fake)
    assert fork.settings.state is None
    assert isinstance(fork.clock, ManualClock)
    before = past(fake)
    fork.clock.advance(60)
    fork.next.fails("x")
    create(fork)
    assert past(fake) == before
    assert [task.status for task in fork.tasks][:2] == ["failed", "succeed"]
    assert [task.status for task in fake.tasks] == ["processing", "submitted"]


def test_two_forks_have_equal_futures_by_equal_requests(fake: Fake) -> None:
    one, two = fake.fork(), fake.fork()
    for each in (one, two):
        each.clock.advance(3)
    assert create(one, prompt="another cat") == create(two, prompt="another cat")
    assert past(one) == past(two)


def test_changes_of_values_do_not_reach_a_fork() -> None:
    """Counterexample to shared state: even a dict in a script is copied."""
    fields: dict[str, Any] = {"extra": {"queue": [1]}}
    fake = Fake(unused_scripts="ignore")
    fake.next.adds_fields(fields)
    fork = fake.fork()
    fields["extra"]["queue"].append(2)
    assert "[1, 2]" in repr(fake.scripts)
    assert "[1]" in repr(fork.scripts)


# -- snapshots


def test_a_snapshot_is_restored_with_its_settings(fake: Fake) -> None:
    state = fake.snapshot()
    expected = past(fake)
    create(fake)
    again = Fake.restore(state)
    assert past(again) == expected
    assert (again.settings.seed, str(again.settings.pace)) == (4, "seconds:1,5")
    assert Fake.restore(state, pace="instant").settings.seed == 4
    assert repr(state) == "<SavedState: 2 tasks, 2 calls>"


def test_a_snapshot_is_restored_from_a_file_into_a_file(fake: Fake, folder: Path) -> None:
    expected = past(fake)
    fake.snapshot().save(folder / "x.jsonl")
    assert b"sk-secret" not in (folder / "x.jsonl").read_bytes()
    state = SavedState.load(folder / "x.jsonl")
    with Fake.restore(state, state=folder / "new.db", seed=4, unused_scripts="ignore") as again:
        assert past(again) == expected
        assert again.clock.speed == 0
        assert not isinstance(again.clock, ManualClock)
    with Fake(state=folder / "new.db", seed=4, unused_scripts="ignore") as again:
        assert past(again) == expected
    with pytest.raises(StateNotEmpty, match="there are tasks or scripts already; replace them"):
        Fake.restore(state, state=folder / "new.db")
    assert not (folder / "x.jsonl.part").exists()


def test_callbacks_of_a_restored_state_are_delivered(fake: Fake) -> None:
    delivered: list[str] = []
    again = Fake.restore(fake.snapshot())
    again.callbacks.deliver_to(lambda callback: delivered.append(callback.status.value) or 200)
    assert delivered == ["submitted", "processing"]
    empty = Fake(clock=ManualClock())
    empty.callbacks.deliver_to(lambda callback: delivered.append(f"taken over: {callback.status}") or 200)
    empty.load_state(fake.snapshot())
    assert delivered[2:] == ["taken over: submitted", "taken over: processing"]
    for each in (again, empty):
        each.check()


def test_a_delivery_in_progress_while_the_state_is_replaced(fake: Fake) -> None:
    """Its result is that of a task that is no longer there."""
    other = Fake(clock=ManualClock()).snapshot()
    taken = fake.fork()
    taken.callbacks.deliver_to(lambda _: taken.load_state(other, replace=True) or 200)
    assert len(taken.tasks) == 0
    taken.check()


def test_a_state_is_replaced_only_on_demand(fake: Fake) -> None:
    other = Fake(clock=Clock())
    create(other)
    before = past(fake)
    with pytest.raises(StateNotEmpty):
        fake.load_state(other.snapshot())
    assert past(fake) == before
    fake.load_state(other.snapshot(), replace=True)
    assert [task.id for task in fake.tasks] == [task.id for task in other.tasks]


def test_a_store_that_cannot_list_its_state() -> None:
    class Bare:
        clock = ManualClock()

        def read(self, _keys: object) -> Snapshot:
            return Snapshot(0.0)

        def commit(self, _change: Change) -> Expect | None:
            return None

    with pytest.raises(TypeError, match=r"^snapshot\(\): the store Bare cannot list its state$"):
        Fake(store=Bare()).snapshot()


# -- lines


def mangled() -> dict[str, tuple[bytes, str]]:
    lines = LINES.splitlines(keepends=True)
    newer = LINES.replace(f'"version": {VERSION}'.encode(), f'"version": {VERSION + 1}'.encode())
    incomplete = "it is incomplete: the last line is missing; export it again"
    changed = "it was changed after the export"
    foreign = "it is not a state exported by kling-mock"
    return {
        "empty": (b"", foreign),
        "binary": (b"\xff\xfe\x00" * 99, foreign),
        "nested deeply": (b"[" * 100_000, foreign),
        "another JSON": (b'{"format": "other"}\n' * 4, foreign),
        "newer": (newer, f"it has version {VERSION + 1} of the format, and this kling-mock reads up to"),
        "no end": (b"".join(lines[:-1]), incomplete),
        "cut in a line": (LINES[:-40], incomplete),
        "cut in the first line": (LINES[:20], foreign),
        "a line is missing": (b"".join([lines[0], *lines[2:]]), changed),
        "a changed line": (LINES.replace(b'"next":1', b'"next":7'), changed),
        "more": (LINES + b"{}\n", incomplete),
    }


@pytest.mark.parametrize(("data", "reason"), mangled().values(), ids=mangled())
def test_lines_that_are_not_a_whole_state_are_refused(data: bytes, reason: str, folder: Path) -> None:
    assert [item.name for item in parse(LINES) if isinstance(item, Counter)] == ["a", "b"]
    fake = Fake()
    with pytest.raises(ValueError, match=f"^{reason}"):
        fake.load_state(SavedState(data))
    path = folder / "x.jsonl"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"^{path}: {reason}"):
        SavedState.load(path)
    assert len(fake.tasks) == 0


@each_row("at", range(0, len(LINES) - 1, 7))
def test_a_part_of_the_lines_is_never_a_state(at: int) -> None:
    with pytest.raises(ValueError, match="it is"):
        parse(LINES[:at])


# -- the endpoint

HERE = Peer(is_local=True, host_is_local=True)


def ask(fake: Fake, method: str = "GET", query: str = "", body: bytes = b"", peer: Peer = HERE) -> Reply:
    request = Request(method, "/_mock/state", query, (("host", "127.0.0.1"),), body)
    reply = ControlAPI(fake).answer(request, peer)
    assert isinstance(reply, Reply)
    return reply


def test_the_endpoint_reads_and_writes_the_state(fake: Fake) -> None:
    reply = ask(fake)
    assert (reply.status, reply.content_type) == (200, "application/x-ndjson; charset=utf-8")
    assert reply.body == bytes(fake.snapshot())
    other = Fake(clock=ManualClock())
    assert ask(other, "POST", body=reply.body).status == 200
    assert past(other)[:2] == past(fake)[:2]
    assert ask(other, "POST", body=reply.body).status == 409
    assert ask(other, "POST", "replace=true", reply.body).status == 200
    assert ask(other, "POST", "replace=true", reply.body[:-9]).status == 422
    assert past(other)[:2] == past(fake)[:2]


def test_clients_that_may_not_use_the_control_api_may_not_read_the_state(fake: Fake) -> None:
    for method in ("GET", "POST"):
        assert ask(fake, method, peer=Peer(is_local=False, host_is_local=True)).status == 403


def test_the_body_of_an_import_may_be_as_large_as_that_of_a_request() -> None:
    api = ControlAPI(Fake(body_cap=5 * BODY_BYTES))
    assert api.body_limit(Request("POST", "/_mock/state")) == 5 * BODY_BYTES
    for method, path in (("GET", "/_mock/state"), ("POST", "/_mock/reset"), ("POST", "/_mock/nowhere")):
        assert api.body_limit(Request(method, path)) == BODY_BYTES
    assert ask(Fake(body_cap=10), "POST", body=b"x" * 11).status == 413


def test_a_state_that_cannot_be_kept_is_a_503(fake: Fake, folder: Path) -> None:
    with Fake(state=folder / "full.db") as full:
        full.close()
        reply = ask(full, "POST", body=bytes(fake.snapshot()))
    assert reply.status == 503
    assert b"it is closed" in reply.body


def test_the_application_answers_at_its_path() -> None:
    """With a body that is larger than those of other endpoints."""

    async def script() -> list[httpx.Response]:
        transport = httpx.ASGITransport(served.asgi())
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            large = b"x" * (BODY_BYTES + 1)
            return [await client.get("/_mock/state"), await client.post("/_mock/state", content=large)]

    served = Fake(clock=ManualClock())
    exported, refused = asyncio.run(script())
    assert exported.content == bytes(served.snapshot())
    assert refused.status_code == 422
    assert refused.json()["error"]["message"] == "it is not a state exported by kling-mock"
    assert len(served.calls) == 0  # the journal is part of the state


def test_the_control_api_reports_a_state_that_cannot_be_kept(folder: Path) -> None:
    with Fake(state=folder / "a.db", clock=ManualClock()) as fake:
        fake.close()
        request = Request("POST", "/_mock/reset", headers=(("host", "127.0.0.1"),), body=b"{}")
        reply = ControlAPI(fake).answer(request, HERE)
    assert isinstance(reply, Reply)
    assert reply.status == 503
    assert b"it is closed" in reply.body
