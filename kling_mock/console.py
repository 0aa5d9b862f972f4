"""The log of `kling-mock serve`: its address and settings, and a line for each call and callback attempt."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from kling_contracts.redaction import escape_controls
from kling_contracts.vocabulary import API_KEY_VARIABLE, BASE_URL_VARIABLE, CONTROL_PREFIX, TaskStatus
from kling_mock import __version__
from kling_mock.callbacks.model import Callback
from kling_mock.callbacks.policy import in_ascii, without_secrets
from kling_mock.fake import Fake
from kling_mock.keys import is_public
from kling_mock.log_writer import LogWriter
from kling_mock.records import AttemptRecord, CallRecord
from kling_mock.suggestions import counted

COLOURS: Final[Mapping[str, str]] = {
    TaskStatus.SUBMITTED: "cyan",
    TaskStatus.PROCESSING: "yellow",
    TaskStatus.SUCCEED: "green",
    TaskStatus.FAILED: "red",
}
_CODES: Final = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "cyan": 36}
GREETING_SECONDS: Final = 1.0
FAREWELL_SECONDS: Final = 0.3
NOTES_SHOWN: Final = 5
KEY_CHARACTERS: Final = 4  # of a key that may be a real one

LogFormat = Literal["text", "json"]
# A part of a line, and its style, which is used on a terminal only.
Segment = tuple[str, str]


class Console:
    """The log of a served fake, as text or as one JSON object for each line."""

    def __init__(self, fake: Fake, *, quiet: bool, log: LogFormat = "text") -> None:
        self._fake = fake
        self._quiet = quiet
        self._json = log == "json"
        self._writer = LogWriter(sys.stdout)
        self._coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        # Without a handler, logging writes to stderr, which blocks if it is a pipe that is not read.
        logging.getLogger().addHandler(_Forward(self))
        if not quiet:
            fake.on_call(self.log_call)

    def background(self) -> Callable[[], Coroutine[Any, Any, None]]:
        """`Fake.background`, with a log of callbacks."""
        return self._fake.background(None if self._quiet else self.log_callback)

    def show_start(
        self, url: str, *, exposed: bool = False, scenario: Path | None = None, workers: int = 1
    ) -> None:
        """Log the address and settings; wait up to `GREETING_SECONDS` until they are written.

        `exposed`: the server listens on an address that others can reach. `scenario`: its scenario file.
        `workers`: the number of its processes.
        """
        settings = self._fake.settings
        if self._json:
            self._event("serving", url=url, version=__version__, keys=_shown_keys(settings.keys))
        else:
            for line in self._greeting(url, scenario, workers, exposed=exposed):
                self._show(*line)
        if exposed and settings.control_token is None:
            self.problem("the control API is off, since others can reach this server; --control-token TOKEN")
        self._writer.flush(GREETING_SECONDS)

    def _greeting(
        self, url: str, scenario: Path | None, workers: int, *, exposed: bool
    ) -> Iterator[tuple[Segment, ...]]:
        settings = self._fake.settings
        whole = [key for key in settings.plain_keys if not key.endswith("*")]
        first = next(filter(is_public, whole), "")
        others = [_shown(key) for key in settings.keys if key != first]
        yield ("kling-mock ", "bold"), (__version__, "bold"), (" serves ", ""), (url, "bold cyan")
        variables = f"{BASE_URL_VARIABLE}={url}"
        if first:
            variables += f" {API_KEY_VARIABLE}={first}"
        yield _fact("your code", variables)
        if settings.control_token is not None or not exposed:
            yield _fact("dashboard", f"{url}{CONTROL_PREFIX}/")
        if others:
            own = "   (each key is a separate account)"
            yield _fact("other keys" if first else "keys", ", ".join(others), own)
        elif not first:
            yield _fact("keys", "any", "   (each key is a separate account)")
        yield _fact("pace", str(settings.pace))
        if settings.clock_mode == "skip":
            yield _fact("clock", "skip", "   (a query of an unfinished task moves it to the next change)")
        if scenario is not None:
            scripts = counted(len(self._fake.scripts), "script")
            yield _fact("scenario", in_ascii(str(scenario)), f"   ({scripts})")
        if settings.state is not None:
            yield _fact(
                "state",
                in_ascii(_place(settings.state)),
                f"   ({counted(len(self._fake.tasks), 'task')})",
            )
        if workers > 1:
            yield _fact("workers", str(workers), "   (processes; each that ends is replaced)")
        for gateway in settings.gateways:
            yield _fact(gateway.title, f"POST {gateway.create_path}", ", GET .../<task_id>")
        yield _fact("stop", "Ctrl-C")
        yield (("", ""),)

    def log_call(self, call: CallRecord) -> None:
        """Log a call after its reply."""
        now = time.time()
        if self._json:
            self._writer.put(lambda: _call_as_json(call, now))
        else:
            self._writer.put(lambda: self._line(_time(now), *_call_as_text(call)))

    def log_callback(self, callback: Callback, attempt: AttemptRecord | None) -> None:
        """Log an attempt to deliver a callback; None if its receiver must not be called."""
        url, status = without_secrets(callback.url)[:100], callback.status
        error = callback.refused if attempt is None else attempt.error
        again: float | None = None
        if attempt is not None and attempt.retry_at is not None:
            again = attempt.retry_at - attempt.at
        if self._json:
            self._event(
                "callback",
                url=url,
                status=None if attempt is None else attempt.status,
                task_id=callback.task_id,
                task_status=status,
                delivered=attempt is not None and attempt.delivered,
                error=error,
                retry_in=again,
            )
            return
        line, shown = (f"  -> POST {url} ", ""), (f"  {status}", COLOURS[status])
        task = (f"  task {callback.task_id}", "dim")
        if attempt is None:
            self._timed(line, ("not sent", "yellow"), (f"  {error}", "yellow"), task)
            return
        result = "failed" if attempt.status is None else str(attempt.status)
        why = f"  {in_ascii(str(error))}" if attempt.status is None else ""
        pause = "given up" if again is None else f"retry in {again:g} s"
        rest = () if attempt.delivered else ((f"{why}  {pause}", "yellow"),)
        self._timed(line, (result, "green" if attempt.delivered else "red"), shown, task, *rest)

    def note(self, text: str) -> None:
        """Log an event that is not a call of the service, such as a refused preflight."""
        if self._quiet:
            return
        if self._json:
            self._event("note", message=text)
        else:
            self._timed((in_ascii(text), "yellow"))

    def problem(self, text: str) -> None:
        """Log an error of the program, even if the console is quiet."""
        if self._json:
            self._event("error", message=text)
        else:
            self._timed((text, "red"))

    def show_end(self) -> None:
        """Log the number of tasks, and write all lines."""
        tasks = self._fake.tasks
        finished = sum(task.status.terminal for task in tasks)
        if self._json:
            self._event("stopped", tasks=len(tasks), finished=finished)
        else:
            self._show((f"\nstopped: {len(tasks)} tasks, {finished} of them finished", ""))
        self.flush()

    def flush(self) -> None:
        """Write all lines. The number of dropped ones, if any, is written to standard error."""
        written = self._writer.flush(FAREWELL_SECONDS)
        if self._writer.dropped or not written:
            text = f"kling-mock: {self._writer.dropped} log lines dropped: standard output was not read\n"
            errors = LogWriter(sys.stderr)
            errors.put(text.rstrip())
            errors.flush(FAREWELL_SECONDS)

    def _event(self, event: str, **parts: object) -> None:
        now = time.time()
        self._writer.put(lambda: _as_json(event, now, parts))

    def _timed(self, *segments: Segment) -> None:
        self._show(_time(time.time()), *segments)

    def _show(self, *segments: Segment) -> None:
        self._writer.put(self._line(*segments))

    def _line(self, *given: Segment) -> str:
        segments = [(escape_controls(text, keep="\n\t"), style) for text, style in given]
        if not self._coloured:
            return "".join(text for text, _ in segments)
        return "".join(
            f"\x1b[{';'.join(str(_CODES[word]) for word in style.split())}m{text}\x1b[0m" if style else text
            for text, style in segments
        )


class _Forward(logging.Handler):
    """Passes warnings and errors that libraries log to the console."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.problem(self.format(record))


