"""The parts of the verifier by themselves: keys, wire, receiver, exchanges, known deviations, judging."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from itertools import count
from pathlib import Path

import httpx
import jwt
import pytest

from contracts.checks.conduct import RULES
from contracts.checks.task_shape import shape_problem
from contracts.gateways import COMETAPI, KLING, Gateway
from contracts.lifecycle import judge
from contracts.verify.addresses import is_loopback
from contracts.verify.bodies import faults, minimal
from contracts.verify.catalogue import checks_of, steps_of
from contracts.verify.check import Hearing, Verdict
from contracts.verify.evidence import Evidence
from contracts.verify.exchange import Exchange, Probe
from contracts.verify.keys import Keys
from contracts.verify.known import BadDeviations, Deviation, read_deviations
from contracts.verify.receiver import Receiver
from contracts.verify.runner import Options, Unreachable, verify
from contracts.verify.session import encode
from contracts.verify.wire import Wire

GATEWAYS = pytest.mark.parametrize("gateway", [COMETAPI, KLING], ids=lambda gateway: gateway.name)
TODAY = date(2026, 11, 22)


def exchange(**fields: object) -> Exchange:
    plain = {
        "number": 0,
        "probe": Probe("refuse"),
        "who": "first",
        "method": "POST",
        "target": "/",
        "headers": (),
        "body": b"{}",
        "sent_at": 0.0,
        "received_at": 0.0,
        "status": 200,
        "answer_headers": (("Content-Type", "Application/JSON; charset=utf-8"),),
    }
    return Exchange(**(plain | fields))  # type: ignore[arg-type]


# -- keys


def test_no_key_stays_in_a_text() -> None:
    """Neither key, one of which begins the other, nor a token made from a pair."""
    keys = Keys("sk-mock", "sk-mock-second")
    assert keys.scrub("sk-mock-second and sk-mock") == "$KLING_SECOND_API_KEY and $KLING_API_KEY"
    assert keys.scrub_bytes(b"\xff sk-mock") == b"\xff $KLING_API_KEY"
    assert "sk-mock" not in repr(keys)
    pair = Keys("access-1234:secret-1234567890-1234567890-1234", takes_tokens=True, now=lambda: 1e9)
    token = pair.bearer()
    assert jwt.decode(token, options={"verify_signature": False})["iss"] == "access-1234"
    assert pair.scrub(f"{token} secret-1234567890-1234567890-1234") == "$KLING_API_KEY $KLING_API_KEY"


@pytest.mark.parametrize("told", ['"sk-a/b\\"c"', '"sk-a\\/b\\"c"', "sk-a%2Fb%22c"])
def test_a_key_is_hidden_however_a_text_spells_it(told: str) -> None:
    """In JSON, where some escape slashes, and in a URL."""
    assert Keys('sk-a/b"c').scrub(told).strip('"') == "$KLING_API_KEY"
    assert "sk-" not in repr(Keys('sk-a/b"c').first)


def test_no_token_is_forgotten_where_several_are_made_at_once() -> None:
    """Witness: keeping them without a lock lost some, which a recording then showed."""
    ticks = count(1000)
    keys = Keys("access:" + "s" * 32, takes_tokens=True, now=lambda: float(next(ticks)))
    with ThreadPoolExecutor(4) as pool, eager_switching():
        tokens = list(pool.map(lambda _: keys.bearer(), range(80)))
    assert {keys.scrub(token) for token in tokens} == {"$KLING_API_KEY"}


@contextlib.contextmanager
def eager_switching() -> Iterator[None]:
    """Threads take turns as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def test_a_pair_is_a_plain_key_where_no_tokens_are_taken() -> None:
    keys = Keys("access:secret", takes_tokens=False)
    assert keys.first.values == ("Bearer access:secret",)
    assert keys.pair is None


def test_a_token_is_dated_as_the_page_says() -> None:
    keys = Keys("access:" + "s" * 32, takes_tokens=True, now=lambda: 1_000_000_000.9)
    claims = jwt.decode(
        keys.bearer(), "s" * 32, algorithms=["HS256"], options={"verify_exp": False, "verify_nbf": False}
    )
    assert claims == {"iss": "access", "exp": 1_000_001_800, "nbf": 999_999_995}


# -- wire and receiver


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://localhost:8000", True),
        ("http://127.0.0.1", True),
        ("http://127.1.2.3:9/x", True),
        ("http://[::1]:80", True),
        ("http://127.evil.example", False),
        ("http://localhost.evil.example", False),
        ("https://api.cometapi.com", False),
        ("http://10.0.0.1", False),
    ],
)
def test_loopback_is_read_off_the_name(url: str, local: bool) -> None:
    assert is_loopback(url) is local


