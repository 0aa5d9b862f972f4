"""The order in which a create is checked: of two errors in a request, the first check answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from kling_contracts.gateways import RefusalReason
from kling_mock import Fake, Request
from tests.kling_mock.conftest import PATH, SUBJECTS
from tests.kling_mock.reading import body_of
from tests.rows import each_row

if TYPE_CHECKING:
    from collections.abc import Callable

    from kling_mock import Reply
    from tests.kling_mock.conftest import Caller, Start


class Broken:
    """A valid create request to which errors are added. Those of later checks are added first."""

    def __init__(self) -> None:
        self.method = "POST"
        self.path = PATH
        self.key = "Bearer sk-one"
        self.fields: dict[str, object] = {"subject_image_list": SUBJECTS}
        self.content: bytes | None = None
        self.length: int | None = None

    def send(self, fake: Fake) -> Reply:
        content = json.dumps(self.fields).encode() if self.content is None else self.content
        headers = (("authorization", self.key),)
        return fake.handle(Request(self.method, self.path, "", headers, content, None, self.length))


def _bad_key(request: Broken) -> None:
    request.key = "Bearer sk-two"


def _no_route(request: Broken) -> None:
    request.path = "/kling/v1/images/nothing"


def _method(request: Broken) -> None:
    request.method = "PUT"


def _too_large(request: Broken) -> None:
    request.length = 100_001


def _bad_json(request: Broken) -> None:
    request.content = b"{"


def _unknown_model(request: Broken) -> None:
    request.fields["model_name"] = "kling-v9"


def _violation(request: Broken) -> None:
    request.fields["n"] = 0


def _duplicate(request: Broken) -> None:
    request.fields["external_task_id"] = "taken"


def _balance(request: Broken) -> None:
    request.fields["prompt"] = "too dear"
    request.fields["n"] = 9


def _slots(request: Broken) -> None:
    request.fields["prompt"] = "too many"
    request.fields["n"] = 4


def _script(request: Broken) -> None:
    request.fields["aspect_ratio"] = "21:9"


CHECKS = (
    (_bad_key, RefusalReason.BAD_KEY),
    (_no_route, RefusalReason.NO_ROUTE),
    (_method, RefusalReason.WRONG_METHOD),
    (_too_large, RefusalReason.TOO_LARGE),
    (_bad_json, RefusalReason.BAD_JSON),
    (_unknown_model, RefusalReason.UNKNOWN_MODEL),
    (_violation, "n.minimum"),
    (_duplicate, RefusalReason.DUPLICATE_ID),
    (_balance, RefusalReason.NO_BALANCE),
    (_slots, RefusalReason.NO_SLOTS),
    (_script, "script.refuses"),
)


def prepare(start: Start) -> Caller:
    """An account with units for 5 images, 3 slots, a used external id and a script for 21:9."""
    caller = start(keys=["sk-one"], pace="held", slots=4, balance=6 * 16, body_cap=100_000)
    caller = caller.account("sk-one")
    caller.create(external_task_id="taken")
    caller.fake.when(aspect_ratio="21:9").refuses(1301)
    return caller


@pytest.mark.parametrize(("flaw", "rule"), CHECKS)
def test_each_single_error_is_refused_by_its_own_check(
    flaw: Callable[[Broken], None], rule: str, start: Start
) -> None:
    caller, request = prepare(start), Broken()
    flaw(request)
    assert request.send(caller.fake).status >= 400
    assert caller.fake.calls[-1].rule == rule
    assert len(caller.fake.tasks) == 1


# A wrong path has no methods, so these two errors exclude each other; so do two errors in one field.
PAIRS = [
    (earlier, later)
    for at, earlier in enumerate(CHECKS)
    for later in CHECKS[at + 1 :]
    if (earlier[0], later[0]) not in ((_violation, _balance), (_violation, _slots), (_balance, _slots))
]


@each_row(("earlier", "later"), PAIRS)
def test_of_two_errors_the_earlier_check_answers(
    earlier: tuple[Callable[[Broken], None], str],
    later: tuple[Callable[[Broken], None], str],
    start: Start,
) -> None:
    """Key, route, method, size, JSON, model, violations, duplicate id, balance, slots, script."""
    caller, request = prepare(start), Broken()
    later[0](request)
    earlier[0](request)
    request.send(caller.fake)
    assert caller.fake.calls[-1].rule == earlier[1]


def test_balance_is_checked_before_slots(start: Start) -> None:
    caller, request = prepare(start), Broken()
    request.fields["n"] = 9  # more than the units for 5 images, and more than 3 slots
    assert request.send(caller.fake).status == 403


def test_the_first_violation_in_order_of_declaration_answers(caller: Caller) -> None:
    reply = caller.post({"aspect_ratio": "5:4", "n": 0, "prompt": 1, "subject_image_list": []})
    assert body_of(reply)["message"] == "subject_image_list cannot be empty"


def test_an_unknown_model_answers_before_any_violation(caller: Caller) -> None:
    """Even before one that is declared earlier: a gateway first looks for a channel for the model."""
    reply = caller.post({"subject_image_list": [], "model_name": "kling-v9", "n": 0})
    assert (reply.status, body_of(reply)["error"]["code"]) == (503, "model_not_found")


def test_a_model_that_is_not_a_string_is_an_ordinary_violation(caller: Caller) -> None:
    reply = caller.ask(model_name=2)
    assert (reply.status, body_of(reply)["code"]) == (400, 1201)
    unknown = caller.ask(model_name="kling-v9")
    assert (unknown.status, body_of(unknown)["error"]["code"]) == (503, "model_not_found")
    assert "model kling-v9 " in body_of(unknown)["error"]["message"]
