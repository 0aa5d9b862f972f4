"""Runs of a fake that delivers callbacks: synchronous, and inside a running event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import trio

from kling_contracts.gateways import COMETAPI
from kling_mock import Fake, ManualClock
from tests.kling_mock.callbacks.inbox import HOOK

STATUSES = ["submitted", "processing", "succeed"]


def make_fake(**switches: Any) -> Fake:
    return Fake(clock=ManualClock(), **{"pace": "seconds:1,1", **switches})


def create(fake: Fake, url: str = HOOK) -> None:
    body = {
        "subject_image_list": [{"subject_image": "https://h.test/a"}, {"subject_image": "https://h.test/b"}],
        "callback_url": url,
    }
    with httpx.Client(transport=fake.transport(), headers={"authorization": "Bearer sk-one"}) as client:
        client.post(COMETAPI.base_url + COMETAPI.create_path, json=body).raise_for_status()


def create_and_advance(fake: Fake, url: str = HOOK) -> None:
    create(fake, url)
    fake.clock.advance(5)


async def in_a_loop(fake: Fake, url: str = HOOK) -> None:
    create_and_advance(fake, url)


RUNS: dict[str, Callable[..., None]] = {
    "sync": create_and_advance,
    "asyncio": lambda fake, url=HOOK: asyncio.run(in_a_loop(fake, url)),
    "trio": lambda fake, url=HOOK: trio.run(in_a_loop, fake, url),
}
