"""The flows without any I/O: outcomes in, steps out, and a clock that only sleeping moves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.gateways import COMETAPI
from contracts.vocabulary import TaskStatus
from kling_client import errors
from kling_client.config import Config
from kling_client.credentials import PlainKey
from kling_client.flows import JSON_LIMIT, query, submit, watch
from kling_client.request import Draft
from kling_client.retry import LAST_POLL_SECONDS, Poll, Retry
from kling_client.snapshot import TaskSnapshot
from kling_client.steps import Call, Failure, Flow, Head, Outcome, Read, Send, Show, Sleep, Stage
from tests.kling_client.conftest import KEY, TASK_ID, FakeTime, task

# An answer is what a call leads to: a failure, or a head and the pieces of a body (or a failure amid them).
Answer = Failure | tuple[Head, list["bytes | Failure"]]
Result = tuple[Any, "Run"]


class Run:
    """What a flow did."""

    def __init__(self) -> None:
        self.time = FakeTime()
        self.calls: list[Call] = []
        self.times: list[float] = []
        self.shown: list[TaskSnapshot] = []

    def play(self, flow: Flow[Any], answers: Iterable[Answer], spend: float = 0.0) -> Any:
        """Drive a flow with scripted answers, each of which takes `spend` seconds; the last one repeats."""
        script = list(answers)
        body: list[bytes | Failure] = []
        outcome: Outcome = None
        while True:
            try:
                step = flow.send(outcome)
            except StopIteration as stop:
                return stop.value
            outcome = None
            if isinstance(step, Send):
                self.calls.append(step.call)
                self.times.append(self.time.now)
                self.time.now += min(spend, step.call.timeout)
                answer = script.pop(0) if len(script) > 1 else script[0]
                outcome, body = (answer, []) if isinstance(answer, Failure) else (answer[0], list(answer[1]))
            elif isinstance(step, Read):
                outcome = body.pop(0) if body else b""
            elif isinstance(step, Sleep):
                self.time.sleep(step.seconds)
            elif isinstance(step, Show):
                assert isinstance(step.value, TaskSnapshot)
                self.shown.append(step.value)


def config(run: Run, **changes: Any) -> Config:
    values: dict[str, Any] = {
        "gateway": COMETAPI,
        "credentials": PlainKey(KEY),
        "base_url": "https://h",
        "timeout": 30.0,
        "retry": Retry(),
        "poll": Poll(),
        "max_image_bytes": 10**6,
        "clock": run.time.clock,
    }
    return Config(**values | changes)


def answer(status: int = 200, body: object = None, **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Head(status, named), [content]


def seen(status: str = "processing", **fields: Any) -> Answer:
    return answer(
        200, {"code": 0, "message": "SUCCEED", "request_id": "c065", "data": task(status, **fields)}
    )


UNSENT = Failure(Stage.UNSENT, "ConnectError: refused", OSError("refused"))
LATE = Failure(Stage.SENT, "ReadTimeout: timed out", TimeoutError())
IMPOSSIBLE = Failure(Stage.IMPOSSIBLE, "InvalidURL")
CUT: Answer = (Head(200, {"content-length": "500"}), [b'{"code": 0'])
BROKEN: Answer = (Head(200, {}), [b'{"code"', Failure(Stage.SENT, "ReadError")])
BUSY = answer(429, {"code": 1303, "message": "parallel task over resource pack limit"})
EMPTY_ACCOUNT = answer(429, {"code": 1102, "message": "Account balance not enough"})
DOWN = answer(503, {"code": 5001, "message": "maintenance"})
DOWN_FOR_A_WHILE = answer(503, {"code": 5001, "message": "maintenance"}, retry_after="3")
BAD_GATEWAY = answer(502, b"<html>Bad Gateway</html>")
DOWN_AFTER_ALL = answer(500, {"code": 5000, "message": "oops"}, retry_after="3")
GATEWAY_TIMEOUT = answer(504, b"")
SERVER_ERROR = answer(500, {"code": 5000, "message": "oops"})
NO_MODEL = answer(503, {"error": {"message": "no channel", "code": "model_not_found"}})
BAD_REQUEST = answer(400, {"code": 1201, "message": "n value '10' is invalid"})
BAD_KEY = answer(401, {"error": {"message": "invalid token", "code": ""}})
UNKNOWN = answer(400, {"code": "task_not_exist", "message": "task_not_exist", "data": None})
HTML = answer(200, b"<html>")
EMPTY = answer(204, b"")
REDIRECT = answer(307, b"", location="https://elsewhere/")
ZIPPED: Answer = (Head(200, {"content-encoding": "gzip"}), [b"never read"])
HIDDEN_REFUSAL = answer(200, {"code": 1201, "message": "bad"})
HIDDEN_FAULT = answer(200, {"code": 5000, "message": "oops"})


def create(*answers: Answer, **changes: Any) -> Result:
    run = Run()
    flow = submit(config(run, **changes), Draft(b"{}", "mine"), TaskSnapshot(id=""))
    return run.play(flow, answers), run


def ask(*answers: Answer, **changes: Any) -> Result:
    run = Run()
    return run.play(query(config(run, **changes), TaskSnapshot(id=TASK_ID)), answers), run


def wait(
    *answers: Answer,
    deadline: float = 600.0,
    spend: float = 0.0,
    known: TaskSnapshot | None = None,
    **changes: Any,
) -> Run:
    run = Run()
    flow = watch(
        config(run, **changes),
        known or TaskSnapshot(id=TASK_ID),
        deadline,
        lambda state: (state.status, state.updated_at),
    )
    run.play(flow, answers, spend)
    return run


# --- the retry matrix, typed by hand: outcome of every attempt -> requests made, what is raised -----------

GET = [
    (UNSENT, 4, errors.TransportError),
    (LATE, 4, errors.TransportError),
    (CUT, 4, errors.TransportError),
    (BROKEN, 4, errors.TransportError),
    (BUSY, 4, errors.RateLimited),
    (DOWN, 4, errors.ServerError),
    (DOWN_FOR_A_WHILE, 4, errors.ServerError),
    (BAD_GATEWAY, 4, errors.ServerError),
    (DOWN_AFTER_ALL, 4, errors.ServerError),
    (GATEWAY_TIMEOUT, 4, errors.ServerError),
    (SERVER_ERROR, 4, errors.ServerError),
    (HIDDEN_FAULT, 4, errors.ServerError),
    (IMPOSSIBLE, 1, errors.TransportError),
    (EMPTY_ACCOUNT, 1, errors.RateLimited),
    (NO_MODEL, 1, errors.ApiError),
    (BAD_REQUEST, 1, errors.ApiError),
    (BAD_KEY, 1, errors.AuthError),
    (UNKNOWN, 1, errors.NotFound),
    (HIDDEN_REFUSAL, 1, errors.ApiError),
    (HTML, 1, errors.UnexpectedReply),
    (EMPTY, 1, errors.UnexpectedReply),
    (REDIRECT, 1, errors.UnexpectedReply),
    (ZIPPED, 1, errors.UnexpectedReply),
]
POST = [
    (UNSENT, 4, errors.TransportError),
    (BUSY, 4, errors.RateLimited),
    (DOWN_FOR_A_WHILE, 4, errors.ServerError),
    (LATE, 1, errors.SubmitUncertain),
    (CUT, 1, errors.SubmitUncertain),
    (BROKEN, 1, errors.SubmitUncertain),
    (DOWN, 1, errors.SubmitUncertain),
    (BAD_GATEWAY, 1, errors.SubmitUncertain),
    (DOWN_AFTER_ALL, 1, errors.SubmitUncertain),
    (GATEWAY_TIMEOUT, 1, errors.SubmitUncertain),
    (SERVER_ERROR, 1, errors.SubmitUncertain),
    (HTML, 1, errors.UnreadableReceipt),
    (EMPTY, 1, errors.UnreadableReceipt),
    (ZIPPED, 1, errors.UnreadableReceipt),
    (IMPOSSIBLE, 1, errors.TransportError),
    (EMPTY_ACCOUNT, 1, errors.RateLimited),
    (NO_MODEL, 1, errors.ApiError),
    (BAD_REQUEST, 1, errors.ApiError),
    (BAD_KEY, 1, errors.AuthError),
    (HIDDEN_REFUSAL, 1, errors.ApiError),
    (HIDDEN_FAULT, 1, errors.ServerError),
    (REDIRECT, 1, errors.UnexpectedReply),
]


@pytest.mark.parametrize(("outcome", "requests", "error"), GET)
def test_a_query_is_repeated_wherever_that_may_help(
    outcome: Answer, requests: int, error: type[errors.KlingError]
) -> None:
    run = Run()
    with pytest.raises(errors.KlingError) as caught:
        run.play(query(config(run), TaskSnapshot(id=TASK_ID)), [outcome])
    assert type(caught.value) is error
    assert len(run.calls) == requests


@pytest.mark.parametrize(("outcome", "requests", "error"), POST)
def test_a_create_is_repeated_only_where_the_service_did_nothing(
    outcome: Answer, requests: int, error: type[errors.KlingError]
) -> None:
    run = Run()
    with pytest.raises(errors.KlingError) as caught:
        run.play(submit(config(run), Draft(b"{}", "mine"), TaskSnapshot(id="")), [outcome])
    assert type(caught.value) is error
    assert len(run.calls) == requests
    if isinstance(caught.value, errors.SubmitUncertain):
        assert caught.value.external_task_id == "mine"
        assert caught.value.__cause__ is not None or outcome in (CUT, BROKEN)


def accepts(outcome: Answer) -> bool:
    """A pessimist's opinion, not ours: may a server that answers so have accepted a create?"""
    if isinstance(outcome, Failure):
        return outcome.stage is Stage.SENT
    head, body = outcome
    if any(isinstance(chunk, Failure) for chunk in body) or head.length is not None:
        return True
    if head.status >= 500:
        promised = head.status == 503 and "retry-after" in head.headers
        return not promised and b"model_not_found" not in b"".join(body)  # type: ignore[arg-type]
    return head.status < 300


