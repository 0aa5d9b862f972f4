"""The output of `kling-mock serve`: its address and settings, then a line for each request and callback."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from kling_contracts.vocabulary import API_KEY_VARIABLE, BASE_URL_VARIABLE, TaskStatus
from kling_mock import __version__
from kling_mock.callbacks.model import Callback
from kling_mock.callbacks.policy import in_ascii, without_secrets
from kling_mock.doors.webhook_sender import CallbackSender
from kling_mock.fake import Fake
from kling_mock.records import AttemptRecord, CallRecord

COLOURS = {
    TaskStatus.SUBMITTED: "cyan",
    TaskStatus.PROCESSING: "yellow",
    TaskStatus.SUCCEED: "green",
    TaskStatus.FAILED: "red",
}

# A part of a line, and its style on a terminal.
Segment = tuple[str, str]


class Console:
    """Prints the requests and callbacks of a fake to standard output, in colour if that is a terminal."""

    def __init__(self, fake: Fake, *, quiet: bool) -> None:
        self._fake = fake
        self._quiet = quiet
        self._coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        if not quiet:
            fake.on_call(self.log_call)

    def sender(self) -> CallbackSender:
        return self._fake.sender(None if self._quiet else self.log_callback)

    def show_start(self, url: str) -> None:
        """Print the address, the keys and the settings that a client needs."""
        settings = self._fake.settings
        key = next(iter(settings.plain_keys), "any")
        # Secrets are left out, since logs are stored and shared.
        keys = ", ".join(
            each if ":" not in each else f"{each.partition(':')[0]}:..." for each in settings.keys
        )
        self._print(("kling-mock ", "bold"), (__version__, "bold"), (" serves ", ""), (url, "bold cyan"))
        own = "   (each key is a separate account)" if "sk-mock-*" in settings.keys else ""
        self._fact("keys", keys or "any", own)
        self._fact("pace", str(settings.pace))
        self._fact("your code", f"{BASE_URL_VARIABLE}={url} {API_KEY_VARIABLE}={key}")
        for gateway in self._fake.settings.gateways:
            self._fact(gateway.title, f"POST {gateway.create_path}", ", GET .../<task_id>")
        self._fact("stop", "Ctrl-C")
        self._print()

    def log_call(self, call: CallRecord) -> None:
        """Print a line for an answered request."""
        good = "green" if call.status < 400 else "red"
        line = f"{call.method:<4} {call.path[:100]} "
        self._print((line, ""), (str(call.status), good), *_details(call))

    def log_callback(self, callback: Callback, attempt: AttemptRecord | None) -> None:
        """Print a line for a delivery attempt; None: the receiver is not called."""
        line = f"  -> POST {without_secrets(callback.url)[:100]} "
        status = (f"  {callback.status}", COLOURS[callback.status])
        task = (f"  task {callback.task_id}", "dim")
        if attempt is None:
            self._print((line, ""), ("not sent", "yellow"), (f"  {callback.refused}", "yellow"), task)
            return
        result = "failed" if attempt.status is None else str(attempt.status)
        why = f"  {in_ascii(str(attempt.error))}" if attempt.status is None else ""
        made = callback._replace(attempts=(*callback.attempts, attempt))
        due = made.next_attempt(self._fake.settings.callback_retries)
        pause = "given up" if due is None else f"retry in {due - attempt.at:g} s"
        rest = () if attempt.delivered else ((f"{why}  {pause}", "yellow"),)
        self._print((line, ""), (result, "green" if attempt.delivered else "red"), status, task, *rest)

    def show_end(self) -> None:
        """Print the number of tasks."""
        tasks = self._fake.tasks
        done = sum(task.status.terminal for task in tasks)
        self._print((f"\nstopped: {len(tasks)} tasks, {done} of them finished", ""))

    def _fact(self, name: str, value: str, remark: str = "") -> None:
        self._print((f"  {name:<10} ", ""), (value, ""), (remark, "dim"))

    def _print(self, *segments: Segment) -> None:
        if not self._coloured:
            sys.stdout.write("".join(text for text, _ in segments) + "\n")
            sys.stdout.flush()
            return
        # Imported on terminals only, so that a server started by a test or a script is ready sooner.
        from rich import get_console
        from rich.text import Text

        get_console().print(Text.assemble(*segments), soft_wrap=True)


def _details(call: CallRecord) -> Iterator[Segment]:
    if call.rule is not None:
        yield f"  refused by {call.rule}", "yellow"
    elif call.shown is not None:
        yield f"  {call.shown}", COLOURS[call.shown]
        if call.method == "POST":
            yield f"  task {call.task_id}", "dim"
