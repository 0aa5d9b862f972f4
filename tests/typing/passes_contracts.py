"""Programs as users of the contract write them, and the types that they see. Not executed."""

# pyright: strict
from __future__ import annotations

from typing import assert_type

from hypothesis import given
from hypothesis.strategies import SearchStrategy

from kling_contracts import (
    COMETAPI,
    GATEWAYS,
    MULTI_IMAGE,
    MULTI_IMAGE2IMAGE,
    Effect,
    Envelope,
    Gateway,
    Operation,
    ResultImage,
    ResultMedia,
    Rule,
    TaskMessage,
    TaskStatus,
    Violation,
    check_lifecycle,
    validate,
)
from kling_contracts.client_suite import ClientAdapter, Outcome, Service, client_suite, list_properties
from kling_contracts.lifecycle import LifecycleViolation
from kling_contracts.strategies import (
    BoundaryRequest,
    FailingRequest,
    InvalidRequest,
    boundary_requests,
    failing_requests,
    invalid_requests,
    valid_requests,
)
from kling_contracts.vocabulary import ResultKind


def requests(body: object) -> None:
    assert_type(validate(body), tuple[Violation, ...])
    assert_type(validate({"n": 1}, MULTI_IMAGE2IMAGE, null_is_absent=False), tuple[Violation, ...])
    for violation in validate(None):
        assert_type(violation.rule, Rule)
        assert_type(violation.message, str)
        assert_type(violation.effect, Effect)
    assert_type(MULTI_IMAGE, Operation)
    assert_type(COMETAPI, Gateway)
    assert_type(GATEWAYS[0], Gateway)


def messages(wire: object) -> None:
    task = TaskMessage.from_wire(wire)
    assert_type(task.task_status, TaskStatus | str)
    assert_type(task.images, tuple[ResultImage, ...])
    assert_type(task.images[0].url, str)
    assert_type(task.media, tuple[ResultMedia, ...])
    assert_type(task.results[0], ResultImage | ResultMedia)
    assert_type(task.image_kind, ResultKind)
    assert_type(task.results_of(ResultKind.VIDEOS), tuple[ResultImage | ResultMedia, ...])
    assert_type(task.media[0].kind, ResultKind)
    assert_type(task.to_wire(with_result=False), dict[str, object])
    assert_type(check_lifecycle([task, task], n=2, complete=True), tuple[LifecycleViolation, ...])
    assert_type(Envelope.from_wire(wire).code, int)
    assert_type(TaskStatus.SUCCEED.terminal, bool)


def strategies() -> None:
    assert_type(valid_requests(), SearchStrategy[dict[str, object]])
    assert_type(boundary_requests(MULTI_IMAGE, run="mine"), SearchStrategy[BoundaryRequest])
    assert_type(invalid_requests(rules=["n.minimum"], gateway=COMETAPI), SearchStrategy[InvalidRequest])
    assert_type(failing_requests(MULTI_IMAGE2IMAGE), SearchStrategy[FailingRequest])


@given(request=invalid_requests())
def test_refusals(request: InvalidRequest) -> None:
    assert_type(request.status, int)
    assert_type(request.label, str)


class Mine(ClientAdapter):
    fields = ("subject_image_list", "prompt")
    virtual_time = False

    def submit(self, service: Service, request: dict[str, object]) -> str:
        assert_type(service.create_url, str)
        assert_type(service.gateway, Gateway)
        assert_type(service.timeout, float)
        return service.base_url + service.api_key

    async def query(self, service: Service, task_id: str) -> Outcome:
        return Outcome(service.task_url(task_id), ["https://example.com/0.png"], None)

    def wait(self, service: Service, task_id: str, deadline: float) -> Outcome:
        return Outcome("failed", message="no")

    async def fetch(self, service: Service, url: str) -> bytes:
        return url.encode()


test_mine = client_suite(Mine(), gateway=COMETAPI, skip={"client.pauses": "why"}, examples=5)
for each in list_properties(Mine()):
    assert_type(each.id, str)
    assert_type(each.sentence, str)
