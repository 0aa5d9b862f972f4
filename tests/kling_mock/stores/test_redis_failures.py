"""Redis that cannot be used at the start, or later: an error or a 503 with the reason, and recovery."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from kling_mock import Fake, ManualClock, Request
from kling_mock.cli import main
from kling_mock.stores import StateNotKept
from kling_mock.stores.redis.address import Address, RedisRefused, check_version
from tests.kling_mock.conftest import Caller
from tests.kling_mock.stores.redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """A server that these tests may stop."""
    server = RedisServer("--maxmemory-policy", "noeviction")
    yield server
    server.close()


@pytest.fixture
def caller(server: RedisServer) -> Caller:
    return Caller(Fake(state=server.url()))


def refusal(caller: Caller) -> str:
    """The message of a 503, which a create and a query get alike."""
    replies = [caller.ask(), caller.poll("1")]
    handle = caller.fake.handle_async
    assert handle is not None

    async def reply() -> Any:
        answered = await handle(Request("GET", "/kling/v1/images/generations/1"))
        await caller.fake._store.in_loop().close()  # type: ignore[attr-defined]
        return answered

    replies.append(asyncio.run(reply()))
    assert [reply.status for reply in replies] == [503] * 3
    errors = [cast("dict[str, dict[str, str]]", reply.json())["error"] for reply in replies]
    assert {error["code"] for error in errors} == {"state_not_kept"}
    messages = {error["message"].replace("; the request may have taken effect", "") for error in errors}
    assert len(messages) == 1
    assert [type(each) for each in caller.fake._problems] == [StateNotKept]
    caller.fake._problems.clear()
    return messages.pop()


def test_a_redis_that_ends_and_starts_again(server: RedisServer, caller: Caller) -> None:
    """Each request gets 503 meanwhile; afterwards the fake goes on, here without its data."""
    caller.fake.next.fails("no luck").optional()
    caller.create(external_task_id="mine")
    before = caller.clock.now()
    server.kill()
    assert "Redis does not answer (" in refusal(caller)
    assert 0 <= caller.clock.now() - before < 60
    server.start()
    assert caller.ask(external_task_id="mine").status == 200
    assert len(caller.fake.tasks) == 1
    assert not caller.fake.scripts
    caller.fake.next.fails("none").optional()
    assert len(caller.fake.scripts) == 1
    caller.fake.check()


@pytest.mark.parametrize(
    ("command", "undo", "message"),
    [
        (
            ("CONFIG", "SET", "maxmemory", "1"),
            ("CONFIG", "SET", "maxmemory", "0"),
            "the memory of Redis is full",
        ),
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE"), "it is a read-only replica"),
    ],
)
def test_a_redis_that_refuses_writes(
    caller: Caller, command: tuple[str, ...], undo: tuple[str, ...], message: str
) -> None:
    task = caller.create()["task_id"]
    caller.fake._store._client.execute_command(*command)  # type: ignore[attr-defined]
    try:
        assert message in refusal(caller)
        with pytest.raises(RedisRefused, match=message):
            Fake(state=caller.fake.settings.state)
    finally:
        caller.fake._store._client.execute_command(*undo)  # type: ignore[attr-defined]
    assert caller.status(task) == "processing"
    assert [each.id for each in caller.fake.tasks] == [task]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("SET", "{foreign}:state", "x"), "has keys that kling-mock did not write"),
        (("HSET", "{foreign}:state", "a", "b"), "has keys that kling-mock did not write"),
        (("LPUSH", "{foreign}:tasks", "x"), "has keys that kling-mock did not write"),
        (("HSET", "{foreign}:state", "format", "kling-mock 9"), "by another version of kling-mock"),
    ],
)
def test_foreign_data(server: RedisServer, caller: Caller, command: tuple[str, ...], message: str) -> None:
    """They are left as they are."""
    client = caller.fake._store._client  # type: ignore[attr-defined]
    key = command[1]
    client.execute_command(*command)
    before = client.dump(key)
    with pytest.raises(RedisRefused, match=f"^state unix://.*=foreign: the namespace foreign .*{message}"):
        Fake(state=server.url("foreign"))
    assert client.dump(key) == before
    client.delete(key)


def test_a_server_that_is_too_old_is_refused() -> None:
    address = Address.parse("redis://:secret@host:1/0?namespace=dev")
    for version in ("6.2.14", "", None):
        with pytest.raises(RedisRefused, match=r"^state redis://host:1/0\?namespace=dev: .* use Redis 7"):
            check_version(address, {} if version is None else {"redis_version": version})
    check_version(address, {"redis_version": "7.0.15"})


def test_a_server_that_cannot_be_reached_ends_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--state", "unix:///absent/socket?namespace=dev"]) == 2
    assert capsys.readouterr().err.startswith(
        "kling-mock: --state unix:///absent/socket?namespace=dev: Redis does not answer ("
    )
    assert main(["serve", "--state", "redis://localhost?namespace=a/b"]) == 2
    assert "--state: the namespace must be 1 to 64 letters, digits and . _ -" in capsys.readouterr().err


def test_a_clock_besides_that_of_redis_is_refused(server: RedisServer) -> None:
    with pytest.raises(TypeError, match=r"^clock: not accepted together with a state in Redis"):
        Fake(state=server.url(), clock=ManualClock())


def test_a_database_that_does_not_exist_is_refused(server: RedisServer) -> None:
    with pytest.raises(RedisRefused, match=r"^state unix:\S+: .*DB index is out of range"):
        Fake(state=f"{server.url()}&db=99")


def test_urls_that_are_not_those_of_a_namespace(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--state", "unix:///absent/socket?retention=5"]) == 2
    assert "an option that redis-py does not know: " in capsys.readouterr().err
    for url in ("redis://", "redis://:secret@localhost/x", "rediss://localhost:6379/1/2"):
        assert main(["serve", "--state", url]) == 2
        problem = capsys.readouterr().err
        assert "kling-mock: --state: must be redis" in problem
        assert "secret" not in problem