def test_paths_go_out_byte_for_byte() -> None:
    seen: list[bytes] = []

    def server(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path)
        return httpx.Response(302, headers={"location": "http://elsewhere.test/"})

    wire = Wire("http://gateway.test/base/", httpx.MockTransport(server))
    for target in ("/a%2Fb/..%2F..", "/%00", "/x?pageNum=%EF%BC%91", "/kling/v1/" + "9" * 2000):
        assert wire.send("GET", target, (), None).status == 302  # and nobody follows it
    assert seen == [
        b"/base/a%2Fb/..%2F..",
        b"/base/%00",
        b"/base/x?pageNum=%EF%BC%91",
        b"/base/kling/v1/" + b"9" * 2000,
    ]


def test_an_answer_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contracts.verify.wire.LARGEST_ANSWER", 1000)
    wire = Wire(
        "http://gateway.test", httpx.MockTransport(lambda _: httpx.Response(200, content=b"x" * 2000))
    )
    answer = wire.send("GET", "/", (), None)
    assert (answer.status, answer.arrived) == (0, True)
    assert "more than 1000 bytes" in answer.failure


def test_what_never_left_costs_nothing() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    answer = Wire("http://gateway.test", httpx.MockTransport(refuse)).send("POST", "/", (), b"{}")
    assert (answer.status, answer.arrived) == (0, False)


def test_no_cookies_are_kept() -> None:
    """They would say who asks, beside the key or without it, and no snippet sends them."""
    seen: list[str | None] = []

    def server(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("cookie"))
        return httpx.Response(200, headers={"set-cookie": "session=1; Path=/"})

    wire = Wire("http://gateway.test", httpx.MockTransport(server))
    for _ in range(2):
        wire.send("GET", "/", (), None)
    assert seen == [None, None]


