"""Clients with a fault in waiting."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from kling_contracts.client_suite import Outcome, Service
from tests.contracts.client_suite.awaiting_client import AwaitingClient
from tests.contracts.client_suite.faulty_clients import FaultyClients, require_caught
from tests.contracts.client_suite.plain_client import BROKEN, Data, PlainClient, Refused
from tests.rows import some_rows


class WaitsForSucceeded(PlainClient):
    def ended(self, outcome: Outcome) -> bool:
        return outcome.status in ("succeeded", "failed")


class IgnoresFailure(PlainClient):
    def ended(self, outcome: Outcome) -> bool:
        return outcome.status == "succeed"


class LooksTwiceMore(PlainClient):
    def conclude(self, service: Service, task_id: str, outcome: Outcome) -> Outcome:
        if outcome.status == "succeed":
            self.look(service, task_id)
            return self.look(service, task_id)
        return outcome


class OmitsTheReason(PlainClient):
    def conclude(self, service: Service, task_id: str, outcome: Outcome) -> Outcome:
        if outcome.status == "failed":
            raise RuntimeError("it failed")
        return outcome


class EndsAtProcessing(PlainClient):
    def ended(self, outcome: Outcome) -> bool:
        return outcome.status not in ("submitted", "queued")


class EndsAtSubmitted(PlainClient):
    def ended(self, outcome: Outcome) -> bool:
        return outcome.status in ("submitted", "succeed", "failed")


class EndsAtTheUnknown(PlainClient):
    def ended(self, outcome: Outcome) -> bool:
        return outcome.status not in ("submitted", "processing")


class WaitsForever(PlainClient):
    def wait(self, service: Service, task_id: str, deadline: float) -> Outcome:
        while not self.ended(outcome := self.look(service, task_id)):
            time.sleep(5)
        return outcome


class CountsSleepsOnly(PlainClient):
    def wait(self, service: Service, task_id: str, deadline: float) -> Outcome:
        for _ in range(int(deadline / 5)):
            if self.ended(outcome := self.look(service, task_id)):
                return outcome
            time.sleep(5)
        raise TimeoutError(task_id)


class NeverGivesUpOnTrouble(PlainClient):
    def look(self, service: Service, task_id: str) -> Outcome:
        while True:
            try:
                return super().look(service, task_id)
            except (Refused, *BROKEN) as error:
                time.sleep(25 if "HTTP 429" in str(error) else 5)


class CallsALateTaskFailed(PlainClient):
    def wait(self, service: Service, task_id: str, deadline: float) -> Outcome:
        try:
            return super().wait(service, task_id, deadline)
        except TimeoutError:
            return Outcome("failed", (), "too late")


class Joined(threading.Thread):
    """A thread that starts its work when it is joined, so that the call has ended before."""

    def __init__(self, work: Callable[[], object]) -> None:
        super().__init__()
        self.work, self.go = work, threading.Event()

    def run(self) -> None:
        self.go.wait()
        self.work()

    def join(self, timeout: float | None = None) -> None:
        self.go.set()
        super().join(timeout)


class GoesOnInAThread(PlainClient):
    def wait(self, service: Service, task_id: str, deadline: float) -> Outcome:
        try:
            return super().wait(service, task_id, deadline)
        except TimeoutError:
            Joined(lambda: self.ask(service, task_id)).start()
            raise


class DoublesItsPauses(PlainClient):
    def wait(self, service: Service, task_id: str, deadline: float) -> Outcome:
        end, pause = time.monotonic() + deadline, 1.0
        while not self.ended(outcome := self.look(service, task_id)):
            if time.monotonic() >= end:
                raise TimeoutError(task_id)
            time.sleep(pause)
            pause *= 2
        return outcome


class LeavesAPollerBehind(PlainClient):
    async def wait(self, service: Service, task_id: str, deadline: float) -> Outcome:  # type: ignore[override]
        async def poll() -> Outcome:
            outcome = self.look(service, task_id)
            for _ in range(1000):
                if self.ended(outcome):
                    break
                await asyncio.sleep(self.pause)
                outcome = self.look(service, task_id)
            return outcome

        return await asyncio.wait_for(asyncio.shield(poll()), deadline)


class HasNoTimeout(PlainClient):
    def exchange(self, url: str, method: str, **how: Any) -> tuple[int, bytes]:
        return super().exchange(url, method, **how | {"timeout": None})


class AwaitsForEver(AwaitingClient):
    async def talk(self, service: Service, method: str, url: str, content: bytes = b"") -> Data:
        return await self.talk_on(service, method, url, content)


class HasNoTimeoutForQueries(HasNoTimeout):
    def exchange(self, url: str, method: str, **how: Any) -> tuple[int, bytes]:
        timeout = how["timeout"] if method == "POST" else None
        return PlainClient.exchange(self, url, method, **how | {"timeout": timeout})


FAULTY_CLIENTS: FaultyClients = {
    WaitsForSucceeded: "ends_at_terminal[succeed]",
    IgnoresFailure: "ends_at_terminal[failed]",
    LooksTwiceMore: "ends_at_terminal[succeed]",
    OmitsTheReason: "ends_at_terminal[failed]",
    EndsAtProcessing: "ends_only_at_terminal[processing]",
    EndsAtSubmitted: "ends_only_at_terminal[submitted]",
    EndsAtTheUnknown: "ends_only_at_terminal[unknown-status]",
    WaitsForever: "keeps_deadline[held] keeps_deadline[slow-replies]",
    CountsSleepsOnly: "keeps_deadline[slow-replies]",
    NeverGivesUpOnTrouble: "keeps_deadline[unavailable]",
    CallsALateTaskFailed: "keeps_deadline[held] keeps_deadline[slow-replies]",
    GoesOnInAThread: "keeps_deadline[held] keeps_deadline[slow-replies]",
    DoublesItsPauses: "keeps_deadline[held] keeps_deadline[slow-replies]",
    LeavesAPollerBehind: "keeps_deadline[held] keeps_deadline[slow-replies] stops_when_interrupted",
    HasNoTimeout: "gives_up[create] gives_up[query]",
    AwaitsForEver: "gives_up[create] gives_up[query]",
    HasNoTimeoutForQueries: "gives_up[query]",
}


@some_rows("others", [False, True], usual=[False], ids=["expected", "others"])
@pytest.mark.parametrize("client", FAULTY_CLIENTS, ids=lambda each: each.__name__)
def test_a_fault_is_caught_by_what_is_meant_for_it(
    client: type[PlainClient], others: bool, request: pytest.FixtureRequest
) -> None:
    require_caught(client, FAULTY_CLIENTS[client], request, others=others)
