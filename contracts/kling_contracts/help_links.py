"""Links from messages to their entries on the page Troubleshooting, as one table.

The commands print a link below an error, warnings end with one, the pytest plugin adds it to the report of a
failed test, and the control API sends it as a header. Responses of the imitated service have none.

A link is the address of the entry on the site, or until there is one the command that prints the entry.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from typing import Final, NamedTuple

COMMAND: Final = "kling-mock help"
_PYTEST: Final = ("pytest", "_pytest")


class Entry(NamedTuple):
    """An entry of the page: the anchor, and the messages that it is about.

    A message fits if its kind is listed and the pattern is found in its text. Kinds are names of classes of
    exceptions (those of pytest with `pytest.`), `options` for the parser of arguments, `kling-contracts` for
    messages without an exception, or the status of a response of the control API.
    """

    anchor: str
    kinds: Collection[str]
    pattern: str = ""


# The first entry that fits is that of a message.
ENTRIES: Final[tuple[Entry, ...]] = (
    Entry("options", ["options"]),
    # kling-client
    Entry("interrupted", ["KeyboardInterrupt", "kling-contracts"], "interrupted"),
    Entry("no-key", ["ConfigError"], r"no (API )?key for|is set without|unset one of"),
    Entry("base-url", ["ConfigError"], r"base[ _]URL|base_url"),
    Entry("arguments", ["ConfigError"]),
    Entry("invalid-request", ["InvalidRequest"]),
    Entry("uncertain", ["SubmitUncertain"]),
    Entry("deadline", ["WaitTimeout"]),
    Entry("download", ["DownloadError"]),
    Entry("proxy", ["TransportError"], r"\(through the proxy"),
    Entry("no-server", ["TransportError"], "no server listens there"),
    Entry("tls", ["TransportError"], "use TLS|certificate|SSL"),
    Entry("connection", ["TransportError"]),
    Entry("refused-key", ["AuthError"]),
    Entry("unknown-task", ["NotFound"], "check the task id"),
    Entry("unknown-path", ["NotFound"]),
    Entry("external-id", ["Conflict"]),
    Entry("rate-limited", ["RateLimited"]),
    Entry("service-error", ["ApiError"]),
    Entry("not-this-api", ["UnexpectedReply"]),
    Entry("signature", ["InvalidSignature"]),
    Entry("failed-task", ["TaskFailed"]),
    # kling-mock
    Entry("options", ["ValueError"], r"\A(check|help): "),
    Entry("port-in-use", ["AddressRefused"], "is in use"),
    Entry("address", ["AddressRefused"]),
    Entry("scenario-file", ["ScenarioError", "DocumentError"]),
    Entry("redis", ["RedisRefused"]),
    Entry("redis", ["ValueError"], r"Redis|redis"),
    Entry("state", ["StateFileRefused", "StateNotKept", "StateNotEmpty"]),
    Entry("state", ["ValueError"], r"--state\b|state file"),
    Entry("state", ["OSError"], "start the server, or use --state"),
    Entry("workers", ["WorkersFailed"]),
    Entry("extra", ["ValueError", "ModuleNotFoundError"], "is not installed: pip install"),
    # Tests
    Entry("unused-script", ["UnusedScripts", "UnusedScriptWarning"]),
    Entry("real-sleep", ["RealSleepWarning"]),
    Entry("interception", ["RuntimeWarning"], "never opened"),
    Entry("name-refused", ["NameRefused"]),
    Entry("other-host", ["RequestRefused"]),
    Entry("one-task", ["NotOneTask"]),
    Entry("ended-task", ["TaskAlreadyEnded"]),
    Entry("remote", ["RemoteError"]),
    Entry("fixture-options", ["pytest.UsageError"], r"\A(ini option |marker )?kling:"),
    # kling-contracts
    Entry("verify-key", ["UsageError"], r"\Ano key|-api-key"),
    Entry("verify-key", ["Unreachable"], "the key is refused"),
    Entry("report-file", ["UsageError", "kling-contracts"], "--report|cannot be (written|read)|--record"),
    Entry("known-deviations", ["UsageError"], "--known"),
    Entry("recording", ["BadRecording"]),
    Entry("verify-options", ["UsageError"]),
    Entry("no-answer", ["Unreachable"]),
    Entry("internal-error", ["kling-contracts", "500"], "internal error"),
    # The control API
    Entry("control-access", ["401", "403"]),
    Entry("control-state", ["409", "503"]),
    Entry("control-request", ["Problem"]),
    # Errors of the system, and of settings
    Entry("file", ["OSError"]),
    Entry("setting", ["ValueError"]),
)


def entry_of(kinds: Collection[str], text: str) -> Entry | None:
    """The entry of a message, or None."""
    for entry in ENTRIES:
        if not set(kinds).isdisjoint(entry.kinds) and re.search(entry.pattern, text):
            return entry
    return None


def kinds_of(error: BaseException) -> list[str]:
    """The kinds of the message of an exception: the names of its classes, and of those of its cause."""
    classes = (
        type(error).__mro__
        if error.__cause__ is None
        else type(error).__mro__ + type(error.__cause__).__mro__
    )
    return [_kind(each) for each in classes]


def _kind(each: type) -> str:
    return f"pytest.{each.__name__}" if each.__module__.startswith(_PYTEST) else each.__name__


def help_link(kinds: Collection[str], text: str) -> str:
    """The link from a message to its entry; empty if it has none."""
    entry = entry_of(kinds, text)
    return "" if entry is None else f"{_before_anchor()}{entry.anchor}"


def help_line(kinds: Collection[str], text: str) -> str:
    """The line with the link of a message; empty if it has no entry."""
    link = help_link(kinds, text)
    return link and f"help: {link}"


def help_for(error: BaseException) -> str:
    """The line with the link of an exception of this project or of its pytest plugin; else empty."""
    known = [each for each in type(error).__mro__ if each.__module__.startswith(("kling_", *_PYTEST))]
    return help_line([_kind(each) for each in known], str(error))


@cache
def _before_anchor() -> str:
    """A link up to the anchor: the page on the site that the metadata name, else the command."""
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        lines = metadata("kling-mock").get_all("Project-URL") or ()
    except PackageNotFoundError:  # a copy of the source that is not installed
        lines = ()
    for line in lines:
        label, _, url = line.partition(", ")
        if label == "Documentation":
            return f"{url.rstrip('/')}/troubleshooting.html#"
    return f"{COMMAND} "
