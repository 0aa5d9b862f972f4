"""The tree, its texts, and the pickling of each error."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime

import pytest

import kling_client
from kling_client import errors
from kling_client.snapshot import TaskSnapshot
from kling_contracts.operations import validate

TASK = TaskSnapshot(
    id="867", status="processing", request_id="c065", updated_at=datetime(2026, 11, 22, tzinfo=UTC)
)
FAILED = TaskSnapshot(id="867", failure="Image pixel is invalid", request_id="c065")

LOOK = "look for the task before sending it again"
RESUME = "resume with client.task('867').wait() (request id c065)"

EXAMPLES: list[tuple[errors.KlingError, str]] = [
    (errors.KlingError("x"), "x"),
    (errors.ConfigError("no key"), "no key"),
    (
        errors.InvalidRequest(validate({"subject_image_list": [], "n": 10})),
        "subject_image_list: subject_image_list must be given (got array of 0); n: n is at most 9 (got 10)",
    ),
    (errors.TransportError("GET https://h: reset"), "GET https://h: reset"),
    (
        errors.SubmitUncertain("ReadTimeout", "mine"),
        "the request may have been accepted and billed (external_task_id mine): ReadTimeout; " + LOOK,
    ),
    (
        errors.UnreadableReceipt(errors.UnexpectedReply(200, "<html>", "not JSON")),
        f"the request may have been accepted and billed: HTTP 200, not JSON: '<html>'; {LOOK}",
    ),
    (errors.ApiError(400, 1201, "n value '10' is invalid", "c065"),
     "HTTP 400, code 1201: n value '10' is invalid (request id c065)"),
    (errors.AuthError(401, "", "invalid token"), "HTTP 401: invalid token"),
    (errors.AuthError(401, "", "invalid token (request id: c065)", "c065"),
     "HTTP 401: invalid token (request id: c065)"),
    (errors.NotFound(400, "task_not_exist", "gone"), "HTTP 400, code task_not_exist: gone"),
    (errors.Conflict(400, 1201, "External_task_id a already exists", "c065"),
     "HTTP 400, code 1201: External_task_id a already exists (request id c065)"),
    (errors.RateLimited(429, 1303, "limit", "c065", retry_after=7.0),
     "HTTP 429, code 1303: limit; retry after 7 s (request id c065)"),
    (errors.ServerError(502, None, "not JSON"), "HTTP 502: not JSON"),
    (errors.UnexpectedReply(200, "<html>", "not JSON"), "HTTP 200, not JSON: '<html>'"),
    (errors.TaskFailed(FAILED), "task 867 failed: Image pixel is invalid (request id c065)"),
    (
        errors.WaitTimeout(TASK, 600.0),
        "task 867 is still running (processing) after 600.0 s; " + RESUME,
    ),
    (errors.DownloadError("https://h/a?sig=1", 7, "HTTP 404"), "https://h/a: HTTP 404 (7 bytes received)"),
]  # fmt: skip

by_name = pytest.mark.parametrize(
    ("error", "text"), EXAMPLES, ids=[type(error).__name__ for error, _ in EXAMPLES]
)


def test_the_examples_are_the_whole_tree() -> None:
    """Each error is exported, and each has an example here."""

    def tree(kind: type[errors.KlingError]) -> set[type[errors.KlingError]]:
        return {kind}.union(*(tree(sub) for sub in kind.__subclasses__()))

    known = tree(errors.KlingError)
    known = {kind for kind in known if kind.__module__ == "kling_client.errors"}
    assert known == {type(error) for error, _ in EXAMPLES}
    assert known == {getattr(kling_client, kind.__name__) for kind in known}


@by_name
def test_the_text_says_what_happened_with_task_and_request(error: errors.KlingError, text: str) -> None:
    assert str(error) == text


@by_name
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_error_survives_pickling(error: errors.KlingError, text: str, protocol: int) -> None:
    """Text, attributes and notes: worker processes hand errors back that way."""
    error = copy.copy(error)
    error.add_note("seen by worker 3")
    again = pickle.loads(pickle.dumps(error, protocol))
    assert type(again) is type(error)
    assert (str(again), repr(again)) == (text, repr(error))
    assert again.__dict__ == error.__dict__


def test_who_catches_what() -> None:
    """The promises about families."""
    assert issubclass(errors.WaitTimeout, TimeoutError)
    assert issubclass(errors.ConfigError, ValueError)
    assert issubclass(errors.UnreadableReceipt, errors.SubmitUncertain)
    assert issubclass(errors.UnreadableReceipt, errors.UnexpectedReply)
    assert not issubclass(errors.TaskFailed, errors.ApiError)
    assert not issubclass(errors.WaitTimeout, errors.TransportError)


def test_an_unreadable_receipt_has_the_attributes_of_both_families() -> None:
    error = errors.UnreadableReceipt(errors.UnexpectedReply(204, "", "empty"), "mine")
    assert (error.status, error.body, error.external_task_id) == (204, "", "mine")


def test_text_from_outside_is_shown_as_one_printable_line() -> None:
    """No forged log lines, no text that cannot be printed, nothing endless."""
    shown = str(errors.ApiError(400, 1201, "a\nERROR forged\x1b[31m \ud800"))
    assert "\n" not in shown
    assert "\x1b" not in shown
    assert shown.encode()
    assert len(str(errors.KlingError("x" * 10**6))) == 2000


def test_a_refused_file_name_is_met_with_advice() -> None:
    wrong = {"subject_image_list": [{"subject_image": "a.png"}] * 2}
    assert "given as pathlib.Path" in str(errors.InvalidRequest(validate(wrong)))
