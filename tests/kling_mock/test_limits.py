"""Limits of an account and of all: rates, packs and credit; the header Retry-After."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest

from kling_contracts.gateways import COMETAPI
from kling_mock import ManualClock
from kling_mock.commands import CheckHealth, Query
from kling_mock.limits import limit_keys
from kling_mock.rate import Rate
from kling_mock.stores import WindowKey
from tests.kling_mock.conftest import PATH, SUBJECTS
from tests.kling_mock.reading import body_of, header

if TYPE_CHECKING:
    from kling_mock import Reply
    from tests.kling_mock.conftest import Caller, Start

KLING = "/v1/images/multi-image2image"


def ask_kling(caller: Caller, **fields: Any) -> Reply:
    """A create request to Kling itself."""
    return caller.ask(path=KLING, **fields)


# -- rates


def test_a_window_opens_with_a_request_and_closes_after_its_time(start: Start) -> None:
    caller = start(rate="2/60")
    caller.clock.advance(59)
    assert [caller.ask().status for _ in range(3)] == [200, 200, 429]
    caller.clock.advance(59.999)
    assert caller.ask().status == 429
    caller.clock.advance(0.001)
    assert [caller.ask().status for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("path", [PATH, KLING])
def test_a_rate_is_refused_with_1302(path: str, start: Start) -> None:
    reply = start(rate="0/60").ask(path=path)
    assert (reply.status, body_of(reply)["code"]) == (429, 1302)
    assert "retry-after" not in dict(reply.headers)
    assert header(reply)["relax"] == "rate"


def test_refused_requests_use_no_rate(start: Start) -> None:
    """Whatever refuses them: a rule, another limit, a script."""
    caller = start(rate="1/60", slots=1)
    assert caller.ask(n=0).status == 400
    assert caller.ask(n=2).status == 429
    caller.fake.next.refuses(1301)
    assert caller.ask().status == 400
    assert caller.ask().status == 200
    assert body_of(caller.ask())["code"] == 1302


def test_rates_of_creates_and_of_queries_are_separate(start: Start) -> None:
    caller = start(rate="1/60", poll_rate="2/10", pace="held")
    task = caller.make()
    assert [caller.get(f"{PATH}/{task.id}").status for _ in range(3)] == [200, 200, 429]
    assert task.polls == 2
    caller.clock.advance(10)
    assert caller.get(f"{PATH}/{task.id}").status == 200
    assert caller.ask().status == 429


def test_a_refused_query_does_not_end_a_task(start: Start) -> None:
    """Also if it would have been the last one."""
    caller = start(poll_rate="1/10")
    task = caller.make()
    for _ in range(2):
        caller.get(f"{PATH}/{task.id}")
    assert task.status == "processing"


def test_each_account_has_windows_of_its_own_unless_the_limit_is_total(start: Start) -> None:
    caller = start(rate="1/60", rate_total="2/60", poll_rate_total="1/60")
    assert [caller.account(f"sk-{name}").ask().status for name in "aabc"] == [200, 429, 200, 429]
    one, other = caller.fake.tasks
    assert caller.account("sk-a").get(f"{PATH}/{one.id}").status == 200
    reply = caller.account("sk-b").get(f"{PATH}/{other.id}")
    assert (reply.status, body_of(reply)["code"]) == (429, 1302)
    assert header(reply)["relax"] == "poll_rate_total"


@pytest.mark.parametrize(("after", "seconds"), [(0, 60), (0.5, 60), (59.5, 1), (59.999, 1)])
def test_retry_after_is_long_enough(after: float, seconds: int, start: Start) -> None:
    """In seconds or as a date; a request after that time is accepted, one at once is not."""
    for form in ("seconds", "date"):
        caller = start(rate="1/60", retry_after=form, clock=ManualClock(1_800_000_000.25))
        assert caller.ask().status == 200
        caller.clock.advance(after)
        reply = caller.ask()
        shown = dict(reply.headers)["retry-after"]
        if form == "seconds":
            wait = float(shown)
            assert wait == seconds
        else:
            wait = parsedate_to_datetime(shown).timestamp() - caller.clock.now()
            sent = parsedate_to_datetime(dict(reply.headers)["date"]).timestamp()
            assert all(dict(reply.headers)[name].endswith(" GMT") for name in ("retry-after", "date"))
            assert sent <= caller.clock.now() < sent + 1
            assert 60 - after <= wait <= 61 - after
        caller.clock.advance(wait)
        assert caller.ask().status == 200


def test_the_text_form_of_a_rate() -> None:
    for text in ("10/60", "0/0.5"):
        assert str(Rate.parse(text)) == text


# -- concurrency in total


def test_slots_in_total(start: Start) -> None:
    caller = start(slots=2, slots_total=3, pace="held")
    one, other = caller.account("sk-a"), caller.account("sk-b")
    task = one.make(n=2)
    assert other.ask(n=2).status == 429
    assert header(other.ask(n=2))["relax"] == "slots_total"
    assert other.ask(n=1).status == 200
    assert header(one.ask())["relax"] == "slots"
    task.fail("no luck")
    assert other.ask(n=1).status == 200


# -- units


def test_packs_are_used_one_after_the_other(start: Start) -> None:
    caller = start(packs=[20, 30], pace="held")
    assert ask_kling(caller, n=2).status == 200
    packs = caller.get("/account/costs")
    shown = caller.data(packs)["resource_pack_subscribe_infos"]
    sizes = [(pack["total_quantity"], pack["remaining_quantity"], pack["status"]) for pack in shown]
    assert sizes == [(20, 0, "runOut"), (30, 18, "online")]
    assert ask_kling(caller, n=2).status == 429
    assert ask_kling(caller).status == 200
    reply = ask_kling(caller)
    assert (reply.status, body_of(reply)["code"]) == (429, 1102)
    assert header(reply)["relax"] == "packs"


def test_the_balance_is_one_more_pack(start: Start) -> None:
    caller = start(packs=[16], balance=16, pace="held")
    assert [ask_kling(caller).status for _ in range(3)] == [200, 200, 429]
    shown = caller.data(caller.get("/account/costs"))["resource_pack_subscribe_infos"]
    assert [pack["total_quantity"] for pack in shown] == [16, 16]


def test_credit_is_used_after_the_packs_and_then_the_account_is_in_arrears(start: Start) -> None:
    caller = start(packs=[16], credit=16, pace="held")
    assert [ask_kling(caller).status for _ in range(3)] == [200, 200, 429]
    assert body_of(ask_kling(caller))["code"] == 1101


def test_cometapi_has_one_error_for_all_of_them(start: Start) -> None:
    for limit in ({"balance": 0}, {"packs": [8]}, {"credit": 0}, {"balance_total": 15}):
        reply = start(**limit).ask()
        assert (reply.status, body_of(reply)["code"]) == (403, "insufficient_user_quota"), limit


def test_a_failed_task_returns_its_units_when_it_fails(start: Start) -> None:
    """Not before, and to the total as well."""
    caller = start(balance_total=32, pace="seconds:1,9")
    one, other = caller.account("sk-a"), caller.account("sk-b")
    caller.fake.next.fails("no luck")
    assert one.ask(n=2).status == 200
    caller.clock.advance(9.999)
    assert other.ask().status == 403
    caller.clock.advance(0.001)
    assert other.ask(n=2).status == 200


def test_sixteen_units_an_image_are_in_the_reply(start: Start) -> None:
    caller = start(pace="instant")
    for n in (1, 3, 9):
        assert caller.query(caller.make(n=n).id)["final_unit_deduction"] == str(16 * n)
    caller.fake.next.fails("no luck")
    assert "final_unit_deduction" not in caller.query(caller.make().id)


# -- several limits, scripts and accounts


def test_a_limit_comes_before_a_script(start: Start) -> None:
    """The script is not used up, and applies to the next accepted create."""
    caller = start(slots=1, pace="held")
    task = caller.make()
    caller.fake.next.fails("no luck")
    assert body_of(caller.ask())["code"] == 1303
    task.succeed()
    caller.make().release()
    assert caller.fake.tasks[1].failure == "no luck"
    caller.fake.check()


def test_a_limit_comes_before_a_fault(start: Start) -> None:
    """Of the refused create nothing is left, of the next one the fault."""
    caller = start(rate="1/60", slots=1)
    caller.make().release()
    caller.fake.next.sticks()
    assert body_of(caller.ask())["code"] == 1302
    caller.clock.advance(60)
    task = caller.make()
    assert [caller.status(task.id) for _ in range(3)] == ["processing"] * 3
    assert body_of(caller.ask())["code"] == 1302


def test_each_limit_applies_without_the_others(start: Start) -> None:
    """To the third request; two are accepted."""
    images = dict.fromkeys(("slots", "slots_total"), 2)
    units = dict.fromkeys(("balance", "balance_total", "credit"), 32)
    rates = dict.fromkeys(("rate", "rate_total"), "2/60")
    limits: dict[str, Any] = {**images, **units, **rates, "packs": [32]}
    for name, limit in limits.items():
        caller = start(**{name: limit}, pace="held")
        assert [caller.ask().status == 200 for _ in range(3)] == [True, True, False], name
        assert header(caller.ask())["relax"] == name
    polls: dict[str, Any] = dict.fromkeys(("poll_rate", "poll_rate_total"), "2/60")
    for name, limit in polls.items():
        caller = start(**{name: limit}, pace="held")
        task = caller.make()
        assert [caller.poll(task.id).status for _ in range(3)] == [200, 200, 429], name
        assert header(caller.poll(task.id))["relax"] == name


@pytest.mark.parametrize("limits", [{"rate_total": "1/60"}, {"slots_total": 1}, {"balance_total": 16}])
def test_total_limits_are_exact_if_another_account_creates_meanwhile(
    limits: dict[str, Any], start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the decision about a create and its commit."""
    caller = start(**limits, pace="held")
    commit, statuses = caller.fake._store.commit, list[int]()

    def late(change: Any) -> Any:
        monkeypatch.undo()
        statuses.append(caller.account("sk-mock-b").ask().status)
        return commit(change)

    monkeypatch.setattr(caller.fake._store, "commit", late)
    statuses.append(caller.ask().status)
    assert [each == 200 for each in statuses] == [True, False]


