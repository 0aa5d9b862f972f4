"""Requests whose commands share a run of a script: each has its own outcome, and its own error."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from kling_mock import Fake, Request
from tests.kling_mock.conftest import PATH, SUBJECTS, Caller
from tests.kling_mock.stores.redis_server import redis_server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mock import Reply
    from kling_mock.stores.redis.store import RedisStore


def request(account: str, task: str | None = None, **fields: object) -> Request:
    """A create or, with a task, a query. Those of different accounts do not wait for each other."""
    key = (("authorization", f"Bearer sk-mock-{account}"),)
    if task is not None:
        return Request("GET", f"{PATH}/{task}", headers=key)
    body = json.dumps({"subject_image_list": SUBJECTS, **fields}).encode()
    return Request("POST", PATH, headers=key, body=body)


def statuses(fake: Fake, requests: Sequence[Request]) -> tuple[list[int], list[int]]:
    """The statuses of concurrent requests, and the number of results of each run of a script."""
    store: RedisStore = fake._store  # type: ignore[assignment]
    sizes: list[int] = []

    async def gathered() -> list[Reply]:
        in_loop, handle = store.in_loop(), fake.handle_async
        assert handle is not None
        run = in_loop._batches._run

        async def counted(command: Any) -> Any:
            reply = await run(command)
            sizes.append(len(reply) - 3)
            return reply

        in_loop._batches._run = counted
        try:
            return await asyncio.gather(*map(handle, requests))
        finally:
            await in_loop.close()

    return [reply.status for reply in asyncio.run(gathered())], sizes


def test_requests_of_one_iteration_share_runs_of_the_scripts() -> None:
    fake = Fake(state=redis_server().url())
    task = Caller(fake).create()["task_id"]
    found, sizes = statuses(fake, [*[request(str(number)) for number in range(10)], request("a", task)])
    assert found == [200] * 11
    assert sorted(sizes, reverse=True) == [8, 8, 3, 3]
    assert len(fake.tasks) == 11
    assert fake.tasks[0].polls == 1
    fake.check()


def test_a_precondition_that_fails_is_one_of_its_request_alone() -> None:
    """Two processes read that an external id is free; one of them creates its task, and all others theirs."""
    url = redis_server().url()
    one, two = Fake(state=url), Fake(state=url)
    creates = [request("a", external_task_id="mine"), request("b"), request("c")]

    async def both() -> list[Reply]:
        assert one.handle_async is not None
        assert two.handle_async is not None
        try:
            return await asyncio.gather(*map(one.handle_async, creates), *map(two.handle_async, creates))
        finally:
            for fake in (one, two):
                await fake._store.in_loop().close()  # type: ignore[attr-defined]

    replies = asyncio.run(both())
    assert sorted(reply.status for reply in replies) == [200] * 5 + [400]
    assert len(one.tasks) == 5


def test_an_error_is_one_of_its_request_alone() -> None:
    """Here of keys that another program has overwritten: one that is read, and one that is written."""
    fake = Fake(state=redis_server().url())
    store: Any = fake._store
    prefix = store.session.address.prefix
    task = Caller(fake).create()["task_id"]
    store._client.set(f"{prefix}task:1", "x")
    store._client.set(f"{prefix}tasks:sk-mock-b", "x")
    requests = [request("a"), request("b"), request("c", "1"), request("a", task), request("d")]
    assert statuses(fake, requests)[0] == [200, 503, 503, 200, 200]
    assert "has keys that kling-mock did not write" in str(fake._problems[0])
    fake._problems.clear()
