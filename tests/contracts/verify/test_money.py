"""The budget: a run never requests more images than allowed, for any answers of the server."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts.gateways import COMETAPI, KLING, Gateway
from kling_contracts.registry import SUITE
from kling_contracts.verify import runner
from kling_contracts.verify.budget import Budget, OverBudget, images_of
from kling_contracts.verify.model import Requirement, Verdict
from kling_contracts.verify.plan import Options, plan
from kling_contracts.verify.report import Report
from tests.profiles import share
from tests.rows import some_rows

KEY = "sk-good-0123456789"
BASE = "http://gateway.test"


class StillTime:
    """A clock that advances by sleeping, and by a millisecond with every reading."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def now(self) -> float:
        self.seconds += 0.001
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Till:
    """A server that answers all creates alike, and counts the images that they could have cost."""

    def __init__(self, answer: Callable[[int], httpx.Response]) -> None:
        self.answer = answer
        self.creates: list[dict[str, object]] = []
        self.images = 0
        self.bad_posts = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method != "POST" or request.headers.get("authorization") != f"Bearer {KEY}":
            return httpx.Response(400, json={"code": "task_not_exist", "message": "no", "data": None})
        cost = images_of(request.content)
        if cost:
            self.creates.append(json.loads(request.content))
            self.images += cost
        return self.answer(len(self.creates))


def accept(number: int) -> httpx.Response:
    data = {"task_id": f"t{number}", "task_status": "submitted", "created_at": 1, "updated_at": 1}
    return httpx.Response(200, json={"code": 0, "message": "SUCCEED", "request_id": "r", "data": data})


def fail(number: int) -> httpx.Response:
    return httpx.Response(502, text=f"<html>{number}</html>")


def drop(number: int) -> httpx.Response:
    raise httpx.ReadTimeout(f"nothing came, {number}")


def run(
    till: Till,
    max_images: int | None,
    gateway: Gateway = COMETAPI,
    deadline: float = 30,
    only: tuple[str, ...] = (),
) -> Report:
    options = Options(
        base_url=BASE, api_key=KEY, gateway=gateway, max_images=max_images, deadline=deadline, only=only
    )
    return runner.run(options, SUITE, transport=httpx.MockTransport(till), waiter=StillTime(), run_id="test")


@pytest.mark.parametrize("answer", [accept, fail, drop])
@some_rows("budget", [0, 1, 3, 20], usual=[3])
def test_a_run_never_exceeds_the_budget(answer: Callable[[int], httpx.Response], budget: int) -> None:
    """Even if the server accepts everything, fails after it may have created a task, or never answers."""
    till = Till(answer)
    report = run(till, budget)
    # Malformed bodies may cost images as well; the run counts them, though this server does not.
    assert till.images <= report.run_info.images <= budget
    assert bool(till.creates) is (budget > 0)


@pytest.mark.parametrize("gateway", [COMETAPI, KLING], ids=lambda gateway: gateway.name)
def test_the_default_is_to_spend_nothing(gateway: Gateway) -> None:
    """A server other than kling-mock receives only queries, invalid keys and malformed bodies."""
    till = Till(accept)
    report = run(till, None, gateway)
    assert (report.run_info.limit, report.run_info.images, till.creates) == (0, 0, [])
    left_out = [each for each in report.plan if each.missing is Requirement.BUDGET]
    assert left_out
    assert all(each.step.max_cost for each in left_out)