def test_records_of_limits_are_read_for_creates_and_queries_alone(start: Start) -> None:
    settings = start(rate="1/60", poll_rate="1/60", slots_total=1).fake.settings
    assert limit_keys(CheckHealth(), settings) == ()
    assert [type(key) for key in limit_keys(Query(COMETAPI, "a", "1"), settings)] == [WindowKey]


def test_limits_are_checked_in_order(start: Start) -> None:
    """External id, rate, units, concurrency, script: each is the first of those that remain."""
    limits: dict[str, Any] = {"rate": "0/60", "credit": 0, "slots": 0}
    codes = []
    for name in ("", *limits):
        limits.pop(name, None)
        caller = start(**limits)
        caller.fake.next.refuses(1301)
        codes.append(body_of(ask_kling(caller))["code"])
    assert codes == [1302, 1101, 1303, 1301]
    caller = start(rate="1/60")
    caller.create(external_task_id="mine")
    assert body_of(caller.ask(external_task_id="mine"))["code"] == 1201


def test_two_accounts_with_one_external_id_have_limits_of_their_own(start: Start) -> None:
    caller = start(slots=1, balance=16, rate="1/60", pace="held")
    for key in ("sk-a", "sk-b"):
        assert caller.account(key).ask(external_task_id="mine").status == 200
        assert caller.account(key).ask(external_task_id="mine").status == 400
    assert len(caller.fake.tasks) == 2


