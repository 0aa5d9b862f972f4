"""Clients that leak the key."""

from __future__ import annotations

import base64
import logging
import sys

import pytest

from kling_contracts.client_suite import Service
from kling_contracts.client_suite.credentials import KEY
from tests.contracts.client_suite.faulty_clients import FaultyClients, require_caught
from tests.contracts.client_suite.plain_client import Data, PlainClient, Refused
from tests.rows import some_rows


class ShowsTheKeyInErrors(PlainClient):
    def judge(self, status: int, body: bytes) -> Data:
        try:
            return super().judge(status, body)
        except Refused as error:
            raise Refused(f"{error} with {KEY}") from None


class ShowsMostOfTheKey(PlainClient):
    def judge(self, status: int, body: bytes) -> Data:
        try:
            return super().judge(status, body)
        except Refused as error:
            raise Refused(f"{error} with {KEY[:-4]}****") from None


class KeepsTheKeyInErrors(PlainClient):
    def judge(self, status: int, body: bytes) -> Data:
        try:
            return super().judge(status, body)
        except Refused as error:
            error.__dict__["headers"] = {"Authorization": KEY}
            raise


class ShowsTheKeyInACause(PlainClient):
    def judge(self, status: int, body: bytes) -> Data:
        try:
            return super().judge(status, body)
        except Refused as error:
            raise Refused(str(error)) from ValueError(base64.b64encode(KEY.encode()).decode())


class LogsHeaders(PlainClient):
    def headers(self, service: Service) -> dict[str, str]:
        headers = super().headers(service)
        logging.getLogger("client").debug("sending %s", headers)
        return headers


class PrintsHeaders(PlainClient):
    def headers(self, service: Service) -> dict[str, str]:
        headers = super().headers(service)
        sys.stderr.write(str(headers))
        return headers


class SendsTheKeyTwice(PlainClient):
    def headers(self, service: Service) -> dict[str, str]:
        return super().headers(service) | {"X-Api-Key": service.api_key}


class PutsTheKeyIntoTheUrl(PlainClient):
    def ask(self, service: Service, task_id: str) -> Data:
        return self.call(service, "GET", f"{service.task_url(task_id)}?key={service.api_key}")


class ShowsTheKeyToThePictures(PlainClient):
    def fetch(self, service: Service, url: str) -> bytes:
        return self.exchange(url, "GET", headers=self.headers(service), timeout=service.timeout)[1]


FAULTY_CLIENTS: FaultyClients = {
    ShowsTheKeyInErrors: "key_stays_secret[errors]",
    ShowsMostOfTheKey: "key_stays_secret[errors]",
    KeepsTheKeyInErrors: "key_stays_secret[errors]",
    ShowsTheKeyInACause: "key_stays_secret[errors]",
    LogsHeaders: "key_stays_secret[logs]",
    PrintsHeaders: "key_stays_secret[output]",
    SendsTheKeyTwice: "key_stays_secret[wire]",
    PutsTheKeyIntoTheUrl: "key_stays_secret[wire]",
    ShowsTheKeyToThePictures: "key_stays_secret[pictures]",
}


@some_rows("others", [False, True], usual=[False], ids=["expected", "others"])
@pytest.mark.parametrize("client", FAULTY_CLIENTS, ids=lambda each: each.__name__)
def test_a_fault_is_caught_by_what_is_meant_for_it(
    client: type[PlainClient], others: bool, request: pytest.FixtureRequest
) -> None:
    require_caught(client, FAULTY_CLIENTS[client], request, others=others)
