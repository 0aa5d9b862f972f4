"""Tokens that are signed after skipped sleeps: judged by the time that their signer sees."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.rows import some_rows

Suite = Callable[..., pytest.RunResult]

SIGNING = """
import asyncio, threading, time
from concurrent.futures import ThreadPoolExecutor
import httpx, jwt, pytest
from kling_client import AsyncClient, Client
from kling_mock import Fake

ACCESS, SECRET = "access", "secret-of-at-least-32-characters-here"
URLS = ["https://h.test/a.png", "https://h.test/b.png"]
skipped = pytest.mark.kling(keys=[f"{ACCESS}:{SECRET}", "sk-plain"], sleep="advance", pace="instant")
OLD = ThreadPoolExecutor(1)
OLD.submit(int).result()

def sign(begins=-5, ends=1800):
    now = time.time()
    claims = {"iss": ACCESS, "exp": int(now + ends), "nbf": int(now + begins)}
    return jwt.encode(claims, SECRET, algorithm="HS256")

def list_tasks(fake, token):
    base = getattr(fake, "url", "https://api.klingai.com")
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(verify=False, trust_env=False) as client:
        answer = client.get(f"{base}/v1/images/multi-image2image", headers=headers)
    return answer.status_code, answer.json()["code"]
"""


@some_rows("fixture", ["kling", "kling_server"], usual=["kling"])
def test_tokens_signed_after_skipped_time_are_accepted(suite: Suite, fixture: str) -> None:
    suite(
        SIGNING
        + f"""
@skipped
@pytest.mark.parametrize("seconds", [1, 1741, 1801, 100_000, 40 * 86_400])
def test_own_client({fixture}, seconds):
    with Client(gateway="kling") as client:
        client.generate(URLS)
        for _ in range(3):
            time.sleep(seconds)
            client.generate(URLS)

@skipped
def test_own_client_asynchronous({fixture}):
    async def main():
        async with AsyncClient(gateway="kling") as client:
            for _ in range(3):
                await client.generate(URLS)
                await asyncio.sleep(1741)
            await asyncio.to_thread(time.sleep, 1741)
            await client.generate(URLS)
    asyncio.run(main())

@skipped
def test_own_client_at_a_held_task({fixture}):
    {fixture}.next.holds()
    with Client(gateway="kling") as client:
        task = client.generate(URLS)
        for _ in range(300):
            time.sleep(20)
            assert task.refresh().status in ("submitted", "processing")

@skipped
def test_tokens_of_users({fixture}):
    first = sign()
    assert list_tasks({fixture}, first) == (200, 0)
    time.sleep(1700)
    assert list_tasks({fixture}, first) == (200, 0)
    time.sleep(101)
    assert list_tasks({fixture}, first) == (401, 1004)
    assert list_tasks({fixture}, sign()) == (200, 0)
    thread = ThreadPoolExecutor(1)
    assert list_tasks({fixture}, thread.submit(sign).result()) == (200, 0)
    assert thread.submit(lambda: list_tasks({fixture}, sign())).result() == (200, 0)

@skipped
def test_tokens_that_are_wrong_stay_wrong({fixture}):
    unseen = sign()
    time.sleep(2000)
    assert list_tasks({fixture}, unseen) == (401, 1004)
    assert list_tasks({fixture}, sign(begins=60)) == (401, 1003)
    assert list_tasks({fixture}, sign(ends=-1)) == (401, 1004)
    time.sleep(60)
    assert list_tasks({fixture}, sign(begins=-5)) == (200, 0)

@skipped
def test_frozen_and_manual_clocks({fixture}):
    {fixture}.clock.freeze()
    time.sleep(5000)
    token = sign()
    assert list_tasks({fixture}, token) == (200, 0)
    {fixture}.clock.advance(1790)
    assert list_tasks({fixture}, token) == (200, 0)
    {fixture}.clock.advance(20)
    assert list_tasks({fixture}, token) == (401, 1004)
"""
    ).assert_outcomes(passed=10)


def test_tokens_of_older_threads_and_for_other_fakes(suite: Suite) -> None:
    """In process the client's thread is known; a fake of the test's own is judged by the same time."""
    suite(
        SIGNING
        + """
@skipped
def test_older_thread(kling):
    time.sleep(5000)
    assert OLD.submit(lambda: list_tasks(kling, sign())).result() == (200, 0)
    assert list_tasks(kling, sign()) == (200, 0)

@skipped
def test_another_fake(kling):
    time.sleep(5000)
    with Fake(keys=[f"{ACCESS}:{SECRET}"]).serve() as server:
        assert list_tasks(server, sign()) == (200, 0)
        time.sleep(5000)
        assert list_tasks(server, sign()) == (200, 0)
"""
    ).assert_outcomes(passed=2)
