"""Money is safe: whatever the server does, no more images are asked for than the budget allows."""

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

KEY = "sk-good-0123456789"
BASE = "http://gateway.test"


class StillTime:
    """Time that passes only when somebody waits, and a little with every look."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def now(self) -> float:
        self.seconds += 0.001
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Till:
    """A server that answers creates in one way, and counts what they would have cost."""

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


def run(till: Till, max_tasks: int | None, gateway: Gateway = COMETAPI, deadline: float = 30) -> Report:
    options = Options(base_url=BASE, api_key=KEY, gateway=gateway, max_tasks=max_tasks, deadline=deadline)
    return runner.run(options, SUITE, transport=httpx.MockTransport(till), waiter=StillTime(), run_id="test")


@pytest.mark.parametrize("answer", [accept, fail, drop])
@pytest.mark.parametrize("budget", [0, 1, 3, 20])
def test_no_more_is_asked_for_than_the_budget_allows(
    answer: Callable[[int], httpx.Response], budget: int
) -> None:
    """Also where the server takes everything, fails after it may have begun, or never answers."""
    till = Till(answer)
    report = run(till, budget)
    # What no JSON parser reads may cost something as well: it is counted, though not by this server.
    assert till.images <= report.run_info.images <= budget
    assert bool(till.creates) is (budget > 0)


@pytest.mark.parametrize("gateway", [COMETAPI, KLING], ids=lambda gateway: gateway.name)
def test_the_default_is_to_spend_nothing(gateway: Gateway) -> None:
    """Reads, bad keys and bodies that are no JSON: a server that is no proven kling-mock gets no more."""
    till = Till(accept)
    report = run(till, None, gateway)
    assert (report.run_info.limit, report.run_info.images, till.creates) == (0, 0, [])
    left_out = [each for each in report.plan if each.missing is Requirement.BUDGET]
    assert left_out
    assert all(each.step.max_cost for each in left_out)


def test_only_its_own_word_makes_a_server_a_kling_mock() -> None:
    """Loopback proves nothing: a local gateway may have a paid upstream."""

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


def test_a_refusal_gives_its_images_back() -> None:
    """All creates are refused: hundreds fit into a budget of ten."""
    till = Till(lambda _: httpx.Response(400, json={"code": 1201, "message": "no", "request_id": "r"}))
    report = run(till, 10)
    assert len(till.creates) > 150
    assert report.run_info.images == 0


def test_what_was_not_sent_for_want_of_time_is_not_counted() -> None:
    """And what was under way at the deadline is paid for, but not held against the server."""
    time, sent = StillTime(), 0

    def slow(request: httpx.Request) -> httpx.Response:
        nonlocal sent
        if request.url.path == "/_mock/health" or request.method != "POST":
            return httpx.Response(400, json={"code": "task_not_exist", "message": "no", "data": None})
        sent += images_of(request.content)
        time.sleep(40)
        raise httpx.ReadTimeout("nothing came")

    options = Options(base_url=BASE, api_key=KEY, max_tasks=20, deadline=30, only=("accepts.prompt.*",))
    report = runner.run(options, SUITE, transport=httpx.MockTransport(slow), waiter=time, run_id="test")
    assert report.run_info.images == sent == 1
    assert report.findings == ()
    assert {each.missing for each in report.plan} >= {Requirement.TIME}


def test_a_family_stops_at_its_first_acceptance() -> None:
    till = Till(accept)
    run(till, 10_000)
    subjects = [body.get("subject_image_list") for body in till.creates]
    assert len([each for each in subjects if isinstance(each, list) and len(each) > 4]) == 1


@pytest.mark.parametrize("gateway", [COMETAPI, KLING], ids=lambda gateway: gateway.name)
def test_all_musts_fit_in_twenty_images(gateway: Gateway) -> None:
    """By the plan, and exactly: with one image less something would be left out."""
    options = Options(
        base_url=BASE, api_key="ak-1234567:sk-1234567", second_api_key="sk-2", gateway=gateway, max_tasks=20
    )
    planned = plan(options, SUITE, receiver=True)
    assert not [
        each.step.name
        for each in planned
        if each.step.required and each.missing not in (None, Requirement.SIGNER)
    ]
    spent = max(each.spent_before + each.step.max_cost for each in planned if each.missing is None)
    assert spent <= 20
    tighter = plan(Options(**(options.__dict__ | {"max_tasks": 18})), SUITE, receiver=True)
    assert [each.step.name for each in tighter if each.step.required and each.missing is Requirement.BUDGET]


def test_what_is_no_must_leaves_enough_for_the_musts() -> None:
    """Whatever the budget, the musts that run are those that would if there were nothing else."""
    for budget in range(40):
        planned = plan(Options(base_url=BASE, api_key=KEY, max_tasks=budget), SUITE, receiver=True)
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


def test_checks_without_budget_say_so() -> None:
    report = run(Till(accept), 0)
    verdicts = {result.check.id: (result.verdict, result.reason) for result in report.results}
    assert verdicts["refuses.prompt.max_length"] == (Verdict.NOT_RUN, "needs budget")
    assert verdicts["lifecycle.ends"] == (Verdict.NOT_RUN, "needs budget")
    assert verdicts["malformed_bodies.refused"][0] is Verdict.FAIL  # this server takes everything


@given(limit=st.integers(0, 30), wanted=st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=20))
@share(0.5)
def test_a_budget_never_gives_more_than_it_has(limit: int, wanted: list[tuple[int, bool]]) -> None:
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
    """What a lenient server might make of it; nothing, where it is no JSON object."""
    assert images_of(body) == images
