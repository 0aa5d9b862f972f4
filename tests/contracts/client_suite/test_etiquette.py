"""Clients without manners."""

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


class Hammers(PlainClient):
    pause = 0.02


class TriesAgain(PlainClient):
    """Asks again at once after some kind of trouble, while there is time."""

    trouble: tuple[type[Exception], ...] = (Refused,)
    word = ""
    pause_after = 0.02

    def wait(self, service: Service, task_id: str, deadline: float) -> Outcome:
        self.end = time.monotonic() + deadline
        return super().wait(service, task_id, deadline)

    def look(self, service: Service, task_id: str) -> Outcome:
        while True:
            try:
                return super().look(service, task_id)
            except self.trouble as error:
                if self.word not in str(error) or time.monotonic() > self.end:
                    raise
                time.sleep(self.pause_after)


class HammersAtTrouble(TriesAgain):
    word = "HTTP 503"


class HammersWhenDropped(TriesAgain):
    trouble = BROKEN


class AsksAgainTooSoon(TriesAgain):
    word = "HTTP 429"
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
    HammersAtTrouble: "pauses[unavailable]",
    HammersWhenDropped: "pauses[dropped]",
    AsksAgainTooSoon: "heeds_retry_after[query] heeds_retry_after[date]",
    CreatesAgainTooSoon: "heeds_retry_after[create]",
    CannotBeStopped: "stops_when_interrupted",
}


@pytest.mark.parametrize("client", FAULTY_CLIENTS, ids=lambda each: each.__name__)
def test_a_fault_is_caught_by_what_is_meant_for_it(
    client: type[PlainClient], request: pytest.FixtureRequest
) -> None:
    require_caught(client, FAULTY_CLIENTS[client], request)


@pytest.mark.parametrize("case", ["query", "date"])
def test_who_pauses_for_less_than_told_is_not_blamed(case: str, request: pytest.FixtureRequest) -> None:
    """No source says that the service sends Retry-After."""
    wanted = next(each for each in PROPERTIES() if each.id == f"client.heeds_retry_after[{case}]")
    with pytest.raises(Inconclusive, match=r"a pause of its own, 5\.\d s, where Retry-After is 20 s"):
        check_property(wanted, AsksAgainInItsOwnTime(), COMETAPI, request)


class AsksTenTimesASecond(PlainClient):
    pause = 0.1 - REPLY_SECONDS


def test_ten_queries_a_second_are_not_too_many(request: pytest.FixtureRequest) -> None:
    wanted = next(each for each in PROPERTIES() if each.id == "client.pauses[running]")
    assert check_property(wanted, AsksTenTimesASecond(), COMETAPI, request) == ""
