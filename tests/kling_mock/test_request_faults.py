"""Scripts of queries, pictures and any requests: matching, order, effect, journal and errors."""

from __future__ import annotations

import gzip
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import asdict

from kling_contracts.vocabulary import ERRORS
from kling_mock import Fake, Request
from kling_mock.delivery import Delivery
from kling_mock.given_replies import CODE_OF_STATUS
from kling_mock.reply_faults import KINDS, ReplyStage
from kling_mock.request_script import RequestScript
from kling_mock.routing import parse_request
from kling_mock.service import ParsedRequest
from kling_mock.testing.unused_scripts import UnusedScripts
from tests.kling_mock.conftest import PATH, SUBJECTS
from tests.kling_mock.reading import body_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from kling_mock import Reply
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


def poll(caller: Caller, task_id: str) -> Reply:
    return caller.get(f"{PATH}/{task_id}")


def test_every_fault_is_listed_here() -> None:
    assert FAULTS.keys() == KINDS.keys()
    methods = {name for name in vars(RequestScript) if not name.startswith("_")}
    assert methods == KINDS.keys()


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_a_query(name: str, caller: Caller) -> None:
    """It has the delivery, is in the journal, and counts as a poll if the query took effect."""
    task = caller.make()
    script = FAULTS[name][0](caller.fake.next_query)
    reply, call = poll(caller, task.id), caller.fake.calls[-1]
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
    assert poll(caller, task.id).delivery is None
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
    assert poll(caller, task.id).status == 502
    assert poll(caller, task.id).status == 200
    assert poll(caller, task.id).status == 429


# -- order of checks


def test_faults_without_account_or_body_criteria_precede_the_key(start: Start) -> None:
    caller = start(keys=["sk-mock-a"])
    stranger = caller.account("sk-wrong")
    caller.fake.next_request.answers(502)
    assert stranger.get("/nowhere").status == 502
    caller.fake.next_query.answers(503)
    assert poll(stranger, "1").status == 503
    assert poll(stranger, "1").status == 401


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
    assert [poll(caller, task.id).status, poll(other, foreign.id).status] == [200, 502]
    caller.fake.when_query(account="sk-mock-b").answers(503)
    assert [poll(caller, task.id).status, poll(other, foreign.id).status] == [200, 503]
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
    assert [poll(caller, first.id).status for _ in range(4)] == [200, 502, 200, 200]
    assert first.status == "succeed"
    assert first.polls == 3
    assert [poll(caller, second.id).status for _ in range(2)] == [200, 502]


def test_criteria_of_queries(start: Start) -> None:
    caller = start(pace="polls:2")
    one, two = caller.make(external_task_id="mine"), caller.make()
    caller.fake.when_query(task=one, status="succeed").answers(502).times(1)
    assert [poll(caller, task.id).status for task in (one, two)] == [200, 200]
    assert [poll(caller, task.id).status for task in (two, one, one)] == [200, 502, 200]
    caller.fake.when_query(task=two.id).resets()
    assert [poll(caller, task.id).status for task in (one, two)] == [200, 0]
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
    assert [poll(caller, task.id).status for _ in range(3)] == [503, 504, 502]
    caller.fake.when_request(method="GET").answers(521)
    assert poll(caller, task.id).status == 521
    assert caller.ask().status == 500


def test_the_control_api_has_no_faults(caller: Caller) -> None:
    caller.fake.when_request().resets().optional()
    assert caller.get("/_mock/health").status == 200


def test_times_lasting_and_chance(start: Start) -> None:
    caller = start(pace="held")
    task = caller.make()
    caller.fake.when_query().answers(502).times(2)
    assert [poll(caller, task.id).status for _ in range(3)] == [502, 502, 200]
    caller.fake.when_request().refuses_connections().lasting(60)
    assert poll(caller, task.id).status == 0
    caller.clock.advance(60)
    assert poll(caller, task.id).status == 200
    caller.fake.when_query().answers(500).chance(0.5)
    seen = [poll(caller, task.id).status for _ in range(200)]
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


# -- replies


@pytest.mark.parametrize("status", [*CODE_OF_STATUS, 502, 524, 599, 200, 204, 304])
def test_bodies_of_answers(status: int, caller: Caller) -> None:
    """Those of the service by code, a page of a proxy for other errors."""
    if status == 200:
        caller.fake.next_query.answers(200, 1302)
    else:
        caller.fake.next_query.answers(status)
    reply = poll(caller, "1")
    assert reply.status == status
    if status in CODE_OF_STATUS or status == 200:
        body = body_of(reply)
        assert body["code"] == CODE_OF_STATUS.get(status, 1302)
        assert body["message"] == ERRORS[body["code"]].wording
        assert len(body["request_id"]) == 36
    elif status > 400:
        assert reply.content_type == "text/html; charset=utf-8"
        assert str(status) in reply.body.decode()
    else:
        assert reply.body == b""
    assert (dict(reply.headers).get("retry-after") == "1") is (status == HTTPStatus.TOO_MANY_REQUESTS)
    assert ("x-kling-mock-rule" in dict(reply.headers)) is (status >= 400)


