"""The errors of creates: the one due for a broken rule, an unknown model, an external id that is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kling_contracts.checks.errors import any_validation_shape, error_check
from kling_contracts.checks.external_ids import DUPLICATE
from kling_contracts.checks.refusing import REFUSE
from kling_contracts.gateways import Gateway, RefusalReason
from kling_contracts.verify.check import Check
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.parts import EXTERNAL_ID, has


def checks(gateway: Gateway) -> tuple[Check, ...]:
    found = [
        error_check(
            "errors.validation",
            "a request that breaks a rule is refused with the error due",
            gateway,
            [RefusalReason.INVALID],
            _refusals(unknown_model=False),
            also=any_validation_shape(gateway),
        )
    ]
    if RefusalReason.UNKNOWN_MODEL in gateway.main.rules:
        found.append(
            error_check(
                "errors.unknown_model",
                "an unknown model is refused with the error due",
                gateway,
                [RefusalReason.UNKNOWN_MODEL],
                _refusals(unknown_model=True),
            )
        )
    if has(gateway.main, EXTERNAL_ID):
        found.append(
            error_check(
                "errors.duplicate_id",
                "a duplicate external id is refused with the error due",
                gateway,
                [RefusalReason.DUPLICATE_ID],
                lambda evidence: evidence.of(DUPLICATE),
            )
        )
    return tuple(found)


def _refusals(*, unknown_model: bool) -> Callable[[Evidence], Iterator[Exchange]]:
    named = RefusalReason.UNKNOWN_MODEL.value

    def pick(evidence: Evidence) -> Iterator[Exchange]:
        return (each for each in evidence.of(REFUSE) if (each.probe.about == named) is unknown_model)

    return pick
