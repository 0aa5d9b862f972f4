"""Concurrency: a task occupies it until it ends, successfully or not. Judged where creates met 429."""

from __future__ import annotations

from kling_contracts.gateways import Gateway
from kling_contracts.verify.budget import images_in
from kling_contracts.verify.busy import is_for_concurrency, proven_limit, unfinished
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.model import Check, CheckContext
from kling_contracts.verify.probes import ProbeKind
from kling_contracts.vocabulary import KLING_SLOTS


def checks(gateway: Gateway) -> tuple[Check, ...]:
    if gateway.main.synchronous:
        return ()
    return (
        Check(
            id="concurrency.freed",
            sentence="a task that has ended, successfully or not, occupies no concurrency",
            source=KLING_SLOTS,
            judge=_judge_freed,
            required=False,
        ),
    )


def _judge_freed(evidence: Evidence, context: CheckContext) -> None:
    refused = [
        each
        for each in evidence.of(ProbeKind.BUSY)
        if each.method == "POST" and each.credential == "first" and is_for_concurrency(each)
    ]
    limit = proven_limit(evidence) if refused else 0
    ended = [each for each in evidence.histories() if each.end is not None]
    for exchange in refused:
        if not any(each.end and each.end.at < exchange.sent_at for each in ended):
            continue  # no task had ended yet
        free = limit - unfinished(evidence, exchange.sent_at)
        wanted = images_in(exchange.asked_object)
        context.expect(
            wanted > free,
            f"a create of {wanted} images was refused with 429 while at most {limit - free} were unfinished",
            expected=f"at least {limit} images at once, as before",
            actual=exchange.shown,
            shown=(exchange,),
        )
