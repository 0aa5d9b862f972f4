"""Three clients of the service, each with a query and a create, and the result of a call with a fault."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx
import httpx2
import requests

import kling_client
from kling_mock import Fake, ManualClock
from kling_mock.scripts.request_script import RequestScript

BASE = "https://api.cometapi.com/kling/v1"
PATH = "/images/generations"
URLS = ["https://example.com/cat.png", "https://example.com/boat.png"]
BODY: Any = {"subject_image_list": [{"subject_image": url} for url in URLS], "prompt": "at sea"}
TIMEOUT = 5.0

# One use of each fault, as users write it; the text is that of the tables in the docs.
FAULTS: dict[str, Callable[[RequestScript], RequestScript]] = {
    ".answers(429)": lambda script: script.answers(429),
    ".answers(500)": lambda script: script.answers(500),
    ".answers(502)": lambda script: script.answers(502),
    ".answers(503)": lambda script: script.answers(503),
    ".answers(504)": lambda script: script.answers(504),
    ".answers(524)": lambda script: script.answers(524),
    ".answers(200, 1302)": lambda script: script.answers(200, 1302),
    ".times_out()": lambda script: script.times_out(),
    ".resets()": lambda script: script.resets(),
    ".disconnects()": lambda script: script.disconnects(),
    ".refuses_connections()": lambda script: script.refuses_connections(),
    '.loses_reply("reset")': lambda script: script.loses_reply("reset"),
    '.loses_reply("timeout")': lambda script: script.loses_reply("timeout"),
    ".delays(3)": lambda script: script.delays(3),
    ".delays(900)": lambda script: script.delays(900),
    ".sends_slowly(50)": lambda script: script.sends_slowly(50),
    ".cuts()": lambda script: script.cuts(),
    '.cuts(by="reset")': lambda script: script.cuts(by="reset"),
    ".misstates_length(9)": lambda script: script.misstates_length(9),
    ".misstates_length(-9)": lambda script: script.misstates_length(-9),
    '.garbles("json")': lambda script: script.garbles("json"),
    '.garbles("utf8")': lambda script: script.garbles("utf8"),
    '.garbles("type")': lambda script: script.garbles("type"),
    '.garbles("html")': lambda script: script.garbles("html"),
    '.garbles("null")': lambda script: script.garbles("null"),
    '.garbles("empty")': lambda script: script.garbles("empty"),
    ".pads(10**6)": lambda script: script.pads(10**6),
    ".pads(10**6, compressed=True)": lambda script: script.pads(10**6, compressed=True),
}


class Calls(NamedTuple):
    """The calls of one client: a create, which returns the id of its task, and a query."""

    create: Callable[[], str]
    query: Callable[[str], str]


@contextmanager
def ours(fake: Fake) -> Iterator[Calls]:
    http: Any = httpx.Client(transport=fake.transport(), timeout=TIMEOUT)
    with kling_client.Client(
        api_key="sk-mock", http_client=http, clock=fake.clock.now, sleep=fake.clock.advance
    ) as client:
        yield Calls(
            lambda: client.generate(URLS, "at sea").id, lambda task: str(client.task(task).wait().status)
        )


@contextmanager
def ours_async(fake: Fake) -> Iterator[Calls]:
    """kling_client's AsyncClient; a new one for each call."""

    async def wait(seconds: float) -> None:
        fake.clock.advance(seconds)

    def call(use: Callable[[kling_client.AsyncClient], Awaitable[str]]) -> str:
        async def run() -> str:
            http = httpx.AsyncClient(transport=fake.transport())
            clock = fake.clock.now
            async with kling_client.AsyncClient(
                api_key="sk-mock", http_client=http, timeout=TIMEOUT, clock=clock, sleep=wait
            ) as client:
                return await use(client)

        return asyncio.run(run())

    async def create(client: kling_client.AsyncClient) -> str:
        return (await client.generate(URLS, "at sea")).id

    async def query(client: kling_client.AsyncClient, task: str) -> str:
        return str((await client.task(task).wait()).status)

    yield Calls(lambda: call(create), lambda task: call(lambda client: query(client, task)))


@contextmanager
def with_requests(fake: Fake) -> Iterator[Calls]:
    """As it is usually written: a timeout, `raise_for_status`, and the fields of the JSON."""
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", fake.requests_adapter())
        session.headers["authorization"] = "Bearer sk-mock"

        def read(reply: requests.Response) -> Any:
            reply.raise_for_status()
            return reply.json()["data"]

        yield Calls(
            lambda: str(read(session.post(BASE + PATH, json=BODY, timeout=TIMEOUT))["task_id"]),
            lambda task: str(read(session.get(f"{BASE}{PATH}/{task}", timeout=TIMEOUT))["task_status"]),
        )


@contextmanager
def with_openai(fake: Fake) -> Iterator[Calls]:
    """The low-level calls of openai-python, which retries twice by default, creates too."""
    import openai  # takes a second, in each process that collects the tests

    http = httpx2.Client(transport=fake.transport())
    with openai.OpenAI(api_key="sk-mock", base_url=BASE, http_client=http, timeout=TIMEOUT) as client:

        def read(reply: Any) -> Any:
            return reply["data"]

        yield Calls(
            lambda: str(read(client.post(PATH, body=BODY, cast_to=object))["task_id"]),
            lambda task: str(read(client.get(f"{PATH}/{task}", cast_to=object))["task_status"]),
        )


# Of the table; and its first one with `await`.
CLIENTS = {"kling_client": ours, "requests": with_requests, "openai": with_openai}
OPENERS = {**CLIENTS, "kling_client, async": ours_async}


def of_query(client: str, fault: Callable[[RequestScript], RequestScript]) -> str:
    """The result of a query whose reply has a fault once: `right`, or the exception."""
    fake = Fake(clock=ManualClock(), pace="polls:1")
    with OPENERS[client](fake) as calls:
        task = calls.create()
        fault(fake.next_query)
        return outcome(lambda: calls.query(task) == "succeed")


def of_create(client: str, fault: Callable[[RequestScript], RequestScript]) -> str:
    """The result of a create with a fault once, and the number of tasks that exist then."""
    fake = Fake(clock=ManualClock())
    with OPENERS[client](fake) as calls:
        fault(fake.when_request(method="POST").times(1))
        result = outcome(lambda: calls.create() in {task.id for task in fake.tasks})
    return f"{result}, {len(fake.tasks)}"


def outcome(call: Callable[[], bool]) -> str:
    try:
        return "right" if call() else "wrong"
    except Exception as error:  # noqa: BLE001 -- the exception is the result
        return type(error).__name__