def test_only_the_health_endpoint_identifies_a_kling_mock() -> None:
    """A loopback address does not: a local gateway may forward to a paid service."""

    def gateway(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/_mock/health":
            return httpx.Response(200, json={"status": "ok", "server": "another"})
        return till(request)

    till = Till(accept)
    options = Options(base_url="http://127.0.0.1:9", api_key=KEY)
    report = runner.run(
        options, SUITE, transport=httpx.MockTransport(gateway), waiter=StillTime(), inbox=None
    )
    assert (report.run_info.mock, report.run_info.limit, till.creates) == (False, 0, [])


def test_a_refusal_returns_its_images() -> None:
    """If all creates are refused, hundreds fit into a budget of ten."""
    till = Till(lambda _: httpx.Response(400, json={"code": 1201, "message": "no", "request_id": "r"}))
    report = run(till, 10)
    assert len(till.creates) > 150
    assert report.run_info.images == 0


def test_requests_after_the_deadline_are_not_counted() -> None:
    """A request in progress at the deadline counts as spent, but is not a finding."""
    time, sent = StillTime(), 0

    def slow(request: httpx.Request) -> httpx.Response:
        nonlocal sent
        if request.url.path == "/_mock/health" or request.method != "POST":
            return httpx.Response(400, json={"code": "task_not_exist", "message": "no", "data": None})
        sent += images_of(request.content)
        time.sleep(40)
        raise httpx.ReadTimeout("nothing came")

    options = Options(base_url=BASE, api_key=KEY, max_images=20, deadline=30, only=("accepts.prompt.*",))
    report = runner.run(options, SUITE, transport=httpx.MockTransport(slow), waiter=time, run_id="test")
    assert report.run_info.images == sent == 1
    assert report.findings == ()
    assert {each.missing for each in report.plan} >= {Requirement.TIME}


def test_a_family_stops_at_its_first_acceptance() -> None:
    till = Till(accept)
    run(till, 10_000, only=("refuses.subject_image_list.*",))
    subjects = [body.get("subject_image_list") for body in till.creates]
    assert len([each for each in subjects if isinstance(each, list) and len(each) > 4]) == 1


@pytest.mark.parametrize("gateway", [COMETAPI, KLING], ids=lambda gateway: gateway.name)
def test_all_required_steps_fit_in_twenty_images(gateway: Gateway) -> None:
    """With 18 images, a required step is omitted."""
    options = Options(
        base_url=BASE, api_key="ak-1234567:sk-1234567", second_api_key="sk-2", gateway=gateway, max_images=20
    )
    planned = plan(options, SUITE, receiver=True)
    assert not [
        each.step.name
        for each in planned
        if each.step.required and each.missing not in (None, Requirement.SIGNER)
    ]
    spent = max(each.spent_before + each.step.max_cost for each in planned if each.missing is None)
    assert spent <= 20
    tighter = plan(Options(**(options.__dict__ | {"max_images": 18})), SUITE, receiver=True)
    assert [each.step.name for each in tighter if each.step.required and each.missing is Requirement.BUDGET]


def test_optional_steps_leave_enough_images_for_required_ones() -> None:
    """For every budget, the same required steps run as without optional steps."""
    for budget in range(40):
        planned = plan(Options(base_url=BASE, api_key=KEY, max_images=budget), SUITE, receiver=True)
        spent, alone = 0, []
        for step in (
            each.step for each in planned if each.step.required and each.missing in (None, Requirement.BUDGET)
        ):
            if step.max_cost == 0 or spent + step.max_cost <= budget:
                alone.append(step.name)
                spent += step.creates
        assert alone == [each.step.name for each in planned if each.step.required and each.missing is None], (
            budget
        )


def test_checks_without_budget_have_the_reason() -> None:
    report = run(Till(accept), 0)
    verdicts = {result.check.id: (result.verdict, result.reason) for result in report.results}
    assert verdicts["refuses.prompt.max_length"] == (Verdict.NOT_RUN, "needs budget")
    assert verdicts["lifecycle.ends"] == (Verdict.NOT_RUN, "needs budget")
    assert verdicts["malformed_bodies.refused"][0] is Verdict.FAIL  # this server accepts everything


@given(limit=st.integers(0, 30), wanted=st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=20))
@share(0.5)
def test_a_budget_never_exceeds_its_limit(limit: int, wanted: list[tuple[int, bool]]) -> None:
    budget = Budget(limit)
    kept = 0
    for images, creates in wanted:
        if images > limit - kept:
            with pytest.raises(OverBudget, match=f"{limit - kept} are left"):
                budget.reserve(images)
            continue
        budget.reserve(images)
        budget.settle(images, kept=creates)
        kept += images if creates else 0
        assert budget.spent == kept <= limit


@pytest.mark.parametrize(
    ("body", "images"),
    [
        (b"{}", 1),
        (b'{"n": 1}', 1),
        (b'{"n": 9}', 9),
        (b'{"n": 10}', 10),
        (b'{"n": 0}', 1),
        (b'{"n": -5}', 1),
        (b'{"n": 2.0}', 2),
        (b'{"n": 1.5}', 2),
        (b'{"n": "3"}', 3),
        (b'{"n": "many"}', 1),
        (b'{"n": true}', 1),
        (b'{"n": null}', 1),
        (b'{"n": [7]}', 1),
        (b'{"n": 1e400}', 1),
        (b'{"n": ' + b"1" * 5000 + b"}", 1),
        (b'{"n": 1, "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 1),
        (b'{"n": 1, "n": 7}', 7),
        (b'{"n": NaN}', 0),
        (b'{"prompt": "a"}', 1),
        (b'{"series_amount": 4}', 4),
        (b'{"series_amount": 4, "n": 2}', 4),
        (b'{"series_amount": "3"}', 3),
        (b'{"series_amount": "auto"}', 9),
        (b'{"series_amount": null}', 1),
        (b"[]", 0),
        (b"null", 0),
        (b"", 0),
        (b"{", 0),
        (b"[" * 100_000, 0),
        (b"\xff{}", 0),
    ],
)
def test_what_a_body_could_cost(body: bytes, images: int) -> None:
    """The images that a lenient server might create; 0 for a body that is not a JSON object."""
    assert images_of(body) == images
