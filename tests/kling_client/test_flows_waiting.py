"""Waiting for a task without I/O: intervals of polls, conditions that end a wait."""

from __future__ import annotations

import pickle
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_client import errors
from kling_client.flows import ODD_REPLIES, query, watch
from kling_client.retry import LAST_POLL_SECONDS, Poll
from kling_client.snapshot import TaskSnapshot
from kling_client.steps import Head
from kling_contracts.vocabulary import TaskStatus
from tests.kling_client.conftest import TASK_ID
from tests.kling_client.flow_run import (
    BAD_GATEWAY,
    BAD_KEY,
    BAD_REQUEST,
    BUSY,
    CUT,
    DOWN,
    EMPTY,
    EMPTY_ACCOUNT,
    GATEWAY_TIMEOUT,
    HIDDEN_FAULT,
    HIDDEN_REFUSAL,
    HTML,
    LATE,
    REDIRECT,
    SERVER_ERROR,
    UNKNOWN,
    UNSENT,
    ZIPPED,
    Answer,
    Run,
    answer,
    config,
    seen,
    wait,
)


def test_a_wait_polls_at_once_and_then_ever_more_slowly() -> None:
    run = wait(seen("submitted"), *[seen("processing")] * 8, seen("succeed", urls=["https://h/0.png"]))
    gaps = [after - before for before, after in pairwise(run.times)]
    assert run.times[0] == 1000.0
    assert gaps == pytest.approx([1, 1.5, 2.25, 3.375, 5.0625, 7.59375, 8, 8, 8])
    assert [state.status for state in run.shown] == ["submitted", "processing", "succeed"]


def test_each_change_is_shown_once_and_the_end_ends_it() -> None:
    """A new `updated_at` counts as a change."""
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
    """The sum of ten floats 0.1 is slightly less than 1.0; the deadline is reached nevertheless."""
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
    """Polls keep their interval, the deadline ends the wait, and the error names the status."""
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


@pytest.mark.parametrize("final", [BAD_REQUEST, BAD_KEY, UNKNOWN, REDIRECT, EMPTY_ACCOUNT, HIDDEN_REFUSAL])
def test_a_poll_that_no_later_one_can_make_good_ends_the_wait(final: Answer) -> None:
    run = Run()
    flow = watch(config(run), TaskSnapshot(id=TASK_ID), 600, lambda state: state.status)
    with pytest.raises((errors.ApiError, errors.UnexpectedReply)):
        run.play(flow, [seen(), final])
    assert len(run.calls) == 2


ODD: dict[str, Answer] = {
    "HTML": HTML,
    "204": EMPTY,
    "empty": answer(200, b""),
    "no UTF-8": answer(200, b'{"code": 0, "data": "\xff\xfe"}'),
    "status null": seen(None),  # type: ignore[arg-type]  # the point
    "status number": seen(7),  # type: ignore[arg-type]  # the point
    "no data": answer(200, {"code": 0, "message": "SUCCEED"}),
    "data null": answer(200, {"code": 0, "data": None}),
    "data list": answer(200, {"code": 0, "data": []}),
    "array": answer(200, []),
    "null": answer(200, None),
    "code text": answer(200, {"code": "0", "data": {}}),
    "another task": seen(task_id="1"),
    "compressed": ZIPPED,
    "nested": answer(200, b"[" * 100_000),
}


@pytest.mark.parametrize("name", ODD)
def test_a_wait_survives_two_odd_responses_in_a_row_and_ends_at_the_third(name: str) -> None:
    """A success that is not this task may be an accident of a proxy; a lasting one ends the wait."""
    odd = ODD[name]
    run = wait(odd, odd, seen("processing"), odd, odd, seen("succeed", urls=["https://h/0.png"]))
    assert [state.status for state in run.shown] == ["processing", "succeed"]
    run = Run()
    flow = watch(config(run), TaskSnapshot(id=TASK_ID), 600, lambda state: state.status)
    with pytest.raises(errors.UnexpectedReply) as caught:
        run.play(flow, [seen(), odd])
    assert len(run.calls) == 1 + ODD_REPLIES
    assert (caught.value.task_id, caught.value.request) == (TASK_ID, f"GET {run.calls[0].url}")


def test_odd_responses_until_the_deadline_are_the_cause_of_the_timeout() -> None:
    run = Run()
    flow = watch(config(run), TaskSnapshot(id=TASK_ID), 1, lambda state: state.status)
    with pytest.raises(errors.WaitTimeout) as caught:
        run.play(flow, [HTML])
    assert isinstance(caught.value.__cause__, errors.UnexpectedReply)


@pytest.mark.parametrize(
    "failing", [BAD_REQUEST, BAD_KEY, UNKNOWN, HTML, EMPTY, REDIRECT, EMPTY_ACCOUNT, UNSENT, CUT, DOWN]
)
@pytest.mark.parametrize(
    "act", [query, lambda given, task: watch(given, task, 0, lambda state: state.status)]
)
def test_every_error_of_a_query_has_task_and_request(failing: Answer, act: Any) -> None:
    """Also in its message, and after pickling."""
    run = Run()
    with pytest.raises(errors.KlingError) as caught:
        run.play(act(config(run), TaskSnapshot(id=TASK_ID)), [failing])
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
        assert error.task_id == TASK_ID
        assert TASK_ID in str(error)
        if not isinstance(error, errors.WaitTimeout):
            assert error.request == f"GET {run.calls[0].url}"


def test_an_unreadable_response_has_its_request_id() -> None:
    run = Run()
    flow = query(config(run), TaskSnapshot(id=TASK_ID))
    with pytest.raises(errors.UnexpectedReply, match="c065") as caught:
        run.play(flow, [answer(200, {"code": 0, "request_id": "c065", "data": {}})])
    assert caught.value.request_id == "c065"


def test_retry_after_spaces_the_polls_of_a_wait() -> None:
    """On error responses, and on success responses."""
    hint: Answer = (Head(200, {"retry-after": "20"}), seen()[1])  # type: ignore[index]  # a pair
    busy = answer(429, {"code": 1302, "message": "slow"}, retry_after="5")
    run = wait(busy, hint, seen("failed"))
    assert run.time.sleeps == [5, 20]


def test_a_hint_beyond_all_measure_on_success_is_capped() -> None:
    hint: Answer = (Head(200, {"retry-after": "3600"}), seen()[1])  # type: ignore[index]  # a pair
    assert wait(hint, seen("failed")).time.sleeps == [60]


def test_a_wait_refused_for_longer_than_is_left_ends_at_once() -> None:
    """A poll before the time in Retry-After would be refused, and the deadline is earlier than that time."""
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
    """With a replaced `sleep`, the deadline still bounds the number of polls."""
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
    """Number and interval of polls are bounded; the wait ends at most one request after the deadline."""
    run = Run()
    flow = watch(config(run, poll=poll), TaskSnapshot(id=TASK_ID), deadline, lambda state: state.status)
    with pytest.raises(errors.WaitTimeout) as caught:
        run.play(flow, [*script, seen("processing")], spend)
    assert run.time.now - 1000 <= deadline + LAST_POLL_SECONDS + 1e-6
    assert caught.value.waited >= deadline - 2e-6
    assert all(poll.first - 1e-9 <= pause <= poll.cap for pause in run.time.sleeps[:-1])
    assert all(before <= after + 1e-9 for before, after in pairwise(run.time.sleeps[:-1]))
    assert len(run.calls) <= deadline / poll.first + 2
