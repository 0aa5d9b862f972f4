"""Answers with 429: the server is busy, so the request is repeated; the concurrency limit that they reveal.

A 429 about the account itself (arrears, balance, permissions by address) is final: waiting does not help.
"""

from __future__ import annotations

from typing import Final

from kling_contracts.verify.evidence import Evidence, TaskHistory
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.probes import Label, ProbeKind

# Codes of 429 in Kling's table: account abnormal, in arrears, used up, and not in the allow list.
_FINAL: Final = frozenset({1100, 1101, 1102, 1304})
_CONCURRENCY: Final = 1303

# Pauses in seconds before a repetition, where the server names none.
_FIRST_PAUSE: Final = 0.2
_GROWTH: Final = 1.6
_LONGEST_PAUSE: Final = 5.0
# A request is given up after this many seconds, just over a rate window of a minute.
LONGEST_WAIT: Final = 65.0
# A create is given up after this many refusals for concurrency while no task of the run is unfinished.
_MOST_ALONE: Final = 4
# A task that is not polled has ended by this multiple of the longest duration, plus a second.
_SURELY_ENDED: Final = 1.5


class Busy(Exception):
    """The server answered a request with 429 until the run gave it up; the message names the reason."""


def is_busy(exchange: Exchange) -> bool:
    """Whether an answer asks the client to repeat the request later."""
    return exchange.status == 429 and exchange.error_code not in _FINAL


def is_for_concurrency(exchange: Exchange) -> bool:
    return exchange.status == 429 and exchange.error_code == _CONCURRENCY


class Patience:
    """The pauses before the repetitions of one request."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._pause = _FIRST_PAUSE
        self._alone = 0

    def pause(self, exchange: Exchange, evidence: Evidence, time_left: float) -> float:
        """The pause in seconds before the next attempt. Raises Busy."""
        waited = exchange.received_at - self._began
        wanted = _retry_after(exchange) or self._pause
        self._pause = min(self._pause * _GROWTH, _LONGEST_PAUSE)
        if is_for_concurrency(exchange) and not unfinished(evidence, exchange.received_at):
            self._alone += 1
            if self._alone >= _MOST_ALONE:
                raise Busy("the request alone exceeds the concurrency limit, or ended tasks still count")
        if waited + wanted > LONGEST_WAIT:
            raise Busy(f"429 for {waited:.0f} seconds")
        if wanted > time_left:
            raise Busy(f"429 until the deadline; the next attempt would be {wanted:.1f} seconds later")
        return wanted


def _retry_after(exchange: Exchange) -> float:
    """The seconds of Retry-After; 0 without the header. Its other form, a date, is not read."""
    value = (exchange.header("retry-after") or "").strip()
    return float(value) if value.isascii() and value.isdigit() else 0.0


def _mine(evidence: Evidence) -> list[TaskHistory]:
    """The tasks of the first account; concurrency is counted for each account."""
    return [history for history in evidence.histories() if history.created.credential == "first"]


def unfinished(evidence: Evidence, now: float) -> int:
    """The number of images of tasks that may be unfinished at `now`."""
    histories = _mine(evidence)
    longest = max((each.duration for each in histories), default=0.0)
    return sum(history.images for history in histories if not _has_ended(history, now, longest))


def _has_ended(history: TaskHistory, now: float, longest: float) -> bool:
    if history.end is not None and history.end.at <= now:
        return True
    # The end of an unpolled task may be observed long after it.
    unpolled = history.created.probe.about == Label.UNPOLLED
    return unpolled and now - history.created.received_at > longest * _SURELY_ENDED + 1


def running(evidence: Evidence, now: float) -> int:
    """The number of images of tasks that were certainly unfinished at `now`.

    The unpolled task is taken to last as long as the shortest of the others.
    """
    durations = [history.duration for history in _mine(evidence)]
    shortest = min((each for each in durations if each), default=0.0)
    return sum(
        history.images
        for history in _mine(evidence)
        if history.created.received_at <= now < history.created.sent_at + (history.duration or shortest)
    )


def proven_limit(evidence: Evidence) -> int:
    """The most images that were certainly unfinished at once: the concurrency limit is at least this."""
    creates = [history.created for history in _mine(evidence)]
    return max((running(evidence, each.received_at) for each in creates), default=0)


def note_on(evidence: Evidence) -> str:
    """The number of answers with 429, and the concurrency limit that they reveal; empty without any."""
    busy = list(evidence.of(ProbeKind.BUSY))
    if not busy:
        return ""
    times = f"429 answered {len(busy)} request{'s' if len(busy) > 1 else ''}, which were repeated"
    if not any(map(is_for_concurrency, busy)):
        return times
    return f"{times}; at most {proven_limit(evidence)} images were unfinished at once"