@pytest.mark.parametrize(
    ("body", "media_type", "content"),
    [
        ({"code": 0}, "application/json", b'{"code":0}'),
        ([1], "application/json", b"[1]"),
        ("<p>", "text/html; charset=utf-8", b"<p>"),
        ("no", "text/plain; charset=utf-8", b"no"),
        (b"\0", "application/octet-stream", b"\0"),
        ("", "text/plain; charset=utf-8", b""),
    ],
)
def test_given_bodies(body: Any, media_type: str, content: bytes, caller: Caller) -> None:
    caller.fake.next_query.answers(200, body=body).times(1)
    reply = poll(caller, "1")
    assert (reply.content_type, reply.body) == (media_type, content)
    caller.fake.next_query.answers(200, body=body, headers={"Content-Type": "x/y", "Retry-After": "9"})
    assert dict(poll(caller, "1").headers) == {"content-type": "x/y", "retry-after": "9"}


def test_garbled_replies(caller: Caller) -> None:
    task = caller.make()
    forms: dict[str, Reply] = {}
    for how in ("json", "utf8", "type", "html", "null", "empty"):
        caller.fake.next_query.garbles(how)
        forms[how] = poll(caller, task.id)
    with pytest.raises(json.JSONDecodeError):
        forms["json"].json()
    with pytest.raises(UnicodeDecodeError):
        forms["utf8"].json()
    assert forms["type"].content_type == forms["html"].content_type == "text/html; charset=utf-8"
    assert body_of(forms["type"])["code"] == 0
    assert forms["html"].body.startswith(b"<!doctype html>")
    assert forms["null"].json() is None
    assert forms["empty"].body == b""
    assert {each.status for each in forms.values()} == {200}
    assert task.polls == 6


@pytest.mark.parametrize("to", [1, 1000, 999_999, 1_000_000, 3_000_001])
def test_compressed_padding(to: int, caller: Caller) -> None:
    """The body with spaces after it, as valid gzip."""
    task = caller.make()
    caller.fake.next_query.pads(to, compressed=True)
    reply = poll(caller, task.id)
    assert dict(reply.headers)["content-encoding"] == "gzip"
    plain = gzip.decompress(reply.body)
    assert len(plain) == max(to, len(plain.rstrip(b" ")))
    assert json.loads(plain)["data"]["task_id"] == task.id
    assert reply.delivery is None


def test_a_bomb_is_small_on_the_wire(caller: Caller) -> None:
    caller.fake.next_query.answers(500).pads(compressed=True)
    assert len(poll(caller, "1").body) < 500_000
    caller.fake.next_query.answers(500).pads()
    reply = poll(caller, "1")
    assert reply.length == 100_000_000
    assert len(reply.body) < 1000


