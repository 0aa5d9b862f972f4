"""The life of tasks beyond the conduct of each: its changes are stamped, its results are its own, it ends."""

from __future__ import annotations

from itertools import pairwise
from typing import Final, cast

from kling_contracts.checks.conduct import misconduct
from kling_contracts.checks.endings import ended
from kling_contracts.checks.following import is_unwatched, patience_with
from kling_contracts.gateways import Gateway
from kling_contracts.verify.check import Check, Hearing
from kling_contracts.verify.evidence import Evidence, Trace
from kling_contracts.verify.exchange import Exchange
from kling_contracts.vocabulary import KLING_LIVE, KLING_PAGE, SEED, TaskStatus

# A state that was seen for longer, in seconds, did not change within one tick of a clock.
_MOMENT: Final = 0.1


def checks(gateway: Gateway) -> tuple[Check, ...]:
    moves = Check(
        id="life_cycle.time.moves",
        sentence="updated_at moves when the status changes",
        source=KLING_LIVE,
        judge=_judge_moves,
    )
    return (
        *(() if gateway.main.synchronous else (moves,)),
        Check(
            id="life_cycle.images.own",
            sentence="no two tasks share a result URL",
            source=KLING_PAGE,
            judge=_judge_urls,
        ),
        Check(
            id="life_cycle.ends",
            sentence="every task ends",
            source=SEED,
            judge=_judge_ends,
        ),
    )


def _judge_moves(evidence: Evidence, hearing: Hearing) -> None:
    """Only where the state before was seen for a while: the change came after that, so its stamp is later."""
    for trace in evidence.traces():
        if any(each.rule.startswith(("state.", "time.unit")) for each in misconduct(trace)):
            continue  # that is the finding
        since = trace.sightings[0]
        for before, after in pairwise(trace.sightings):
            if before.task.task_status != since.task.task_status:
                since = before
            if after.task.task_status == before.task.task_status:
                continue
            stood = cast("Exchange", before.shown).sent_at - since.at
            old, new = before.task.updated_at or 0, after.task.updated_at or 0
            # Some keep whole seconds.
            if stood > (_MOMENT if old % 1000 or new % 1000 else _MOMENT + 1):
                was, became = before.task.task_status, after.task.task_status
                hearing.expect(
                    new != old,
                    f"a task was {was} for {stood:.1f} s, then {became}, and updated_at stayed",
                    expected="the time of the change",
                    actual=str(new),
                    shown=(trace.created, before.shown, after.shown),
                )


def _judge_urls(evidence: Evidence, hearing: Hearing) -> None:
    owners: dict[str, Trace] = {}
    for trace in evidence.traces():
        for url in {result.url for result in trace.end.task.results} if trace.end else ():
            owner = owners.setdefault(url, trace)
            if owner.end is not None and trace.end is not None:
                hearing.expect(
                    owner is trace,
                    "two tasks have one result URL",
                    expected="a URL for each image" if trace.kind.drawn else "a URL for each result",
                    actual=url,
                    shown=(owner.created, owner.end.shown, trace.created, trace.end.shown),
                )


def _judge_ends(evidence: Evidence, hearing: Hearing) -> None:
    traces = [trace for trace in evidence.traces() if not is_unwatched(trace) and trace.reads]
    slowest, patience = patience_with(traces)
    for trace in traces:
        age = trace.reads[-1].at - trace.created.received_at
        if not isinstance(trace.reads[-1].task.task_status, TaskStatus):
            continue  # a status that is no word of the API, which is another finding
        if ended(trace) or age > patience:
            hearing.expect(
                ended(trace),
                f"a task has not ended after {age:.0f} seconds, the others took {slowest:.1f}",
                expected="succeed or failed",
                actual=str(trace.reads[-1].task.task_status),
                shown=(trace.created, trace.reads[-1].shown),
            )