def times_paid(flow: Flow[Any], run: Run, script: list[Answer]) -> int:
    with pytest.raises(errors.KlingError):
        run.play(flow, [*script, BAD_KEY])
    return sum(accepts(outcome) for outcome in [*script, BAD_KEY][: len(run.calls)])


@given(script=st.lists(st.sampled_from([outcome for outcome, _, _ in POST]), max_size=6))
def test_a_create_is_never_paid_for_twice(script: list[Answer]) -> None:
    """Whatever comes in whatever order, at most one of the requests may have been accepted: the last."""
    run = Run()
    flow = submit(config(run), Draft(b"{}", None), TaskSnapshot(id=""))
    assert times_paid(flow, run, script) <= 1


def test_the_property_above_catches_a_client_that_repeats_blindly() -> None:
    """The witness: the flow of a query, which repeats everything, would pay four times."""
    run = Run()
    flow = query(config(run), TaskSnapshot(id=TASK_ID))
    assert times_paid(flow, run, [LATE, SERVER_ERROR, CUT]) > 1


def test_what_was_lost_first_may_succeed_later() -> None:
    found, run = create(UNSENT, BUSY, seen("submitted"))
    assert (found.id, found.status) == (TASK_ID, TaskStatus.SUBMITTED)
    assert run.time.sleeps == [0.5, 1.0]
    found, run = ask(LATE, BAD_GATEWAY, CUT, seen("processing"))
    assert found.status == "processing"
    assert run.time.sleeps == [0.5, 1.0, 2.0]