def test_an_answer_that_is_doled_out_ends_with_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timeout is for one read: a header that grows by a byte at a time has none."""
    monkeypatch.setattr("contracts.verify.wire._LEAST", 0.1)
    stop = threading.Event()

    def dole_out(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
            while not stop.wait(0.02):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=dole_out, args=(listener,))
        thread.start()
        try:
            options = Options(
                base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", api_key="sk-1", deadline=0.2
            )
            with pytest.raises(Unreachable, match=r"no answer within 0.2 s, the deadline"):
                verify(options)
        finally:
            stop.set()
            thread.join()
    assert [each.name for each in threading.enumerate() if isinstance(each, threading.Timer)] == []


def test_the_receiver_takes_and_refuses() -> None:
    with Receiver(lambda: 7.0) as receiver:
        receiver.refuse_first("b")
        answers = [
            httpx.post(receiver.url(token), json={"n": n}, trust_env=False).status_code
            for n, token in enumerate("abb")
        ]
    assert answers == [200, 500, 200]
    taken = receiver.taken()
    assert [(each.token, each.body, each.replied) for each in taken] == [
        ("a", b'{"n":0}', 200),
        ("b", b'{"n":1}', 500),
        ("b", b'{"n":2}', 200),
    ]
    assert dict(taken[0].headers)["content-type"] == "application/json"
    assert taken[0].received_at == 7.0


def test_the_receiver_reads_chunks_and_outlives_those_who_hang_up(capsys: pytest.CaptureFixture[str]) -> None:
    """Many send what they stream in chunks; a connection that is kept or torn leaves no thread behind."""
    threads = set(threading.enumerate())
    with Receiver(time.time) as receiver:
        port = int(receiver.url("a").rpartition(":")[2].partition("/")[0])
        kept = http.client.HTTPConnection("127.0.0.1", port)
        for parts in ([b'{"a"', b":1}"], [b"{}"]):
            kept.request("POST", "/callback/a", iter(parts))
            assert kept.getresponse().read() == b""
        torn = socket.create_connection(("127.0.0.1", port))
        torn.sendall(b"POST /callback/b HTTP/1.1\r\ncontent-length: 9\r\n\r\n{")
        torn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        torn.close()
    kept.close()
    assert [each.body for each in receiver.taken() if each.token == "a"] == [b'{"a":1}', b"{}"]
    assert set(threading.enumerate()) <= threads
    assert capsys.readouterr().err == ""


# -- reaching the server


def test_a_server_that_is_not_there() -> None:
    def nobody(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    with pytest.raises(Unreachable, match=r"no answer: ConnectError: connection refused"):
        verify(Options(base_url="http://gateway.test", api_key="sk-1"), transport=httpx.MockTransport(nobody))


@pytest.mark.parametrize("url", ["ftp://gateway.test", "gateway.test", "http://[", "http://me:secret@h/"])
def test_what_is_no_address_is_told_before_anything_is_sent(url: str) -> None:
    with pytest.raises(ValueError, match="base_url: "):
        verify(Options(base_url=url, api_key="sk-1"))


def test_a_key_that_is_refused_is_not_shown() -> None:
    def server(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, text=f"bad {request.headers.get('authorization')}")

    with pytest.raises(Unreachable, match=r"the key is refused: 401 bad Bearer \$KLING_API_KEY"):
        verify(
            Options(base_url="http://gateway.test", api_key="sk-very-secret"),
            transport=httpx.MockTransport(server),
        )


# -- exchanges


def test_what_proves_a_refusal() -> None:
    """A status of refusal, or an error in as many words; never a task id, never a failure of the server."""
    proofs = [
        exchange(status=400, answer=b"whatever"),
        exchange(status=429, answer=b""),
        exchange(status=200, answer=b'{"code": 1201, "message": "no"}'),
        exchange(status=503, answer=b'{"error": {"code": "model_not_found"}}'),
    ]
    doubts = [
        exchange(status=200, answer=b'{"code": 0}'),
        exchange(status=200, answer=b"<html>"),
        exchange(status=500, answer=b'{"code": 5000}'),
        exchange(status=503, answer=b'{"error": {"code": "busy"}}'),
        exchange(status=400, answer=b'{"code": 1201, "data": {"task_id": "1"}}'),
        exchange(status=0, failure="ReadTimeout"),
        exchange(status=302),
        # The word of other gateways for a success, wherever they have the id.
        exchange(status=200, answer=b'{"code": "success", "data": {"id": "1"}}'),
        exchange(status=200, answer=b'{"code": "success", "task_id": "1"}'),
        exchange(status=200, answer=b'{"code": "success", "data": "1"}'),
        exchange(status=200, answer=b'{"code": 200, "message": "ok"}'),
        exchange(status=200, answer=b'{"code": 200, "data": {"id": "1"}}'),
    ]
    assert all(each.proves_refusal for each in proofs)
    assert not any(each.proves_refusal for each in doubts)


def test_hostile_answers_are_read_without_failing() -> None:
    for answer in (
        b"",
        b"null",
        b"[]",
        b'{"data": []}',
        b'{"error": 1, "code": true}',
        b"[" * 99_999,
        b"\xff",
    ):
        each = exchange(answer=answer)
        assert each.task is None
        assert each.listed == ()
        assert isinstance(each.accepted, bool)
        assert each.shown.startswith("200")
        assert each.content_type == "application/json"


# -- bodies


@GATEWAYS
def test_each_fault_breaks_its_rule_and_no_other(gateway: Gateway) -> None:
    """By the contract's own validation, which other tests hold against hand-typed tables."""
    operation = gateway.routes[0].operations[0]
    assert not operation.read(minimal(operation)).violations
    seen = set()
    for fault in faults(operation):
        violations = operation.read(fault.body).violations
        assert {each.rule.id for each in violations} == {fault.rule.id}, fault.tag
        seen.add(fault.rule.id)
    refusing = {rule.id for rule in operation.rules.values() if rule.effect == "refused"}
    assert refusing - seen == {"body.type", "body.unicode"}


def test_bodies_go_out_as_utf_8_or_escaped() -> None:
    assert encode({"p": "é"}) == '{"p": "é"}'.encode()
    assert encode({"p": "é"}, escaped=True) == b'{"p": "\\u00e9"}'
    assert encode({"p": "\ud83d"}) == b'{"p": "\\ud83d"}'


# -- the catalogue


@GATEWAYS
def test_ids_are_unique_and_every_check_is_fed(gateway: Gateway) -> None:
    checks, steps = checks_of(gateway), steps_of(gateway)
    ids = [check.id for check in checks]
    assert len(ids) == len(set(ids))
    assert len(steps) == len({step.name for step in steps})
    assert not [check.id for check in checks if not any(step.serves(check.id) for step in steps)]
    for step in steps:
        assert all(
            any(step.serves(check_id) for check_id in ids) for check_id in ids if step.serves(check_id)
        )
        assert any(step.serves(check_id) for check_id in ids), step.name


@GATEWAYS
def test_no_evidence_is_no_verdict(gateway: Gateway) -> None:
    """A check whose premise never held says nothing: neither good nor bad."""
    for check in checks_of(gateway):
        hearing = Hearing()
        check.judge(Evidence(gateway=gateway), hearing)
        assert (hearing.examined, hearing.examples) == (0, []), check.id


