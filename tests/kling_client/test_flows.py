"""Flows without I/O: the outcomes that are retried, the number of attempts, and the final errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_client import errors
from kling_client.flows import JSON_LIMIT, query, submit
from kling_client.request import Draft
from kling_client.retry import Retry
from kling_client.snapshot import TaskSnapshot
from kling_client.steps import Failure, Flow, Head, Send, Stage
from kling_contracts.vocabulary import TaskStatus
from tests.kling_client.conftest import KEY, TASK_ID
from tests.kling_client.flow_run import (
    BAD_GATEWAY,
    BAD_KEY,
    BAD_REQUEST,
    BROKEN,
    BUSY,
    CUT,
    DOWN,
    DOWN_AFTER_ALL,
    DOWN_FOR_A_WHILE,
    EMPTY,
    EMPTY_ACCOUNT,
    GATEWAY_TIMEOUT,
    HIDDEN_FAULT,
    HIDDEN_REFUSAL,
    HTML,
    IMPOSSIBLE,
    LATE,
    NO_MODEL,
    REDIRECT,
    SERVER_ERROR,
    UNKNOWN,
    UNSENT,
    ZIPPED,
    Answer,
    Result,
    Run,
    answer,
    ask,
    config,
    create,
    seen,
)

# --- the retry matrix, typed by hand: outcome of every attempt -> number of requests, error raised --------

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
    """Whether the server may have accepted a create. Pessimistic, and independent of the client's code."""
    if isinstance(outcome, Failure):
        return outcome.stage is Stage.SENT
    head, body = outcome
    if any(isinstance(chunk, Failure) for chunk in body) or head.length is not None:
        return True
    if head.status >= 500:
        promised = head.status == 503 and "retry-after" in head.headers
        return not promised and b"model_not_found" not in b"".join(body)  # type: ignore[arg-type]  # no failure is in it
    return head.status < 300


def times_paid(flow: Flow[Any], run: Run, script: list[Answer]) -> int:
    with pytest.raises(errors.KlingError):
        run.play(flow, [*script, BAD_KEY])
    return sum(accepts(outcome) for outcome in [*script, BAD_KEY][: len(run.calls)])


@given(script=st.lists(st.sampled_from([outcome for outcome, _, _ in POST]), max_size=6))
def test_a_create_is_never_paid_for_twice(script: list[Answer]) -> None:
    """For any sequence of outcomes, at most one request may have been accepted: the last."""
    run = Run()
    flow = submit(config(run), Draft(b"{}", None), TaskSnapshot(id=""))
    assert times_paid(flow, run, script) <= 1


def test_the_property_above_catches_a_client_that_repeats_blindly() -> None:
    """Counterexample: the flow of a query, which retries all failures, would pay several times."""
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
    """Each read is within the timeout of a read, but the whole response is not."""
    run = Run()
    flow = query(config(run, retry=Retry(attempts=1)), TaskSnapshot(id=TASK_ID))
    step: object = next(flow)
    assert isinstance(step, Send)
    flow.send(Head(200, {}))
    with pytest.raises(errors.TransportError, match="incomplete after 30 s"):
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