def _fact(name: str, value: str, remark: str = "") -> tuple[Segment, ...]:
    return (f"  {name:<10} ", ""), (value, ""), (remark, "dim")


def _place(state: str) -> str:
    """The path of a state file, or the URL of a namespace in Redis without its password."""
    if "://" not in state:
        return state
    from kling_mock.stores.redis.address import Address

    return Address.parse(state).shown


def _shown(key: str) -> str:
    """A key as it is logged: whole if it is public, such as `sk-mock`; else at most a quarter of it."""
    if is_public(key):
        return key
    name, pair, _ = key.partition(":")
    return f"{name[: min(len(name) // 4, KEY_CHARACTERS)]}...{':...' if pair else ''}"


def _shown_keys(keys: tuple[str, ...]) -> list[str]:
    return [_shown(key) for key in keys]


def _time(now: float) -> Segment:
    return time.strftime("%H:%M:%S ", time.localtime(now)), "dim"


def _call_as_text(call: CallRecord) -> Iterator[Segment]:
    yield f"{call.method:<4} {in_ascii(call.path[:100])} ", ""
    yield str(call.status or "no reply"), "green" if 0 < call.status < 400 else "red"
    if call.rule is not None:
        yield f"  refused by {call.rule}", "yellow"
        if call.message:
            yield f": {in_ascii(call.message)}", "yellow"
        if call.rule.startswith("auth."):
            yield "; send a key that is listed at the start, or add it with --keys", "dim"
    elif call.shown is not None:
        yield f"  {in_ascii(str(call.shown))}", COLOURS.get(call.shown, "yellow")
        if call.method == "POST":
            yield f"  task {call.task_id}", "dim"
    if call.notes:
        yield f"  ({'; '.join(_notes(call))})", "dim"


def _notes(call: CallRecord) -> list[str]:
    """Ignored fields and similar remarks."""
    more = len(call.notes) - NOTES_SHOWN
    return [*call.notes[:NOTES_SHOWN], *([f"and {more} more"] if more > 0 else [])]


def _call_as_json(call: CallRecord, now: float) -> str:
    parts: dict[str, object] = {
        "method": call.method,
        "path": call.path,
        "status": call.status,
        "account": call.account,
        "task_id": call.task_id,
        "task_status": call.shown,
        "rule": call.rule,
        "message": call.message,
        "notes": list(call.notes),
    }
    return _as_json("call", now, parts)


def _as_json(event: str, now: float, parts: dict[str, object]) -> str:
    at = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03d}Z"
    return json.dumps({"time": at, "event": event, **{k: v for k, v in parts.items() if v is not None}})