def test_every_rule_of_the_judge_has_its_check() -> None:
    """Read off the judge itself: each rule it can name is a check, or is named as belonging elsewhere."""
    import inspect
    import re

    import contracts.lifecycle

    named = set(re.findall(r'Misconduct\(\s*"([a-z.]+)"', inspect.getsource(contracts.lifecycle)))
    assert named - set(RULES) == {"task.id", "state.skipped"}
    assert set(RULES) <= named
    assert judge([]) == ()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"task_id": "1", "task_status": "submitted"}, None),
        ({"task_id": "1", "task_status": "x", "task_info": None, "task_result": None}, None),
        ({"task_id": "1", "task_status": "x", "task_result": {"images": [{"url": "u"}]}}, None),
        (None, "data is no object"),
        ([], "data is no object"),
        ({"task_id": 1, "task_status": "x"}, "task_id is no text"),
        ({"task_id": "1", "task_status": 3}, "task_status is no text"),
        ({"task_id": "1", "task_status": "x", "task_status_msg": 3}, "task_status_msg is no text"),
        ({"task_id": "1", "task_status": "x", "final_unit_deduction": 16}, "final_unit_deduction is no text"),
        ({"task_id": "1", "task_status": "x", "task_info": "e"}, "task_info is no object"),
        ({"task_id": "1", "task_status": "x", "task_result": []}, "task_result is no object"),
        (
            {"task_id": "1", "task_status": "x", "task_result": {"images": {}}},
            "task_result.images is no array",
        ),
        ({"task_id": "1", "task_status": "x", "task_result": {"images": ["u"]}}, "an image is no object"),
        (
            {"task_id": "1", "task_status": "x", "task_result": {"images": [{"url": None}]}},
            "the url of an image is no text",
        ),
        (
            {"task_id": "1", "task_status": "x", "task_result": {"images": [{"url": "u", "index": "0"}]}},
            "the index of an image is no integer",
        ),
    ],
)
def test_the_shape_of_a_task(data: object, problem: str | None) -> None:
    assert shape_problem(data) == problem


# -- known deviations


def write(folder: Path, text: str) -> Path:
    path = folder / "known.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_known_deviations_are_read(tmp_path: Path) -> None:
    path = write(
        tmp_path, '[[deviation]]\ncheck = "errors.*"\nreason = "an old proxy"\nexpires = 2026-11-22\n'
    )
    (deviation,) = read_deviations(path, TODAY)
    assert deviation.covers("errors.no_key")
    assert not deviation.covers("auth.required")
    assert not dataclasses.replace(deviation, today=date(2026, 11, 23)).covers("errors.no_key")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1", "only [[deviation]] tables"),
        ("[deviation]\na = 1", "only [[deviation]] tables"),
        ("[[deviation]]\ncheck = 'a'", "entry 1 must have check, reason and expires"),
        ("[[deviation]]\ncheck='a'\nreason=' '\nexpires=2027-01-01", "a reason is owed"),
        ("[[deviation]]\ncheck='a'\nreason='b'\nexpires='2027-01-01'", "without quotes"),
        ("[[deviation]]\ncheck='a'\nreason='b'\nexpires=2027-01-01T00:00:00", "without quotes"),
        ("[[deviation", "known.toml"),
    ],
)
def test_bad_files_of_deviations_say_what_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(BadDeviations) as raised:
        read_deviations(write(tmp_path, text), TODAY)
    assert says in str(raised.value)
    with pytest.raises(BadDeviations, match="nowhere"):
        read_deviations(tmp_path / "nowhere.toml", TODAY)


def test_a_known_deviation_is_no_failure_and_an_idle_one_is_reported() -> None:
    def anything(request: httpx.Request) -> httpx.Response:
        return httpx.Response(400, json={"code": "task_not_exist", "message": "no", "data": None})

    entries = [
        Deviation(check=check, reason="so it is", expires=TODAY, today=TODAY)
        for check in ("errors.wrong_method", "pictures.ratio")
    ]
    options = Options(base_url="http://gateway.test", api_key="sk-12345", known=entries)
    report = verify(options, transport=httpx.MockTransport(anything))
    verdicts = {result.check.id: result.verdict for result in report.results}
    assert verdicts["errors.wrong_method"] is Verdict.KNOWN
    assert verdicts["errors.unknown_path"] is Verdict.FAIL
    assert [each.check for each in report.unused_known] == ["pictures.ratio"]
