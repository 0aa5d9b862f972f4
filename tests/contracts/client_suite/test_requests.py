"""Clients that send wrong requests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kling_contracts.client_suite import Outcome, Service
from tests.contracts.client_suite.faulty_clients import FaultyClients, require_caught
from tests.contracts.client_suite.plain_client import Body, Data, PlainClient
from tests.rows import some_rows


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


class WantsTwo(PlainClient):
    def encode(self, request: Body) -> Body:
        return {"n": 2, **request}


class DropsRepeatedPictures(PlainClient):
    def encode(self, request: Body) -> Body:
        pictures: Any = request["subject_image_list"]
        kept = [each for at, each in enumerate(pictures) if at < 2 or each not in pictures[:at]]
        return request | {"subject_image_list": kept}


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


class SendsZeros(PlainClient):
    """Values of another type, which the service refuses."""

    def encode(self, request: Body) -> Body:
        return {"callback_url": False, "style_image": [], **request}


class ForgetsTheScheme(PlainClient):
    def create(self, service: Service, request: Body) -> Data:
        content = json.dumps(request).encode()
        headers = self.headers(service) | {"Authorization": service.api_key}
        return self.judge(
            *self.exchange(
                service.create_url, "POST", headers=headers, timeout=service.timeout, content=content
            )
        )


class PutsIdsIntoPathsAsTheyAre(PlainClient):
    def ask(self, service: Service, task_id: str) -> Data:
        return self.call(service, "GET", f"{service.create_url}/{task_id}")


class QueriesElsewhere(PlainClient):
    def query(self, service: Service, task_id: str) -> Outcome:
        return self.read(self.call(service, "GET", f"{service.base_url}/v1/tasks/{task_id}"))


FAULTY_CLIENTS: FaultyClients = {
    SendsLongPrompts: "sends_only_valid[prompt.max_length]",
    CountsInUtf16: "accepts_valid[prompt.max_length]",
    KnowsFewRatios: "accepts_valid[aspect_ratio.enum]",
    TakesOneWordPromptsOnly: "accepts_valid",
    StripsPrompts: "encodes_exactly[prompt]",
    WantsTwo: "encodes_exactly[n] omits_unset",
    DropsRepeatedPictures: "encodes_exactly[subject_image_list]",
    PutsIdsIntoPathsAsTheyAre: "addresses[odd-id]",
    MisspellsTheScene: "encodes_exactly[scence_image]",
    SortsPictures: "encodes_exactly[subject_image_list]",
    NamesItself: "encodes_exactly",
    SendsZeros: "omits_unset",
    ForgetsTheScheme: "addresses[create]",
    QueriesElsewhere: "addresses[query] addresses[odd-id]",
}


@some_rows("others", [False, True], usual=[False], ids=["expected", "others"])
@pytest.mark.parametrize("client", FAULTY_CLIENTS, ids=lambda each: each.__name__)
def test_a_fault_is_caught_by_what_is_meant_for_it(
    client: type[PlainClient], others: bool, request: pytest.FixtureRequest
) -> None:
    require_caught(client, FAULTY_CLIENTS[client], request, others=others)
