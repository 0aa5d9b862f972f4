"""Requests without a reply, because the server closed the connection: they are sent again.

A server that is restarted, or one of whose processes ends, loses the replies in progress. That is not a
violation, unless it happens often, or each time for the same request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.parts import EXTERNAL_ID
from kling_contracts.verify.probes import Probe, ProbeKind

# The largest number of repetitions of a request.
REPETITIONS: Final = 2
# One of this number of requests may be lost, reading and writing ones apart; in short runs one of each.
TOLERATED: Final = 100
_READING: Final = frozenset({"GET", "HEAD"})
# Creates that must be accepted: their external ids are theirs alone.
_VALID: Final = frozenset({
    ProbeKind.ACCEPT,
    ProbeKind.ACCEPT_WITHOUT,
    ProbeKind.ACCEPT_ONLY,
    ProbeKind.ACCEPT_PAIR,
    ProbeKind.ATTEMPT,
})  # fmt: skip


def lost_probe(probe: Probe) -> Probe:
    """The probe of a request whose reply was lost."""
    return Probe(ProbeKind.LOST, str(probe.kind), probe.about)


def is_lost(exchange: Exchange) -> bool:
    """Whether the reply was lost, and the request sent again."""
    return exchange.probe.kind == ProbeKind.LOST


def lost_creates(evidence: Evidence) -> Sequence[Exchange]:
    """The creates whose reply was lost. Each may have created a task that the run does not know."""
    return [each for each in evidence.sent(ProbeKind.LOST) if each.method == "POST"]


def excessive(evidence: Evidence) -> tuple[Sequence[Exchange], int]:
    """The lost requests if there are too many, and the number that is tolerated."""
    lost = evidence.sent(ProbeKind.LOST)
    for are_reading in (True, False):
        mine = [each for each in lost if (each.method in _READING) is are_reading]
        sent = sum((each.method in _READING) is are_reading for each in evidence.exchanges)
        limit = max(1, sent // TOLERATED)
        if len(mine) > limit:
            return mine, limit
    return (), 0


def with_new_id(
    evidence: Evidence, refused: Exchange, body: Mapping[str, object]
) -> Mapping[str, object] | None:
    """The body to send after the repetition of a lost create was refused; None if the refusal is final.

    The lost create may have taken effect, so that its external id is used.
    """
    if refused.probe.kind not in _VALID or not refused.external_id or not refused.proves_refusal:
        return None
    if not is_repetition(evidence, refused):
        return None
    return {**body, EXTERNAL_ID: f"{refused.external_id}-again"}


def is_repetition(evidence: Evidence, exchange: Exchange) -> bool:
    """Whether the reply to an equal create was lost before."""
    return any(
        is_lost(each) and each.body == exchange.body and each.credential == exchange.credential
        for each in tuple(evidence.exchanges)
    )


def note_on(evidence: Evidence) -> str:
    """The number of lost requests; empty without any."""
    lost = len(evidence.sent(ProbeKind.LOST))
    if not lost:
        return ""
    return f"the connection of {lost} request{'s' if lost > 1 else ''} was closed; repeated"
