"""Properties of the key: it is sent in one header of requests to the service, and appears nowhere else."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterator
from typing import Final

from kling_contracts.client_suite.adapter import ClientAdapter
from kling_contracts.client_suite.attempts import Attempt
from kling_contracts.client_suite.bodies import smallest_body
from kling_contracts.client_suite.credentials import KEY, SECRET_KEY
from kling_contracts.client_suite.harness import Harness, Property, fault
from kling_contracts.client_suite.properties.billing import LOST_REPLIES
from kling_contracts.client_suite.replies import PICTURES, created, refused, shown, task
from kling_contracts.client_suite.server import Delivery, Received, Reply
from kling_contracts.gateways import RefusalReason
from kling_contracts.openapi.examples import TASK_ID
from kling_contracts.vocabulary import KLING_AUTH, TaskStatus

_SECRETS: Final = {KEY: "<the key>", SECRET_KEY: "<the secret key>"}
# A part of this length counts as a leak. Many programs show the first or last four characters of a key.
_PART: Final = 12
_SPELLINGS: Final = {
    spelling[start : start + _PART]: name
    for secret, name in _SECRETS.items()
    for spelling in (
        secret,
        *(base64.b64encode(f"{before}{secret}".encode()).decode() for before in ("", ":")),
    )
    for start in range(len(spelling) - _PART + 1)
}
_SHORT_WAIT: Final = 10.0


def secrets(adapter: ClientAdapter) -> Iterator[Property]:
    """The properties of the key, one for each way in which it can leak."""
    checks: dict[str, tuple[str, Callable[[Harness], None], str]] = {
        "errors": ("no exception contains it", _errors, ""),
        "logs": ("no log record contains it, at any level", _logs, ""),
        "output": ("stdout and stderr do not contain it", _output, ""),
        "wire": ("no URL, body or other header contains it", _wire, ""),
        "pictures": (
            "it is not sent to the host of result images",
            _pictures,
            "" if type(adapter).fetch is not ClientAdapter.fetch else "the adapter has no `fetch`",
        ),
    }
    for name, (sentence, check, skip) in checks.items():
        yield Property(
            id=f"client.key_stays_secret[{name}]",
            hint="use the key in the header Authorization only; raise your own exceptions",
            sentence=f"the key stays secret: {sentence}",
            source=KLING_AUTH,
            check=check,
            skip=skip,
        )


def _leaks(text: str) -> bool:
    return any(spelling in text for spelling in _SPELLINGS)


def _hidden(text: str) -> str:
    """An excerpt of the text around a leak, with the key replaced."""
    at = min(text.find(part) for part in _SPELLINGS if part in text)
    for secret, name in _SECRETS.items():
        text = text.replace(secret, name)
    for part, name in _SPELLINGS.items():
        text = text.replace(part, name)
    return text[max(at - 120, 0) : at + 120].strip()


def _episodes(harness: Harness) -> Iterator[tuple[str, Attempt]]:
    """Calls with success and with every kind of failure."""
    running, done = task(TaskStatus.PROCESSING), task(TaskStatus.SUCCEED, pictures=harness.pictures)
    failed = task(TaskStatus.FAILED)
    creates: dict[str, Reply] = {
        "a create": created(task(TaskStatus.SUBMITTED)),
        **{
            each.value: refused(harness.gateway, each)
            for each in (RefusalReason.BAD_KEY, RefusalReason.INVALID)
        },
        **{
            name: reply for name, (_, reply) in LOST_REPLIES.items() if reply.delivery is not Delivery.STALLED
        },
    }
    for name, reply in creates.items():
        harness.answer_with(creates=[reply])
        yield name, harness.submit(smallest_body(harness))
    queries = {
        "a query": shown(running),
        "a refused key": refused(harness.gateway, RefusalReason.BAD_KEY),
        "a query for an unknown task": refused(harness.gateway, RefusalReason.UNKNOWN_TASK),
        "a dropped query": LOST_REPLIES["dropped"][1],
    }
    for name, reply in queries.items():
        harness.answer_with(queries=[reply])
        yield name, harness.query(TASK_ID)
    for name, message in {"success": done, "failure": failed}.items():
        harness.answer_with(queries=[shown(running), shown(message)])
        yield f"waiting for {name}", harness.wait(TASK_ID, _SHORT_WAIT)
    if harness.adapter.virtual_time:
        harness.answer_with(queries=[shown(running)])
        yield "waiting until the deadline", harness.wait(TASK_ID, _SHORT_WAIT)


def _errors(harness: Harness) -> None:
    for name, attempt in _episodes(harness):
        error = attempt.error
        views = {
            "its traceback": attempt.complaint,
            "its repr()": repr(error),
            "its args": repr(getattr(error, "args", ())),
            "its attributes": repr(getattr(error, "__dict__", {})),
        }
        for view, text in views.items():
            if _leaks(text):
                seen = f"{type(error).__name__}, in {view}: {_hidden(text)}"
                fault("an exception without the key", seen, tag=name)


class _Listener(logging.Handler):
    """Collects the texts of all log records."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))


def _logs(harness: Harness) -> None:
    root, listener = logging.getLogger(), _Listener()
    level = root.level
    root.addHandler(listener)
    root.setLevel(logging.DEBUG)
    try:
        for name, _ in _episodes(harness):
            for text in listener.texts:
                if _leaks(text):
                    fault("log records without the key", _hidden(text), tag=name)
            listener.texts.clear()
    finally:
        root.setLevel(level)
        root.removeHandler(listener)


def _output(harness: Harness) -> None:
    capture = harness.capture()
    for name, _ in _episodes(harness):
        printed = capture.readouterr()
        for stream, text in (("stdout", printed.out), ("stderr", printed.err)):
            if _leaks(text):
                fault("output without the key", f"{stream}: {_hidden(text)}", tag=name)


def _wire(harness: Harness) -> None:
    for name, attempt in _episodes(harness):
        for request in attempt.requests:
            if not request.path.startswith(PICTURES):
                _judge_request(request, name)


def _judge_request(request: Received, name: str) -> None:
    places = {
        "the URL": request.target,
        "the body": request.body.decode("utf-8", "replace"),
        **{f"the header {key}": value for key, value in request.headers if key.lower() != "authorization"},
    }
    for place, text in places.items():
        if _leaks(text):
            fault("the key in the header Authorization only", f"{place}: {_hidden(text)}", tag=name)


def _pictures(harness: Harness) -> None:
    harness.answer_with()
    attempt = harness.fetch(f"{harness.pictures}{PICTURES}{TASK_ID}-0.png")
    if not attempt.requests:
        fault("a request for the image", attempt)
    for request in attempt.requests:
        for key, value in (("URL", request.target), *request.headers):
            if _leaks(value):
                fault("a request for the image without the key", f"{key}: {_hidden(value)}")