def test_retry_after_replaces_a_shorter_pause_but_not_a_longer_one() -> None:
    busy = answer(429, {"code": 1302, "message": "slow"}, retry_after="1")
    _, run = create(busy, busy, DOWN_FOR_A_WHILE, seen("submitted"))
    assert run.time.sleeps == [1.0, 1.0, 3.0]


@pytest.mark.parametrize("call", [create, ask])
def test_a_retry_after_beyond_the_cap_ends_the_call_at_once(call: Callable[..., Result]) -> None:
    with pytest.raises(errors.RateLimited) as caught:
        call(answer(429, {"code": 1302, "message": "slow"}, retry_after="3600"), seen())
    assert caught.value.retry_after == 3600


def test_one_attempt_is_one_attempt() -> None:
    with pytest.raises(errors.TransportError):
        ask(UNSENT, seen(), retry=Retry(attempts=1))


def test_a_query_answered_about_another_task_is_not_believed() -> None:
    with pytest.raises(errors.UnexpectedReply, match="about task"):
        ask(seen(task_id="somebody-elses"))


def test_a_body_without_end_is_given_up() -> None:
    endless: Answer = (Head(200, {}), [bytes(JSON_LIMIT), b"x", Failure(Stage.SENT, "not reached")])
    with pytest.raises(errors.UnexpectedReply, match="longer than"):
        ask(endless)


def drip(flow: Flow[Any], run: Run) -> None:
    for _ in range(100):
        run.time.now += 10
        flow.send(b"x")


def test_a_body_that_drips_is_given_up_after_the_timeout() -> None:
    """Each read is in time, the whole is not: the timeout of a single read never sees it."""
    run = Run()
    flow = query(config(run, retry=Retry(attempts=1)), TaskSnapshot(id=TASK_ID))
    step: object = next(flow)
    assert isinstance(step, Send)
    flow.send(Head(200, {}))
    with pytest.raises(errors.TransportError, match="not complete after 30 s"):
        drip(flow, run)


