"""Clients that create a second task, which is billed."""

from __future__ import annotations

import http.client
import json

import pytest

from kling_contracts.client_suite import Outcome, Service
from tests.contracts.client_suite.faulty_clients import FaultyClients, require_caught
from tests.contracts.client_suite.plain_client import BROKEN, Body, Data, PlainClient, Refused
from tests.rows import some_rows

AGAIN: Body = {"subject_image_list": [{"subject_image": "https://example.com/cat.png"}] * 2}


class SendsAgainAfter(PlainClient):
    """Repeats a create after errors of a kind."""

    retried: tuple[type[Exception], ...] = ()

    def create(self, service: Service, request: Body) -> Data:
        try:
            return super().create(service, request)
        except self.retried:
            return super().create(service, request)


class SendsAgainWhenDropped(SendsAgainAfter):
    retried = (http.client.RemoteDisconnected,)


class SendsAgainWhenCut(SendsAgainAfter):
    retried = (http.client.IncompleteRead,)


class SendsAgainWhenLate(SendsAgainAfter):
    retried = (TimeoutError,)


class SendsAgainWhenIllegible(SendsAgainAfter):
    retried = (json.JSONDecodeError,)


class SendsAgainAtBadGateway(PlainClient):
    again = "HTTP 502"

    def create(self, service: Service, request: Body) -> Data:
        try:
            return super().create(service, request)
        except Refused as error:
            if self.again in str(error):
                return super().create(service, request)
            raise


class SendsAgainAtGatewayTimeout(SendsAgainAtBadGateway):
    again = "HTTP 504"


class MakesUpIds(PlainClient):
    """Repeats a create with an external id, which would be safe, but changes the id."""

    def create(self, service: Service, request: Body) -> Data:
        try:
            return super().create(service, request)
        except BROKEN:
            if "external_task_id" not in request:
                raise
            return super().create(service, request | {"external_task_id": "another"})


class TriesFailedTasksAgain(PlainClient):
    def conclude(self, service: Service, task_id: str, outcome: Outcome) -> Outcome:
        if outcome.status == "failed":
            self.create(service, AGAIN)
        return outcome


class TriesLateTasksAgain(PlainClient):
    def wait(self, service: Service, task_id: str, deadline: float) -> Outcome:
        try:
            return super().wait(service, task_id, deadline)
        except TimeoutError:
            self.create(service, AGAIN)
            raise


class SwallowsLostAnswers(PlainClient):
    def create(self, service: Service, request: Body) -> Data:
        try:
            return super().create(service, request)
        except http.client.RemoteDisconnected:
            return {"task_id": ""}


FAULTY_CLIENTS: FaultyClients = {
    SendsAgainWhenDropped: "no_second_create[dropped]",
    SendsAgainWhenCut: "no_second_create[cut]",
    SendsAgainWhenLate: "no_second_create[stalled]",
    SendsAgainWhenIllegible: "no_second_create[illegible]",
    SendsAgainAtBadGateway: "no_second_create[502]",
    SendsAgainAtGatewayTimeout: "no_second_create[504]",
    MakesUpIds: "no_second_create[external_task_id]",
    TriesFailedTasksAgain: "no_second_create[failed]",
    TriesLateTasksAgain: "no_second_create[deadline]",
    SwallowsLostAnswers: "no_second_create[dropped]",
}


@some_rows("others", [False, True], usual=[False], ids=["expected", "others"])
@pytest.mark.parametrize("client", FAULTY_CLIENTS, ids=lambda each: each.__name__)
def test_a_fault_is_caught_by_what_is_meant_for_it(
    client: type[PlainClient], others: bool, request: pytest.FixtureRequest
) -> None:
    require_caught(client, FAULTY_CLIENTS[client], request, others=others)
