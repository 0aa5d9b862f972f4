"""What the properties are worth: clients with one fault each, and each is caught by what is meant for it."""

from __future__ import annotations

import base64
import http.client
import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import pytest

from contracts.client_suite import Outcome, Service, properties
from contracts.client_suite.bench import KEY
from contracts.client_suite.suite import judge
from contracts.gateways import COMETAPI
from tests.contracts.plain_client import Body, Data, PlainClient, Refused

# Properties that exist for every rule and field take long, and only what is sent can break them. They are
# run for witnesses that send wrongly, and of the rules there three are enough.
LONG = ("client.sends_only_valid", "client.accepts_valid[", "client.encodes_exactly", "client.omits_unset")
RULES = (
    "sends_only_valid[prompt.max_length]",
    "accepts_valid[prompt.max_length]",
    "valid[aspect_ratio.enum]",
)
BROKEN = (http.client.HTTPException, OSError)

PROPERTIES = cache(lambda: tuple(properties(PlainClient())))


def caught(client: PlainClient, expected: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """The reports of all properties that the client breaks, by id."""
    sends_wrongly = any(f"client.{expected}".startswith(name.rstrip("[")) for name in LONG)
    reports = {
        each.id: judge(each, client, COMETAPI, request, examples=4)
        for each in PROPERTIES()
        if not each.id.startswith(LONG)
        or (sends_wrongly and ("_valid[" not in each.id or each.id.endswith(RULES)))
    }
    return {name: report for name, report in reports.items() if report}


# -- what is sent


class SendsLongPrompts(PlainClient):
    def check(self, service: Service, request: Body) -> None:
        super().check(service, request | {"prompt": str(request.get("prompt") or "")[:2500]})


class CountsInUtf16(PlainClient):
    def check(self, service: Service, request: Body) -> None:
        super().check(service, request)
        if len(str(request.get("prompt")).encode("utf-16-le")) > 5000:
            raise ValueError("the prompt is too long")


class KnowsFewRatios(PlainClient):
    def check(self, service: Service, request: Body) -> None:
        super().check(service, request)
        if request.get("aspect_ratio") == "21:9":
            raise ValueError("unknown ratio")


class TakesOneWordPromptsOnly(PlainClient):
    def check(self, service: Service, request: Body) -> None:
        super().check(service, request)
        if "two cats at sea" in str(request.get("prompt")):
            raise ValueError("one word, please")


class StripsPrompts(PlainClient):
    def encode(self, request: Body) -> Body:
        prompt = request.get("prompt")
        return request | ({"prompt": prompt.strip()} if isinstance(prompt, str) else {})


class SendsADefault(PlainClient):
    def encode(self, request: Body) -> Body:
        return {"n": 1, **request}


class MisspellsTheScene(PlainClient):
    def encode(self, request: Body) -> Body:
        return {name: value for name, value in request.items() if name != "scence_image"}


class SortsPictures(PlainClient):
    def encode(self, request: Body) -> Body:
        pictures: Any = request["subject_image_list"]
        return request | {"subject_image_list": sorted(pictures, key=str)}


class NamesItself(PlainClient):
    def encode(self, request: Body) -> Body:
        return request | {"client": "names itself"}


class SendsNulls(PlainClient):
    def encode(self, request: Body) -> Body:
        return {"callback_url": None, "style_image": None, **request}


class ForgetsTheScheme(PlainClient):
    def create(self, service: Service, request: Body) -> Data:
        content = json.dumps(request).encode()
        headers = self.headers(service) | {"Authorization": service.api_key}
        return self.judge(
            *self.exchange(
                service.create_url, "POST", headers=headers, timeout=service.timeout, content=content
            )
        )


class QueriesElsewhere(PlainClient):
    def query(self, service: Service, task_id: str) -> Outcome:
        return self.read(self.call(service, "GET", f"{service.base_url}/v1/tasks/{task_id}"))


# -- what is read


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


class TakesUnknownTasksForNew(PlainClient):
    def query(self, service: Service, task_id: str) -> Outcome:
        try:
            return super().query(service, task_id)
        except Refused as error:
            if "task_not_exist" in str(error):
                return Outcome("submitted")
            raise


# -- waiting


class WaitsForSucceeded(PlainClient):
    def ended(self, outcome: Outcome) -> bool:
        return outcome.status in ("succeeded", "failed")


class NeverHeardOfFailure(PlainClient):
    def ended(self, outcome: Outcome) -> bool:
        return outcome.status == "succeed"


class LooksOnceMore(PlainClient):
    def conclude(self, service: Service, task_id: str, outcome: Outcome) -> Outcome:
        return self.look(service, task_id) if outcome.status == "succeed" else outcome


class DoesNotSayWhy(PlainClient):
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
            except (Refused, *BROKEN):
                time.sleep(5)


class CallsALateTaskFailed(PlainClient):
    def wait(self, service: Service, task_id: str, deadline: float) -> Outcome:
        try:
            return super().wait(service, task_id, deadline)
        except TimeoutError:
            return Outcome("failed", (), "too late")


class Joined(threading.Thread):
    """Begins its work once somebody waits for it: later than whoever started it."""

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


class Hammers(PlainClient):
    pause = 0.01


# -- paying


class SendsAgainAfter(PlainClient):
    """Sends a create again after some kind of trouble."""

    trouble: tuple[type[Exception], ...] = ()

    def create(self, service: Service, request: Body) -> Data:
        try:
            return super().create(service, request)
        except self.trouble:
            return super().create(service, request)


class SendsAgainWhenDropped(SendsAgainAfter):
    trouble = (http.client.RemoteDisconnected,)


class SendsAgainWhenCut(SendsAgainAfter):
    trouble = (http.client.IncompleteRead,)


class SendsAgainWhenLate(SendsAgainAfter):
    trouble = (TimeoutError,)


class SendsAgainWhenIllegible(SendsAgainAfter):
    trouble = (json.JSONDecodeError,)


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
    """Sends again where an external id makes that safe, but with another id."""

    def create(self, service: Service, request: Body) -> Data:
        try:
            return super().create(service, request)
        except BROKEN:
            if "external_task_id" not in request:
                raise
            return super().create(service, request | {"external_task_id": "another"})


class SwallowsLostAnswers(PlainClient):
    def create(self, service: Service, request: Body) -> Data:
        try:
            return super().create(service, request)
        except http.client.RemoteDisconnected:
            return {"task_id": ""}


# -- the key


class ShowsTheKeyInErrors(PlainClient):
    def judge(self, status: int, body: bytes) -> Data:
        try:
            return super().judge(status, body)
        except Refused as error:
            raise Refused(f"{error} with {KEY}") from None


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


WITNESSES: Mapping[type[PlainClient], str] = {
    PlainClient: "",
    SendsLongPrompts: "sends_only_valid[prompt.max_length]",
    CountsInUtf16: "accepts_valid[prompt.max_length]",
    KnowsFewRatios: "accepts_valid[aspect_ratio.enum]",
    TakesOneWordPromptsOnly: "accepts_valid",
    StripsPrompts: "encodes_exactly[prompt]",
    SendsADefault: "encodes_exactly[n]",
    MisspellsTheScene: "encodes_exactly[scence_image]",
    SortsPictures: "encodes_exactly[subject_image_list]",
    NamesItself: "encodes_exactly",
    SendsNulls: "omits_unset",
    ForgetsTheScheme: "addresses[create]",
    QueriesElsewhere: "addresses[query]",
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
    TakesUnknownTasksForNew: "reports_refusal[task.exists]",
    WaitsForSucceeded: "ends_at_terminal[succeed]",
    NeverHeardOfFailure: "ends_at_terminal[failed]",
    LooksOnceMore: "ends_at_terminal[succeed]",
    DoesNotSayWhy: "ends_at_terminal[failed]",
    EndsAtSubmitted: "ends_only_at_terminal[submitted]",
    EndsAtProcessing: "ends_only_at_terminal[processing]",
    EndsAtTheUnknown: "ends_only_at_terminal[unknown-status]",
    WaitsForever: "keeps_deadline[held] keeps_deadline[slow-replies]",
    CountsSleepsOnly: "keeps_deadline[slow-replies]",
    NeverGivesUpOnTrouble: "keeps_deadline[unavailable]",
    CallsALateTaskFailed: "keeps_deadline[held] keeps_deadline[slow-replies]",
    GoesOnInAThread: "keeps_deadline[held] keeps_deadline[slow-replies]",
    Hammers: "pauses",
    SendsAgainWhenDropped: "no_second_create[dropped]",
    SendsAgainWhenCut: "no_second_create[cut]",
    SendsAgainWhenLate: "no_second_create[stalled]",
    SendsAgainWhenIllegible: "no_second_create[illegible]",
    SendsAgainAtBadGateway: "no_second_create[502]",
    SendsAgainAtGatewayTimeout: "no_second_create[504]",
    MakesUpIds: "no_second_create[external_task_id]",
    SwallowsLostAnswers: "no_second_create[dropped]",
    ShowsTheKeyInErrors: "key_stays_secret[errors]",
    ShowsTheKeyInACause: "key_stays_secret[errors]",
    LogsHeaders: "key_stays_secret[logs]",
    PrintsHeaders: "key_stays_secret[output]",
    SendsTheKeyTwice: "key_stays_secret[wire]",
    PutsTheKeyIntoTheUrl: "key_stays_secret[wire]",
    ShowsTheKeyToThePictures: "key_stays_secret[pictures]",
}


@pytest.mark.parametrize("witness", WITNESSES, ids=lambda each: each.__name__)
def test_a_fault_is_caught_by_what_is_meant_for_it(
    witness: type[PlainClient], request: pytest.FixtureRequest
) -> None:
    """And by nothing else."""
    expected = {f"client.{name}" for name in WITNESSES[witness].split()}
    reports = caught(witness(), WITNESSES[witness], request)
    assert set(reports) == expected, "\n".join(reports.values())


def test_every_property_has_a_witness() -> None:
    """Those that exist once for every rule or situation need one of their name."""
    many = {
        "client.sends_only_valid",
        "client.accepts_valid",
        "client.encodes_exactly",
        "client.reports_refusal",
    }
    named = {f"client.{name}" for names in WITNESSES.values() for name in names.split()}
    names = {name.partition("[")[0] for name in named}
    missing = [
        each.id
        for each in properties(PlainClient())
        if each.id not in named and each.name not in many & names
    ]
    assert missing == []
