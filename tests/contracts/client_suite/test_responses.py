"""Clients with a fault in parsing responses."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from kling_contracts.client_suite import Outcome, Service
from tests.contracts.client_suite.faulty_clients import FaultyClients, require_caught
from tests.contracts.client_suite.plain_client import Body, Data, PlainClient, Refused
from tests.rows import some_rows


class TakesNoNewFields(PlainClient):
    known = frozenset(
        ("task_id", "task_status", "task_status_msg", "task_info", "created_at", "updated_at", "task_result",
         "final_unit_deduction")
    )  # fmt: skip

    def query(self, service: Service, task_id: str) -> Outcome:
        data = self.ask(service, task_id)
        if data.keys() - self.known:
            raise TypeError("unexpected keyword argument")
        return self.read(data)


class TakesNoNewStatus(PlainClient):
    def query(self, service: Service, task_id: str) -> Outcome:
        found = super().query(service, task_id)
        if found.status not in ("submitted", "processing", "succeed", "failed"):
            raise ValueError(found.status)
        return found


class TakesNewStatusForAnEnd(PlainClient):
    def query(self, service: Service, task_id: str) -> Outcome:
        found = super().query(service, task_id)
        return Outcome("failed", (), found.status) if found.status == "cancelled" else found


class NeedsTaskInfo(PlainClient):
    def query(self, service: Service, task_id: str) -> Outcome:
        data = self.ask(service, task_id)
        return self.read({**data, "external_id": data["task_info"]})


class TakesNoNull(PlainClient):
    def query(self, service: Service, task_id: str) -> Outcome:
        data = self.ask(service, task_id)
        return self.read({**data, "pictures": data.get("task_result", {}).get("images", [])})


class NeedsAnIndex(PlainClient):
    def query(self, service: Service, task_id: str) -> Outcome:
        data = self.ask(service, task_id)
        images = (data.get("task_result") or {}).get("images", [])
        return self.read({**data, "order": [image["index"] for image in images]})


class FearsMessagesOfSuccess(PlainClient):
    def query(self, service: Service, task_id: str) -> Outcome:
        data = self.ask(service, task_id)
        if data["task_status"] == "succeed" and data.get("task_status_msg") is not None:
            raise ValueError("a success with a message")
        return self.read(data)


class MixesUpPictures(PlainClient):
    def query(self, service: Service, task_id: str) -> Outcome:
        found = super().query(service, task_id)
        return Outcome(found.status, [*found.images][::-1], found.message)


class NeedsALength(PlainClient):
    def exchange(self, url: str, method: str, **how: Any) -> tuple[int, bytes]:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=how["timeout"])
        try:
            connection.request(method, parts.path, how.get("content"), how["headers"])
            answer = connection.getresponse()
            return answer.status, answer.read(int(answer.headers["content-length"]))
        finally:
            connection.close()


class CutsTheId(PlainClient):
    def create(self, service: Service, request: Body) -> Data:
        return {"task_id": super().create(service, request)["task_id"][:16]}


class NeedsTaskInfoInTheReceipt(PlainClient):
    def create(self, service: Service, request: Body) -> Data:
        data = super().create(service, request)
        return {**data, "external_id": data["task_info"].get("external_task_id")}


class TakesNoNullInTheReceipt(PlainClient):
    def create(self, service: Service, request: Body) -> Data:
        data = super().create(service, request)
        return {**data, "pictures": data.get("task_result", {}).get("images")}


class TakesNothingNewInTheReceipt(PlainClient):
    def create(self, service: Service, request: Body) -> Data:
        data = super().create(service, request)
        if data.keys() - TakesNoNewFields.known:
            raise TypeError("unexpected keyword argument")
        return data


class SwallowsEmptyAccounts(PlainClient):
    def create(self, service: Service, request: Body) -> Data:
        try:
            return super().create(service, request)
        except Refused as error:
            if "insufficient_user_quota" in str(error):
                return {"task_id": None}
            raise


class LooksAtHttpOnly(PlainClient):
    def judge(self, status: int, body: bytes) -> Data:
        if status != 200:
            raise Refused(f"HTTP {status}: {body.decode()}")
        return {**json.loads(body)["data"]}


class TakesUnknownTasksForNew(PlainClient):
    def query(self, service: Service, task_id: str) -> Outcome:
        try:
            return super().query(service, task_id)
        except Refused as error:
            if "task_not_exist" in str(error):
                return Outcome("submitted")
            raise


FAULTY_CLIENTS: FaultyClients = {
    TakesNoNewFields: "reads[unknown-field]",
    TakesNoNewStatus: "reads[unknown-status]",
    TakesNewStatusForAnEnd: "reads[unknown-status]",
    NeedsTaskInfo: "reads[missing-optional] reads[captured]",
    TakesNoNull: "reads[null]",
    NeedsAnIndex: "reads[missing-index] reads[captured]",
    FearsMessagesOfSuccess: "reads[captured]",
    MixesUpPictures: "reads[plain]",
    NeedsALength: "reads[transport]",
    CutsTheId: "reads_created[plain]",
    NeedsTaskInfoInTheReceipt: "reads_created[missing-optional]",
    TakesNoNullInTheReceipt: "reads_created[null]",
    TakesNothingNewInTheReceipt: "reads_created[unknown-field]",
    SwallowsEmptyAccounts: "reports_refusal[account.balance]",
    LooksAtHttpOnly: "reports_code[create] reports_code[query] reports_code[wait]",
    TakesUnknownTasksForNew: "reports_refusal[task.exists]",
}


@some_rows("others", [False, True], usual=[False], ids=["expected", "others"])
@pytest.mark.parametrize("client", FAULTY_CLIENTS, ids=lambda each: each.__name__)
def test_a_fault_is_caught_by_what_is_meant_for_it(
    client: type[PlainClient], others: bool, request: pytest.FixtureRequest
) -> None:
    require_caught(client, FAULTY_CLIENTS[client], request, others=others)
