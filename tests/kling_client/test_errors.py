"""The tree of errors, their messages and pickling."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime

import pytest

import kling_client
from kling_client import errors
from kling_client.snapshot import TaskSnapshot
from kling_contracts.operations import validate
from tests.rows import each_row

TASK = TaskSnapshot(
    id="867", status="processing", request_id="c065", updated_at=datetime(2026, 11, 22, tzinfo=UTC)
)
FAILED = TaskSnapshot(id="867", failure="Image pixel is invalid", request_id="c065")
INVALID = validate({"subject_image_list": [], "n": 10})

CHECK_TASK = "check the task id, and that the key belongs to the account of the task"
QUERY_EXISTING = "query the existing task, or use another external_task_id"
LOOK = "check whether the task exists before sending it again"
RESUME = "resume with client.task('867').wait() (request id c065)"

EXAMPLES: list[tuple[errors.KlingError, str]] = [
    (errors.KlingError("x"), "x"),
    (errors.ConfigError("no key"), "no key"),
    (
        errors.InvalidRequest(INVALID),
        "; ".join(map(str, INVALID)),
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
    (errors.AuthError(401, "", "invalid token"),
     "HTTP 401: invalid token; check the key, and that it belongs to this gateway"),
    (errors.AuthError(401, "", "invalid token (request id: c065)", "c065"),
     "HTTP 401: invalid token (request id: c065); check the key, and that it belongs to this gateway"),
    (errors.NotFound(400, "task_not_exist", "gone"),
     f"HTTP 400, code task_not_exist: gone; {CHECK_TASK}"),
    (errors.NotFound(404, 1203, "no such route"),
     "HTTP 404, code 1203: no such route; check the base URL and the gateway"),
    (errors.Conflict(400, 1201, "External_task_id a already exists", "c065"),
     f"HTTP 400, code 1201: External_task_id a already exists; {QUERY_EXISTING} (request id c065)"),
    (errors.RateLimited(429, 1303, "limit", "c065", retry_after=7.0),
     "HTTP 429, code 1303: limit; retry after 7 s (request id c065)"),
    (errors.ServerError(502, None, "not JSON"), "HTTP 502: not JSON"),
    (errors.UnexpectedReply(200, "<html>", "not JSON"), "HTTP 200, not JSON: '<html>'"),
    (errors.InvalidSignature("stale", "webhook-timestamp: 301 s old"), "webhook-timestamp: 301 s old"),
    (errors.TaskFailed(FAILED), "task 867 failed: Image pixel is invalid (request id c065)"),
    (
        errors.WaitTimeout(TASK, 600.0),
        "task 867 has not finished after 600.0 s (status: processing); " + RESUME,
    ),
    (errors.DownloadError("https://h/a?sig=1", 7, "HTTP 404"), "https://h/a: HTTP 404 (7 bytes received)"),
]  # fmt: skip

by_name = pytest.mark.parametrize(
    ("error", "text"), EXAMPLES, ids=[type(error).__name__ for error, _ in EXAMPLES]
)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:word@h:1/a@b.png?token=word#word", "https://h:1/a@b.png"),
        ("https://me:word@word@h/a", "https://h/a"),
        ("//me:word@h/a;x?word", "//h/a;x"),
        ("me:word@h/a#word", "h/a"),
        ("https://h/a\x1b[31m\n", "https://h/a [31m "),
        (
            "data:image/png;base64," + "A" * 999,
            "data:image/png;base64," + "A" * 278 + "... (1021 characters)",
        ),
    ],
)
def test_download_errors_show_neither_credentials_nor_signatures(url: str, shown: str) -> None:
    """`url` has the whole URL."""
    error = errors.DownloadError(url, 0, "HTTP 404")
    assert (error.url, error.place) == (url, shown)
    assert str(error) == f"{shown}: HTTP 404 (0 bytes received)"
    assert repr(error) == f"DownloadError({str(error)!r})"


def test_the_examples_are_the_whole_tree() -> None:
    """Each error is exported and has an example in this table."""

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
@each_row("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_error_survives_pickling(error: errors.KlingError, text: str, protocol: int) -> None:
    """With text, attributes and notes, as when a worker process returns an error."""
    error = copy.copy(error)
    error.add_note("seen by worker 3")
    again = pickle.loads(pickle.dumps(error, protocol))
    assert type(again) is type(error)
    assert (str(again), repr(again)) == (text, repr(error))
    assert again.__dict__ == error.__dict__


def test_the_documented_base_classes() -> None:
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
    """No line breaks, control characters or lone surrogates, and limited in length."""
    shown = str(errors.ApiError(400, 1201, "a\nERROR forged\x1b[31m \ud800"))
    assert "\n" not in shown
    assert "\x1b" not in shown
    assert shown.encode()
    assert len(str(errors.KlingError("x" * 10**6))) == 2000


def test_a_file_name_given_as_a_string_is_refused_with_a_hint() -> None:
    for name in "a.png", "a; b.png":
        wrong = {"subject_image_list": [{"subject_image": name}] * 2}
        assert "pass a file as pathlib.Path" in str(errors.InvalidRequest(validate(wrong)))
    wrong = {"subject_image_list": [{"subject_image": "data:image/png;base64,AAAA"}] * 2}
    assert "pathlib" not in str(errors.InvalidRequest(validate(wrong)))


def test_labels_replace_the_paths_of_fields() -> None:
    wrong = validate({"subject_image_list": [], "n": 10})
    error = errors.InvalidRequest(wrong, labels={"n": "--n"})
    assert error.messages[0] == str(wrong[0])
    assert error.messages[1] == "--" + str(wrong[1])
    assert str(error) == "; ".join(error.messages)