# -- errors


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda fake: fake.next_query.answers(500).resets(), "contradictory outcomes: 'answers 500"),
        (lambda fake: fake.next_query.cuts().misstates_length(1), "contradictory outcomes"),
        (lambda fake: fake.next_query.answers(500).garbles(), "contradictory outcomes"),
        (lambda fake: fake.next_query.loses_reply().answers(500), "contradictory outcomes"),
        (lambda fake: fake.next_query.times_out().delays(1), "contradictory outcomes"),
        (lambda fake: fake.next_query.delays(1).delays(2), "contradictory outcomes"),
        (lambda fake: fake.next.fails("no").resets(), "contradictory outcomes"),
        (lambda fake: fake.next.refuses(1303).loses_reply(), "contradictory outcomes"),
        (lambda fake: fake.next.answers(500).omits_index(), "contradictory outcomes"),
        (lambda fake: fake.next_query.answers("500"), "status must be an integer from 200 to 599"),
        (lambda fake: fake.next_query.answers(200), "status 200: give a body"),
        (lambda fake: fake.next_query.answers(500, 42), "unknown error code 42"),
        (lambda fake: fake.next_query.answers(500, 5000, "x"), "code and body: contradictory"),
        (lambda fake: fake.next_query.answers(204, body="x"), "a reply with status 204 has no body"),
        (lambda fake: fake.next_query.answers(500, body=3), "body must be a string, bytes, a dict"),
        (lambda fake: fake.next_query.answers(500, headers={"a": 1}), "headers must be a dict of strings"),
        (lambda fake: fake.next_query.answers(500, headers=[]), "headers must be a dict of strings"),
        (lambda fake: fake.next_query.answers(500, headers={"Content-Length": "3"}), "misstates_length"),
        (lambda fake: fake.next_query.delays(0), "seconds must be a positive number, not 0"),
        (lambda fake: fake.next_query.delays(float("nan")), "seconds must be a positive number"),
        (lambda fake: fake.next_query.cuts(at=-1), "at must be an integer of at least 0"),
        (lambda fake: fake.next_query.cuts(by="resett"), "did you mean 'reset'"),
        (lambda fake: fake.next_query.garbles("jsn"), "did you mean 'json'"),
        (lambda fake: fake.next_query.misstates_length(0), "by must be an integer other than 0"),
        (lambda fake: fake.next_query.sends_slowly(0), "bytes_per_second must be a positive number"),
        (lambda fake: fake.next_query.sends_slowly(1, chunk=0), "chunk must be an integer of at least 1"),
        (lambda fake: fake.next_query.pads(0), "to must be an integer of at least 1"),
        (lambda fake: fake.when_query(tsk="1"), "unknown criterion 'tsk'; did you mean 'task'"),
        (lambda fake: fake.when_query(nth="1"), "nth must be an integer, not '1'"),
        (lambda fake: fake.when_query(nth=0), "nth must be an integer of at least 1, not 0"),
        (lambda fake: fake.when_query(nth=True), "nth must be an integer, not True"),
        (lambda fake: fake.when_query(status="succeeded"), "did you mean 'succeed'"),
        (lambda fake: fake.when_query(account=1), "account must be a string, not 1"),
        (lambda fake: fake.when_query(method="GET"), "unknown criterion 'method'"),
        (lambda fake: fake.when_request(heder={}), "unknown criterion 'heder'; did you mean 'header'"),
        (lambda fake: fake.when_query(acount="a"), "unknown criterion 'acount'; did you mean 'account'"),
        (lambda fake: fake.when_picture(index=-1), "index must be an integer of at least 0"),
        (lambda fake: fake.when_request(header="x"), "header must be a dict, not 'x'"),
        (
            lambda fake: fake.when_request(header={"x": 1}),
            "header: names and values must be strings or None; got",
        ),
        (lambda fake: fake.when_request(header={"Authorization": "*"}), "account=key"),
        (lambda fake: fake.when_request(body={1: 1}), "body: names must be strings"),
    ],
)
def test_errors_are_raised_at_once(wrong: Callable[[Any], object], message: str) -> None:
    """At the line that wrote them, and the script has no effect."""
    fake = Fake()
    with pytest.raises((TypeError, ValueError), match=message):
        wrong(fake)
    assert fake.handle(Request("GET", f"{PATH}/1")).status == 401
    fake.check()


# -- unused scripts


def test_an_unused_script_fails_with_the_closest_requests(caller: Caller) -> None:
    task = caller.make()
    poll(caller, task.id)
    poll(caller, task.id)
    caller.fake.when_query(nth=3, status="succeed").answers(502)
    with pytest.raises(UnusedScripts) as caught:
        caller.fake.check()
    lines = str(caught.value).splitlines()
    assert lines[0] == "1 script had no effect"
    assert lines[1].endswith('caller.fake.when_query(nth=3, status="succeed").answers(502)')
    assert lines[2].startswith(
        "unused script #0: queries with nth=3, status='succeed' answers 502, always. Queries,"
    )
    assert lines[3:6] == [
        f"  GET {PATH}/{task.id} -> 200 succeed task {task.id}",
        "    nth: expected 3, got 2",
        "    status: matches",
    ]


@pytest.mark.parametrize(
    ("script", "closest"),
    [
        (lambda fake: fake.when_picture(index=4).resets(), ["  none"]),
        (
            lambda fake: fake.when_request(method="PUT", header={"x-y": "1"}).resets(),
            ["    method: expected 'PUT', got 'POST'", "    header.x-y: expected '1', got None"],
        ),
        (lambda fake: fake.next_query.resets().optional(), None),
        (
            lambda fake: fake.account("sk-mock-b").next_request.resets(),
            ["    account: expected 'sk-mock-b', "],
        ),
    ],
)
def test_reports_of_unused_scripts(
    script: Callable[[Fake], RequestScript], closest: list[str] | None, caller: Caller
) -> None:
    script(caller.fake)
    caller.make()
    if closest is None:
        caller.fake.check()
        return
    with pytest.raises(UnusedScripts) as caught:
        caller.fake.check()
    assert all(line in str(caught.value) for line in closest)


def test_a_script_without_a_fault_is_reported(caller: Caller) -> None:
    _ = caller.fake.next_query
    with pytest.raises(
        UnusedScripts, match=r"script without an outcome: next_query; add \.answers\(status\)"
    ):
        caller.fake.check()


def test_a_body_that_another_process_has_read(caller: Caller) -> None:
    """Its fields are those of the create."""
    caller.fake.when_request(body={"prompt": "*cat*"}).answers(503)
    for prompt, status in (("a cat", 503), ("a dog", 200)):
        body = json.dumps({"subject_image_list": SUBJECTS, "prompt": prompt}).encode()
        request = Request("POST", PATH, headers=(("authorization", "Bearer sk-mock-a"),), body=body)
        command, token = parse_request(request, caller.fake.settings, 0.0)
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
    assert poll(caller, task.id).status == 200
    caller.fake.check()
    caller.fake.next_query.resets()
    assert poll(caller, task.id).status == 500
