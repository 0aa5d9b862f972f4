"""Scripts of queries, pictures and any requests: matching, order, effect, journal and errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import asdict

from kling_mock import Fake, Request
from kling_mock.commands import ParsedRequest
from kling_mock.delivery import Delivery
from kling_mock.header_facts import header_facts
from kling_mock.reply_faults import KINDS, ReplyStage
from kling_mock.routing import parse_request
from kling_mock.scripts.request_script import RequestScript
from tests.kling_mock.conftest import PATH, SUBJECTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kling_mock.conftest import Caller, Start

# One use of each fault, with the delivery of a reply whose body has 100 bytes.
FAULTS: dict[str, tuple[Callable[[RequestScript], RequestScript], Delivery | None]] = {
    "answers": (lambda script: script.answers(503), None),
    "garbles": (lambda script: script.garbles("type"), None),
    "pads": (lambda script: script.pads(1000), Delivery(padding=900)),
    "delays": (lambda script: script.delays(3), Delivery(delay=3)),
    "sends_slowly": (lambda script: script.sends_slowly(10, chunk=2), Delivery(rate=10, chunk=2)),
    "cuts": (lambda script: script.cuts(at=7), Delivery(cut=7)),
    "misstates_length": (lambda script: script.misstates_length(5), Delivery(length=105)),
    "resets": (lambda script: script.resets(), Delivery(reset=True)),
    "disconnects": (lambda script: script.disconnects(), Delivery(closed=True)),
    "times_out": (lambda script: script.times_out(), Delivery(never=True)),
    "refuses_connections": (lambda script: script.refuses_connections(), Delivery(refused=True)),
    "loses_reply": (lambda script: script.loses_reply(), Delivery(reset=True)),
}
INSTEAD = {name for name, kind in KINDS.items() if kind.stage is ReplyStage.INSTEAD}


def test_every_fault_is_listed_here() -> None:
    assert FAULTS.keys() == KINDS.keys()
    methods = {name for name in vars(RequestScript) if not name.startswith("_")}
    assert methods == KINDS.keys()


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_a_query(name: str, caller: Caller) -> None:
    """It has the delivery, is in the journal, and counts as a poll if the query took effect."""
    task = caller.make()
    script = FAULTS[name][0](caller.fake.next_query)
    reply, call = caller.poll(task.id), caller.fake.calls[-1]
    assert (call.faults, call.script, call.task_id) == ((name,), 0, task.id)
    assert call.status == reply.status
    assert task.polls == (name not in INSTEAD)
    expected = FAULTS[name][1]
    if name == "pads":
        expected = Delivery(padding=1000 - len(reply.body))
    elif name == "misstates_length":
        expected = Delivery(length=len(reply.body) + 5)
    assert reply.delivery == expected
    assert name in repr(script)
    assert caller.poll(task.id).delivery is None
    assert caller.fake.calls[-1].faults == ()
    caller.fake.check()


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_a_create(name: str, caller: Caller) -> None:
    """A request without effect creates no task and costs nothing; a lost reply costs its price."""
    FAULTS[name][0](caller.fake.next)
    reply = caller.ask(n=2)
    assert len(caller.fake.tasks) == (name not in INSTEAD)
    caller.fake.assert_paid(images=0 if name in INSTEAD else 2)
    assert caller.fake.calls[-1].faults == (name,)
    assert (reply.delivery is None) == (FAULTS[name][1] is None)
    assert caller.fake.calls.creates[0].request is not None
    assert caller.ask().delivery is None
    caller.fake.check()


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_a_download(name: str, start: Start) -> None:
    caller = start(pace="instant")
    url = caller.make().images[0]
    FAULTS[name][0](caller.fake.next_picture)
    reply = caller.picture(url)
    assert caller.fake.calls[-1].faults == (name,)
    if name not in INSTEAD | {"garbles"}:
        assert reply.content_type == "image/png"
    assert caller.picture(url).delivery is None


def test_limits_are_not_used_by_requests_without_effect(start: Start) -> None:
    caller = start(slots=1, balance=16, rate="1/60", poll_rate="1/60")
    caller.fake.next.resets()
    assert caller.ask().status == 0
    task = caller.make()
    caller.fake.next_query.answers(502)
    assert caller.poll(task.id).status == 502
    assert caller.poll(task.id).status == 200
    assert caller.poll(task.id).status == 429


# -- order of checks


def test_faults_without_account_or_body_criteria_precede_the_key(start: Start) -> None:
    caller = start(keys=["sk-mock-a"])
    stranger = caller.account("sk-wrong")
    caller.fake.next_request.answers(502)
    assert stranger.get("/nowhere").status == 502
    caller.fake.next_query.answers(503)
    assert stranger.poll("1").status == 503
    assert stranger.poll("1").status == 401


@pytest.mark.parametrize(
    ("script", "status"),
    [
        (lambda fake: fake.when_request(account="sk-mock-a").answers(502), 502),
        (lambda fake: fake.account("sk-mock-a").next_request.answers(502).times(2), 502),
        (lambda fake: fake.when_request(body={"n": 2}).answers(502), 502),
        (lambda fake: fake.when_request(method="POST").answers(502), 502),
    ],
)
def test_late_faults_follow_key_route_and_json_and_precede_the_rules(
    script: Callable[[Fake], RequestScript], status: int, start: Start
) -> None:
    caller = start(keys=["sk-mock-a", "sk-mock-b"])
    early = not script(caller.fake)._rule.late
    assert (caller.account("sk-wrong").ask(n=2).status == 401) is not early
    assert (caller.post({"n": 2}, "/kling/v1/nowhere").status == 404) is not early
    assert (caller.post(b'{"n": 2').status == 400) is not early
    assert caller.post({"n": 2, "model_name": "unknown"}).status == status
    assert caller.ask(n=2).status == status
    assert not caller.fake.tasks


def test_an_account_has_its_own_faults(start: Start) -> None:
    caller = start()
    other = caller.account("sk-mock-b")
    caller.fake.account("sk-mock-b").next_query.answers(502)
    task, foreign = caller.make(), other.make()
    assert [caller.poll(task.id).status, other.poll(foreign.id).status] == [200, 502]
    caller.fake.when_query(account="sk-mock-b").answers(503)
    assert [caller.poll(task.id).status, other.poll(foreign.id).status] == [200, 503]
    with pytest.raises(ValueError, match="account: this view is that of sk-mock-a"):
        caller.fake.account("sk-mock-a").when_query(account="sk-mock-b")


def test_pictures_of_an_account_are_those_of_its_tasks(start: Start) -> None:
    caller = start(pace="instant")
    url, other = caller.make(n=2).images, caller.account("sk-mock-b").make().images
    caller.fake.account("sk-mock-a").next_picture.answers(500)
    assert [caller.picture(other[0]).status, caller.picture(url[0]).status] == [200, 500]
    caller.fake.when_picture(index=1).answers(503)
    assert [caller.picture(url[0]).status, caller.picture(url[1]).status] == [200, 503]


# -- criteria


def test_the_nth_query_counts_those_that_a_fault_answered(start: Start) -> None:
    caller = start(pace="polls:3")
    caller.fake.when_query(nth=2).answers(502)
    first, second = caller.make(), caller.make()
    assert [caller.poll(first.id).status for _ in range(4)] == [200, 502, 200, 200]
    assert first.status == "succeed"
    assert first.polls == 3
    assert [caller.poll(second.id).status for _ in range(2)] == [200, 502]


def test_criteria_of_queries(start: Start) -> None:
    caller = start(pace="polls:2")
    one, two = caller.make(external_task_id="mine"), caller.make()
    caller.fake.when_query(task=one, status="succeed").answers(502).times(1)
    assert [caller.poll(task.id).status for task in (one, two)] == [200, 200]
    assert [caller.poll(task.id).status for task in (two, one, one)] == [200, 502, 200]
    caller.fake.when_query(task=two.id).resets()
    assert [caller.poll(task.id).status for task in (one, two)] == [200, 0]
    external = caller.get("/v1/images/multi-image2image/mine")
    assert external.status == 200
    caller.fake.when_query(task=one).answers(503)
    assert caller.get("/v1/images/multi-image2image/mine").status == 503


def test_criteria_of_requests(caller: Caller) -> None:
    caller.fake.when_request(path="/kling/*", header={"User-Agent": "old*"}).answers(426)
    assert caller.send("POST", PATH, b"{}", headers=(("user-agent", "older"),)).status == 426
    assert caller.send("POST", PATH, b"{}", headers=(("user-agent", "new"),)).status == 400
    caller.fake.when_request(header={"accept": None}, method="PUT").answers(418)
    assert caller.send("PUT", PATH).status == 418
    assert caller.send("PUT", PATH, headers=(("accept", "*/*"),)).status == 405
    caller.fake.when_request(body={"prompt": "*cat*", "n": 2}).answers(451)
    assert caller.ask(prompt="a cat", n=2).status == 451
    assert caller.ask(prompt="a cat", n=3).status == 200


def test_the_newest_when_and_the_oldest_next_apply(caller: Caller) -> None:
    task = caller.make()
    caller.fake.when_request().answers(500)
    caller.fake.when_query().answers(502)
    caller.fake.next_query.answers(503)
    caller.fake.next_request.answers(504)
    assert [caller.poll(task.id).status for _ in range(3)] == [503, 504, 502]
    caller.fake.when_request(method="GET").answers(521)
    assert caller.poll(task.id).status == 521
    assert caller.ask().status == 500


def test_the_control_api_has_no_faults(caller: Caller) -> None:
    caller.fake.when_request().resets().optional()
    assert caller.get("/_mock/health").status == 200


def test_times_lasting_and_chance(start: Start) -> None:
    caller = start(pace="held")
    task = caller.make()
    caller.fake.when_query().answers(502).times(2)
    assert [caller.poll(task.id).status for _ in range(3)] == [502, 502, 200]
    caller.fake.when_request().refuses_connections().lasting(60)
    assert caller.poll(task.id).status == 0
    caller.clock.advance(60)
    assert caller.poll(task.id).status == 200
    caller.fake.when_query().answers(500).chance(0.5)
    seen = [caller.poll(task.id).status for _ in range(200)]
    assert 60 < seen.count(500) < 140


def test_a_lost_reply_is_that_of_a_request_that_took_effect(caller: Caller) -> None:
    caller.fake.when_request(method="POST").loses_reply("timeout").times(1)
    assert caller.ask(n=0).delivery is None
    reply = caller.ask()
    assert reply.delivery == Delivery(never=True)
    assert reply.status == 200
    assert caller.fake.task.id
    caller.fake.check()


def test_a_script_of_creates_and_one_of_requests_go_together(caller: Caller) -> None:
    caller.fake.next.fails("no").delays(2)
    caller.fake.next_request.cuts(at=3)
    reply = caller.ask()
    assert reply.delivery == Delivery(delay=2, cut=3)
    assert caller.fake.calls[-1].faults == ("delays", "cuts")
    assert caller.fake.task.history
    caller.fake.check()


def test_a_body_that_another_process_has_read(caller: Caller) -> None:
    """Its fields are those of the create."""
    caller.fake.when_request(body={"prompt": "*cat*"}).answers(503)
    for prompt, status in (("a cat", 503), ("a dog", 200)):
        body = json.dumps({"subject_image_list": SUBJECTS, "prompt": prompt}).encode()
        request = Request("POST", PATH, headers=(("authorization", "Bearer sk-mock-a"),), body=body)
        command, token = parse_request(request, header_facts(request.headers), caller.fake.settings, 0.0)
        parts = {**asdict(request), "body": b"", "length": len(body)}
        assert caller.fake.handle(ParsedRequest(**parts, command=command, token=token)).status == status


# -- cost


def test_requests_are_not_compared_without_scripts_of_requests(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With scripts of creates only, neither the kind nor the parts of a request are determined."""

    def never(*_: object) -> None:
        raise AssertionError

    caller.fake.next.fails("no")
    monkeypatch.setattr("kling_mock.request_decisions.kind_of", never)
    task = caller.make()
    assert caller.poll(task.id).status == 200
    caller.fake.check()
    caller.fake.next_query.resets()
    assert caller.poll(task.id).status == 500