def test_the_clock_advanced_between_decision_and_commit(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request in flight is judged at the instant at which it was read, and the window opened then."""
    caller = start(rate="1/60", pace="held")
    commit = caller.fake._store.commit

    def slow(change: Any) -> Any:
        caller.clock.advance(45)
        return commit(change)

    with monkeypatch.context() as patch:
        patch.setattr(caller.fake._store, "commit", slow)
        assert caller.ask().status == 200
    assert caller.ask().status == 429
    caller.clock.advance(15)
    assert caller.ask().status == 200


def test_a_reset_gives_all_limits_back(start: Start) -> None:
    caller = start(rate="1/60", slots_total=1, balance_total=16, pace="held")
    assert [caller.ask().status for _ in range(2)] == [200, 429]
    caller.fake.reset()
    assert caller.ask().status == 200
    assert (caller.fake.spend, caller.fake.peak_concurrency) == (16, 1)


def test_no_limit_is_on_by_default(caller: Caller) -> None:
    settings = caller.fake.settings
    names = ("slots", "balance", "credit", "rate", "poll_rate")
    totals = ("slots_total", "balance_total", "rate_total", "poll_rate_total")
    assert {getattr(settings, name) for name in (*names, *totals)} == {None}
    assert (settings.packs, settings.retry_after, settings.units_allowed) == ((), "off", None)
    assert [caller.post({"subject_image_list": SUBJECTS, "n": 9}).status for _ in range(50)] == [200] * 50