def test_an_answer_that_may_be_a_bomb_is_not_even_read() -> None:
    run = Run()
    flow = query(config(run), TaskSnapshot(id=TASK_ID))
    next(flow)
    with pytest.raises(errors.UnexpectedReply, match="gzip"):
        flow.send(Head(200, {"content-encoding": "gzip"}))


def test_the_calls_carry_the_key_and_ask_for_no_compression() -> None:
    _, run = create(seen("submitted"))
    (call,) = run.calls
    assert (call.method, call.url, call.content) == ("POST", "https://h/kling/v1/images/generations", b"{}")
    assert call.headers["Authorization"] == f"Bearer {KEY}"
    assert call.headers["Accept-Encoding"] == "identity"
    assert KEY not in repr(call)


# --- waiting ------------------------------------------------------------------------------------------------


def test_a_wait_polls_at_once_and_then_ever_more_slowly() -> None:
    run = wait(seen("submitted"), *[seen("processing")] * 8, seen("succeed", urls=["https://h/0.png"]))
    gaps = [after - before for before, after in pairwise(run.times)]
    assert run.times[0] == 1000.0
    assert gaps == pytest.approx([1, 1.5, 2.25, 3.375, 5.0625, 7.59375, 8, 8, 8])
    assert [state.status for state in run.shown] == ["submitted", "processing", "succeed"]


def test_each_change_is_shown_once_and_the_end_ends_it() -> None:
    """A new `updated_at` is a change, too."""
    run = wait(
        seen("processing"),
        seen("processing"),
        seen("processing", updated_at=1774805076999),
        seen("failed"),
        UNKNOWN,
    )
    assert [state.status for state in run.shown] == ["processing", "processing", "failed"]
    assert len(run.calls) == 4


def test_a_task_known_to_have_ended_is_not_asked_for() -> None:
    known = TaskSnapshot(id=TASK_ID, status=TaskStatus.FAILED)
    run = wait(UNKNOWN, known=known)
    assert run.shown == [known]
    assert run.calls == []


def test_the_deadline_is_met_exactly_with_one_last_poll() -> None:
    run = Run()
    flow = watch(config(run), TaskSnapshot(id=TASK_ID), 10, lambda state: state.status)
    with pytest.raises(errors.WaitTimeout) as caught:
        run.play(flow, [seen("processing")])
    assert run.times == pytest.approx([1000, 1001, 1002.5, 1004.75, 1008.125, 1010])
    assert caught.value.waited == pytest.approx(10)
    assert caught.value.task.status == "processing"
    assert caught.value.__cause__ is None


def test_rounding_adds_no_poll_at_the_deadline() -> None:
    """Ten times 0.1 is a little less than 1.0, and still the end."""
    run = Run()
    poll = Poll(first=0.1, factor=1, cap=0.1)
    flow = watch(config(run, poll=poll), TaskSnapshot(id=TASK_ID), 1.0, lambda state: state.status)
    with pytest.raises(errors.WaitTimeout):
        run.play(flow, [seen()])
    assert len(run.calls) == 11


def test_an_end_seen_by_the_last_permitted_poll_is_no_timeout() -> None:
    run = wait(*[seen("processing")] * 5, seen("succeed", urls=["https://h/0.png"]), deadline=10)
    assert run.times[-1] == 1010
    assert run.shown[-1].status == "succeed"


def test_a_deadline_of_zero_is_one_poll() -> None:
    run = Run()
    with pytest.raises(errors.WaitTimeout):
        run.play(watch(config(run), TaskSnapshot(id=TASK_ID), 0, lambda state: state.status), [seen()])
    assert len(run.calls) == 1
    assert wait(seen("failed"), deadline=0).shown[0].status == "failed"


@pytest.mark.parametrize("word", ["paused", "aborted", "succeeded", "SUCCEED"])
def test_an_unknown_status_keeps_polling_until_the_deadline(word: str) -> None:
    """Never a tight loop, never for ever; and the word comes out."""
    run = Run()
    flow = watch(config(run), TaskSnapshot(id=TASK_ID), 60, lambda state: state.status)
    with pytest.raises(errors.WaitTimeout, match=word):
        run.play(flow, [seen(word)])
    assert len(run.calls) == 12
    assert all(after - before >= 1 for before, after in pairwise(run.times[:-1]))


