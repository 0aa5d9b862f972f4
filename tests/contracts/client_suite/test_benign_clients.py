"""Correct clients with unusual behaviour: the suite reports no broken property."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import http.client
import json
import queue
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest

from kling_contracts.client_suite import Outcome, Service, list_properties
from kling_contracts.client_suite.environment import Environment
from kling_contracts.client_suite.harness import Harness, Inconclusive
from kling_contracts.client_suite.suite import report_on
from kling_contracts.gateways import COMETAPI, KLING
from tests.contracts.client_suite.awaiting_client import AwaitingClient
from tests.contracts.client_suite.plain_client import BROKEN, Body, Data, PlainClient, Refused
from tests.rows import some_rows


class SendsDefaults(PlainClient):
    def encode(self, request: Body) -> Body:
        return {"n": 1, "aspect_ratio": "16:9", "model_name": "kling-v2", **request}


class SendsNulls(PlainClient):
    """As a published client does; the official examples send empty strings."""

    def encode(self, request: Body) -> Body:
        return {"callback_url": None, "style_image": None, "n": None, "prompt": "", **request}


class LeavesDefaultsOut(PlainClient):
    def encode(self, request: Body) -> Body:
        return {name: value for name, value in request.items() if (name, value) != ("n", 1)}


class EncodesInItsOwnWay(PlainClient):
    """Sorted, indented and unescaped JSON, lower-case header names, and additional headers."""

    def create(self, service: Service, request: Body) -> Data:
        content = json.dumps(request, sort_keys=True, indent=2, ensure_ascii=False).encode()
        return self.call(service, "POST", service.create_url, content)

    def headers(self, service: Service) -> dict[str, str]:
        return {
            "authorization": f"bearer {service.api_key}",
            "content-type": "application/json; charset=UTF-8",
            "user-agent": "mine/1.0",
            "accept": "application/json",
            "connection": "close",
            "x-request-id": "7",
        }


class TriesQueriesAgain(PlainClient):
    """Retries queries with growing pauses."""

    def ask(self, service: Service, task_id: str) -> Data:
        for attempt in range(3):
            try:
                return super().ask(service, task_id)
            except (Refused, *BROKEN) as error:
                if attempt == 2 or "HTTP 4" in str(error):
                    raise
                time.sleep(0.5 * 2**attempt)
        raise AssertionError


class LooksLater(PlainClient):
    def wait(self, service: Service, task_id: str, deadline: float) -> Outcome:
        time.sleep(10)
        return super().wait(service, task_id, deadline - 10)


class WaitsForAnEvent(PlainClient):
    def wait(self, service: Service, task_id: str, deadline: float) -> Outcome:
        stop, end = threading.Event(), time.monotonic() + deadline
        while not self.ended(outcome := self.look(service, task_id)):
            if stop.wait(3) or time.monotonic() > end:
                raise TimeoutError(task_id)
        return outcome


class WorksInAThread(PlainClient):
    """Polls in a thread, which is stopped at the end of the wait."""

    def wait(self, service: Service, task_id: str, deadline: float) -> Outcome:
        done, stop = threading.Event(), threading.Event()
        found: queue.SimpleQueue[Outcome | Exception] = queue.SimpleQueue()

        def work() -> None:
            try:
                while not stop.is_set():
                    outcome = self.look(service, task_id)
                    if self.ended(outcome):
                        found.put(outcome)
                        return
                    stop.wait(3)
            except (Refused, *BROKEN, KeyError, ValueError) as error:
                found.put(error)
            finally:
                done.set()

        thread = threading.Thread(target=work)
        thread.start()
        try:
            done.wait(deadline)
        finally:
            stop.set()
            thread.join()
        outcome = TimeoutError(task_id) if found.empty() else found.get()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class AwaitsTimers(PlainClient):
    """Blocking queries, and waits by `asyncio.wait_for` on an event."""

    async def wait(self, service: Service, task_id: str, deadline: float) -> Outcome:  # type: ignore[override]
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        end = loop.time() + deadline
        while not self.ended(outcome := self.look(service, task_id)):
            if loop.time() > end:
                raise TimeoutError(task_id)
            try:
                await asyncio.wait_for(stop.wait(), 4)
            except TimeoutError:
                continue
        return outcome


class LivesInOneLoop(PlainClient):
    """Uses one base URL and one event loop for all calls, as a program does."""

    home: tuple[str, asyncio.AbstractEventLoop] | None = None

    async def query(self, service: Service, task_id: str) -> Outcome:  # type: ignore[override]
        home = (service.base_url, asyncio.get_running_loop())
        self.home = self.home or home
        assert self.home == home
        return self.read(self.ask(service, task_id))


class FetchesTheResultByAnotherQuery(PlainClient):
    def conclude(self, service: Service, task_id: str, outcome: Outcome) -> Outcome:
        return self.look(service, task_id)


class RaisesFailures(PlainClient):
    def conclude(self, service: Service, task_id: str, outcome: Outcome) -> Outcome:
        if outcome.status == "failed":
            raise RuntimeError(f"{task_id}: {outcome.message}")
        return outcome


class RefusesOddIds(PlainClient):
    def ask(self, service: Service, task_id: str) -> Data:
        if not task_id.isalnum():
            raise ValueError("no id")
        return super().ask(service, task_id)


class HasATimeoutOfItsOwn(PlainClient):
    """A usual timeout, instead of `service.timeout`."""

    def exchange(self, url: str, method: str, **how: Any) -> tuple[int, bytes]:
        return super().exchange(url, method, **how | {"timeout": 60.0})


class KeepsItsConnection(PlainClient):
    kept: http.client.HTTPConnection | None = None

    def exchange(self, url: str, method: str, **how: Any) -> tuple[int, bytes]:
        origin, slash, path = url.removeprefix("http://").partition("/")
        if self.kept is None or (self.kept.host, self.kept.port) != (
            origin.split(":")[0],
            int(origin.split(":")[1]),
        ):
            self.kept = http.client.HTTPConnection(origin)
        self.kept.timeout = how["timeout"]
        try:
            self.kept.request(method, slash + path, how.get("content"), how["headers"])
            answer = self.kept.getresponse()
            return answer.status, answer.read()
        except BaseException:
            self.kept.close()
            raise


class SignsTokens(PlainClient):
    """Signs a new token for each request, without a library."""

    def headers(self, service: Service) -> dict[str, str]:
        now = int(time.time())
        claims = {"iss": service.access_key, "exp": now + 1800, "nbf": now - 5}
        signed = ".".join(
            _part(json.dumps(each).encode()) for each in ({"alg": "HS256", "typ": "JWT"}, claims)
        )
        digest = hmac.new(service.secret_key.encode(), signed.encode(), hashlib.sha256).digest()
        token = f"{signed}.{_part(digest)}"
        return super().headers(service) | {"Authorization": f"Bearer {token}"}


def _part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


# The properties that each client concerns; in the others it behaves as PlainClient.
BENIGN: Mapping[type[PlainClient], tuple[str, ...]] = {
    SendsDefaults: ("encodes", "omits"),
    SendsNulls: ("encodes", "omits"),
    LeavesDefaultsOut: ("encodes[n]", "encodes_exactly"),
    EncodesInItsOwnWay: ("encodes", "addresses", "reads_created", "key"),
    TriesQueriesAgain: ("reads[", "keeps", "pauses", "heeds", "stops", "reports", "gives_up"),
    LooksLater: ("ends", "keeps", "pauses", "stops"),
    WaitsForAnEvent: ("ends", "keeps", "pauses", "heeds", "stops"),
    WorksInAThread: ("ends", "keeps", "pauses", "heeds", "stops"),
    AwaitsTimers: ("ends", "keeps", "pauses", "heeds", "stops"),
    LivesInOneLoop: ("reads[", "addresses"),
    FetchesTheResultByAnotherQuery: ("ends", "keeps", "no_second"),
    RaisesFailures: ("ends", "key_stays_secret[errors]"),
    RefusesOddIds: ("addresses",),
    HasATimeoutOfItsOwn: ("gives_up", "no_second_create[stalled]"),
    AwaitingClient: ("addresses[", "gives_up", "no_second_create[stalled]"),
    KeepsItsConnection: ("addresses", "reads", "no_second", "gives_up"),
    SignsTokens: ("addresses", "key"),
}


@some_rows("client", BENIGN, usual=2, ids=lambda each: each.__name__)
def test_no_property_is_broken(client: type[PlainClient], request: pytest.FixtureRequest) -> None:
    gateway = KLING if client is SignsTokens else COMETAPI
    adapter, judged = client(), 0
    with Environment() as environment:
        for each in list_properties(adapter, gateway):
            if each.id.startswith(tuple(f"client.{name}" for name in BENIGN[client])):
                try:
                    assert report_on(each, Harness(adapter, gateway, environment, request, 4)) == ""
                except Inconclusive:
                    assert client is WorksInAThread  # its main thread waits for another thread
                judged += 1
    assert judged > 1
