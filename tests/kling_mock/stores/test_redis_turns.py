"""Requests about one task take turns, and none waits again behind those that arrived later."""

from __future__ import annotations

import asyncio

from kling_mock.stores import TaskKey
from kling_mock.stores.redis.turns import Turns


def finished(names: list[str], cancelled: tuple[int, ...] = ()) -> list[str]:
    """The order in which requests about these tasks end, one at a time; some are cancelled."""
    ended: list[str] = []

    async def request(turns: Turns, name: str, number: int) -> None:
        keys = [TaskKey(name)] if name else []
        turn = await turns.begin(keys)
        try:
            await asyncio.sleep(0)
            ended.append(f"{name}{number}")
        finally:
            turns.end(turn)

    async def run() -> None:
        turns = Turns(1)
        requests = [asyncio.create_task(request(turns, name, at)) for at, name in enumerate(names)]
        await asyncio.sleep(0)
        for number in cancelled:
            requests[number].cancel()
        await asyncio.gather(*requests, return_exceptions=True)
        async with asyncio.timeout(5):  # no turn is left
            for name in names:
                turns.end(await turns.begin([TaskKey(name)]))

    asyncio.run(run())
    return ended


def test_requests_about_one_task_keep_their_place() -> None:
    """After the first about a task, the second goes before all that arrived later, except the next one.

    Counterexample: a semaphore in the order of its own calls, where a1 and a2 were the last.
    """
    assert finished(["a", "a", "a", "b", "c", "", "d", "e"]) == [
        "a0",
        "b3",
        "a1",
        "c4",
        "a2",
        "5",
        "d6",
        "e7",
    ]
    assert finished(["a", "b", "", "c"]) == ["a0", "b1", "2", "c3"]


def test_a_request_that_is_cancelled_leaves_its_place() -> None:
    assert finished(["a", "a", "b", "c", "a"], cancelled=(0, 2)) == ["c3", "a1", "a4"]
    assert finished(["a", "a", "a", "b"], cancelled=(1,)) == ["a0", "b3", "a2"]