@pytest.mark.parametrize(
    "failing", [UNSENT, LATE, CUT, BUSY, DOWN, BAD_GATEWAY, GATEWAY_TIMEOUT, SERVER_ERROR, HIDDEN_FAULT]
)
def test_a_failed_poll_is_repeated_and_only_the_deadline_ends_it(failing: Answer) -> None:
    run = wait(*[failing] * 10, seen("succeed", urls=["https://h/0.png"]))
    assert run.shown[-1].status == "succeed"
    assert len(run.calls) == 11
    run = Run()
    flow = watch(config(run), TaskSnapshot(id=TASK_ID), 30, lambda state: state.status)
    with pytest.raises(errors.WaitTimeout) as caught:
        run.play(flow, [seen("submitted"), failing])
    assert isinstance(caught.value.__cause__, (errors.TransportError, errors.ApiError))
    assert caught.value.task.status == "submitted", "the last state that was seen"


@pytest.mark.parametrize(
    "final", [BAD_REQUEST, BAD_KEY, UNKNOWN, HTML, REDIRECT, EMPTY_ACCOUNT, HIDDEN_REFUSAL]
)
def test_a_poll_that_no_later_one_can_make_good_ends_the_wait(final: Answer) -> None:
    run = Run()
    flow = watch(config(run), TaskSnapshot(id=TASK_ID), 600, lambda state: state.status)
    with pytest.raises((errors.ApiError, errors.UnexpectedReply)):
        run.play(flow, [seen(), final])
    assert len(run.calls) == 2


def test_retry_after_spaces_the_polls_of_a_wait() -> None:
    """On refusals, and as a hint on answers of success."""
    hint: Answer = (Head(200, {"retry-after": "20"}), seen()[1])  # type: ignore[index]
    busy = answer(429, {"code": 1302, "message": "slow"}, retry_after="5")
    run = wait(busy, hint, seen("failed"))
    assert run.time.sleeps == [5, 20]


def test_a_hint_beyond_all_measure_on_success_is_capped() -> None:
    hint: Answer = (Head(200, {"retry-after": "3600"}), seen()[1])  # type: ignore[index]
    assert wait(hint, seen("failed")).time.sleeps == [60]


def test_a_wait_refused_for_longer_than_is_left_ends_at_once() -> None:
    """Asking before the time the server set would be rude, sleeping without asking after it pointless."""
    run = Run()
    busy = answer(429, {"code": 1302, "message": "slow"}, retry_after="30")
    with pytest.raises(errors.WaitTimeout) as caught:
        run.play(watch(config(run), TaskSnapshot(id=TASK_ID), 10, lambda state: state.status), [busy])
    assert isinstance(caught.value.__cause__, errors.RateLimited)
    assert run.time.sleeps == []


def test_a_wait_refused_for_longer_than_the_cap_raises_the_refusal() -> None:
    with pytest.raises(errors.RateLimited) as caught:
        wait(answer(429, {"code": 1302, "message": "slow"}, retry_after="3600"))
    assert caught.value.retry_after == 3600


def test_a_wait_ends_even_if_the_clock_stands_still() -> None:
    """Under a `sleep` that a test has replaced, the deadline still bounds the polls."""
    run = Run()
    flow = watch(config(run, clock=lambda: 0.0), TaskSnapshot(id=TASK_ID), 600, lambda state: state.status)
    with pytest.raises(errors.WaitTimeout):
        run.play(flow, [seen()])
    assert len(run.calls) < 90


polls = st.builds(
    lambda first, factor, above: Poll(first=first, factor=factor, cap=first + above),
    st.floats(0.05, 10),
    st.floats(1, 4),
    st.floats(0, 20),
)


@given(
    script=st.lists(
        st.sampled_from([seen("submitted"), seen("processing"), seen("odd"), LATE, UNSENT, BUSY, DOWN])
    ),
    deadline=st.floats(0, 100),
    spend=st.floats(0, 60),
    poll=polls,
)
def test_waits_keep_their_time_and_their_distance(
    script: list[Answer], deadline: float, spend: float, poll: Poll
) -> None:
    """Polls are bounded in number and distance; the end comes at the deadline plus one request at most."""
    run = Run()
    flow = watch(config(run, poll=poll), TaskSnapshot(id=TASK_ID), deadline, lambda state: state.status)
    with pytest.raises(errors.WaitTimeout) as caught:
        run.play(flow, [*script, seen("processing")], spend)
    assert run.time.now - 1000 <= deadline + LAST_POLL_SECONDS + 1e-6
    assert caught.value.waited >= deadline - 2e-6
    assert all(poll.first - 1e-9 <= pause <= poll.cap for pause in run.time.sleeps[:-1])
    assert all(before <= after + 1e-9 for before, after in pairwise(run.time.sleeps[:-1]))
    assert len(run.calls) <= deadline / poll.first + 2
