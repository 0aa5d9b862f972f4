"""Clients without pauses, or that cannot be interrupted."""

from __future__ import annotations

import time

import pytest

from kling_contracts.client_suite import Outcome, Service
from kling_contracts.client_suite.harness import Inconclusive
from kling_contracts.client_suite.server import REPLY_SECONDS
from kling_contracts.client_suite.suite import check_property
from kling_contracts.gateways import COMETAPI
from tests.contracts.client_suite.faulty_clients import PROPERTIES, FaultyClients, require_caught
from tests.contracts.client_suite.plain_client import BROKEN, Data, PlainClient, Refused
from tests.rows import some_rows

# Seconds without pauses. Pauses are measured in the first ten; a client that hammered on would only take CPU.
HAMMERED = 12


class Hammers(PlainClient):
    def wait(self, service: Service, task_id: str, deadline: float) -> Outcome:
        self.began = time.monotonic()
        return super().wait(service, task_id, deadline)

    def look(self, service: Service, task_id: str) -> Outcome:
        self.pause = 0.02 if time.monotonic() < self.began + HAMMERED else 5.0
        return super().look(service, task_id)


class TriesAgain(PlainClient):
    """Retries a query after errors of a kind, until the deadline."""

    retried: tuple[type[Exception], ...] = (Refused,)
    message = ""
    pause_after = 0.02

    def wait(self, service: Service, task_id: str, deadline: float) -> Outcome:
        self.began, self.deadline = time.monotonic(), deadline
        return super().wait(service, task_id, deadline)

    def look(self, service: Service, task_id: str) -> Outcome:
        while True:
            try:
                return super().look(service, task_id)
            except self.retried as error:
                since = time.monotonic() - self.began
                if self.message not in str(error) or since > self.deadline:
                    raise
                time.sleep(self.pause_after if since < HAMMERED else max(self.pause_after, 1.0))


class HammersWhenUnavailable(TriesAgain):
    message = "HTTP 503"


class HammersWhenDropped(TriesAgain):
    retried = BROKEN


class AsksAgainTooSoon(TriesAgain):
    message = "HTTP 429"
    pause_after = 0.2


class AsksAgainInItsOwnTime(AsksAgainTooSoon):
    pause_after = 5.0


class CreatesAgainTooSoon(PlainClient):
    def create(self, service: Service, request: dict[str, object]) -> Data:
        try:
            return super().create(service, request)
        except Refused as error:
            if "HTTP 429" not in str(error):
                raise
            return super().create(service, request)


class CannotBeStopped(PlainClient):
    def wait(self, service: Service, task_id: str, deadline: float) -> Outcome:
        end = time.monotonic() + deadline
        while True:
            try:
                return super().wait(service, task_id, end - time.monotonic())
            except KeyboardInterrupt:
                continue


FAULTY_CLIENTS: FaultyClients = {
    PlainClient: "",
    Hammers: "pauses[running]",
    HammersWhenUnavailable: "pauses[unavailable]",
    HammersWhenDropped: "pauses[dropped]",
    AsksAgainTooSoon: "heeds_retry_after[query] heeds_retry_after[date]",
    CreatesAgainTooSoon: "heeds_retry_after[create]",
    CannotBeStopped: "stops_when_interrupted",
}


@some_rows("others", [False, True], usual=[False], ids=["expected", "others"])
@pytest.mark.parametrize("client", FAULTY_CLIENTS, ids=lambda each: each.__name__)
def test_a_fault_is_caught_by_what_is_meant_for_it(
    client: type[PlainClient], others: bool, request: pytest.FixtureRequest
) -> None:
    require_caught(client, FAULTY_CLIENTS[client], request, others=others)


@pytest.mark.parametrize("case", ["query", "date"])
def test_a_client_with_a_shorter_pause_of_its_own_is_inconclusive(
    case: str, request: pytest.FixtureRequest
) -> None:
    """No source documents that the service sends Retry-After."""
    wanted = next(each for each in PROPERTIES() if each.id == f"client.heeds_retry_after[{case}]")
    with pytest.raises(Inconclusive, match=r"own pause of 5\.\d s, not the 20 s of Retry-After"):
        check_property(wanted, AsksAgainInItsOwnTime(), COMETAPI, request)


class AsksTenTimesASecond(PlainClient):
    pause = 0.1 - REPLY_SECONDS


def test_ten_queries_a_second_are_not_too_many(request: pytest.FixtureRequest) -> None:
    wanted = next(each for each in PROPERTIES() if each.id == "client.pauses[running]")
    assert check_property(wanted, AsksTenTimesASecond(), COMETAPI, request) == ""
