"""Errors of scripts of requests: at once for invalid ones, at the end for unused ones."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from kling_mock import Fake, Request
from kling_mock.scripts.request_script import RequestScript
from kling_mock.testing.unused_scripts import UnusedScripts
from tests.kling_mock.conftest import PATH
from tests.rows import each_row

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kling_mock.conftest import Caller


WITHOUT_REPLY = ("resets", "disconnects", "times_out", "refuses_connections", "loses_reply")
OF_THE_REPLY: dict[str, tuple[object, ...]] = {
    "answers": (500,),
    "garbles": (),
    "pads": (),
    "sends_slowly": (9,),
    "cuts": (),
    "misstates_length": (1,),
    "delays": (1,),
}
CONTRADICTIONS = {
    *itertools.combinations(WITHOUT_REPLY, 2),
    *itertools.product(WITHOUT_REPLY, [name for name in OF_THE_REPLY if name != "delays"]),
    *itertools.product(("times_out", "refuses_connections", "loses_reply"), ["delays"]),
    *(("answers", "garbles"), ("garbles", "pads"), ("cuts", "misstates_length")),
}


def test_the_pairs_of_faults_that_contradict() -> None:
    arguments = dict.fromkeys(WITHOUT_REPLY, ()) | OF_THE_REPLY
    found: set[tuple[str, str]] = set()
    for first, second in itertools.combinations(arguments, 2):
        script = getattr(Fake(unused_scripts="ignore").next_query, first)(*arguments[first])
        try:
            getattr(script, second)(*arguments[second])
        except ValueError:
            found.add((first, second))
    assert found == CONTRADICTIONS


def test_the_end_of_a_task_and_that_of_a_connection_are_combined(caller: Caller) -> None:
    caller.fake.next.fails("no luck").pace("instant").cuts(at=3)
    delivery = caller.ask().delivery
    assert delivery is not None
    assert delivery.cut == 3
    assert [task.failure for task in caller.fake.tasks] == ["no luck"]


@each_row(
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
        (lambda fake: fake.next_query.answers(500, headers="a"), "headers must be a dict of strings"),
        (lambda fake: fake.next_query.answers(500, headers=3), "headers must be a dict of strings"),
        (lambda fake: fake.next_query.answers(500, headers=[("a",)]), r"list of pairs; got \('a',\)"),
        (lambda fake: fake.next_query.answers(500, headers={"Content-Length": "3"}), "misstates_length"),
        (
            lambda fake: fake.next_query.answers(500, headers={"Transfer-Encoding": "chunked"}),
            "transfer-encoding",
        ),
        (lambda fake: fake.next_query.answers(500, headers={"a b": "c"}), "'a b' is not a name of a header"),
        (lambda fake: fake.next_query.answers(500, headers={"": "c"}), "'' is not a name of a header"),
        (
            lambda fake: fake.next_query.answers(500, headers={"a": "b\r\nc: d"}),
            "a must consist of printable ASCII",
        ),
        (lambda fake: fake.next_query.answers(500, headers={"a": "é"}), "a must consist of printable ASCII"),
        (lambda fake: fake.next_query.delays(0), "seconds must be a positive number, not 0"),
        (lambda fake: fake.next_query.delays(float("nan")), "seconds must be a positive number"),
        (lambda fake: fake.next_query.cuts(at=-1), "at must be an integer of at least 0"),
        (lambda fake: fake.next_query.cuts(by="resett"), "did you mean 'reset'"),
        (lambda fake: fake.next_query.garbles("jsn"), "did you mean 'json'"),
        (lambda fake: fake.next_query.misstates_length(0), "by must be an integer other than 0"),
        (lambda fake: fake.next_query.sends_slowly(0), "bytes_per_second must be a positive number"),
        (lambda fake: fake.next_query.sends_slowly(1, chunk=0), "chunk must be an integer of at least 1"),
        (lambda fake: fake.next_query.pads(0), "to must be an integer of at least 1"),
        (lambda fake: fake.next_query.pads(10**9 + 1), "to must be at most 1000000000, not 1000000001"),
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
    caller.poll(task.id)
    caller.poll(task.id)
    caller.fake.when_query(nth=3, status="succeed").answers(502)
    with pytest.raises(UnusedScripts) as caught:
        caller.fake.check()
    lines = str(caught.value).splitlines()
    assert lines[0] == "1 script had no effect"
    assert lines[1].endswith('caller.fake.when_query(nth=3, status="succeed").answers(502)')
    assert lines[2].startswith(
        "unused script #0: every query with nth=3, status='succeed' answers 502, always. Queries,"
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
