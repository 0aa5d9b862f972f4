"""Refused creates have the expected error: status, shape and code, and the index of an invalid element."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from kling_contracts.checks.refusals import any_validation_shape, error_check, error_message, refused
from kling_contracts.gateways import Gateway, RefusalReason
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.model import Check, CheckContext
from kling_contracts.verify.parts import EXTERNAL_ID, has, picture_list
from kling_contracts.verify.probes import ProbeKind
from kling_contracts.vocabulary import KLING_LIVE

# The position of the invalid element in the tag of a fault, and in a message.
_ELEMENT: Final = re.compile(r"element (\d+)")
_INDEX: Final = re.compile(r"\[(\d+)\]")


def checks(gateway: Gateway) -> tuple[Check, ...]:
    found = [
        error_check(
            "errors.validation",
            "a request that breaks a rule is refused with the expected error",
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
                "an unknown model is refused with the expected error",
                gateway,
                [RefusalReason.UNKNOWN_MODEL],
                _refusals(unknown_model=True),
            )
        )
    if picture_list(gateway.main) is not None:
        found.append(
            Check(
                id="errors.element",
                sentence="an error that gives the index of a list element gives that of the invalid one",
                source=KLING_LIVE,
                judge=_judge_element,
                required=False,
            )
        )
    if has(gateway.main, EXTERNAL_ID):
        found.append(
            error_check(
                "errors.duplicate_id",
                "a duplicate external id is refused with the expected error",
                gateway,
                [RefusalReason.DUPLICATE_ID],
                lambda evidence: evidence.of(ProbeKind.DUPLICATE),
                also=any_validation_shape(gateway),
            )
        )
    return tuple(found)


def _judge_element(evidence: Evidence, context: CheckContext) -> None:
    """Compare the indices in messages with the invalid elements; a server may count from 0 or from 1."""
    named: list[tuple[Exchange, int, int]] = []
    for exchange in refused(evidence):
        element, shown = _ELEMENT.match(exchange.probe.tag), _INDEX.search(error_message(exchange))
        if element and shown:
            named.append((exchange, int(element[1]), int(shown[1])))
    first = min((0, 1), key=lambda first: sum(index != at + first for _, at, index in named))
    for exchange, at, index in named:
        context.expect(
            index == at + first,
            f"the error for element {at} names another one",
            expected=f"[{at + first}]",
            actual=exchange.shown,
            shown=(exchange,),
        )


def _refusals(*, unknown_model: bool) -> Callable[[Evidence], Iterator[Exchange]]:
    named = RefusalReason.UNKNOWN_MODEL.value

    def pick(evidence: Evidence) -> Iterator[Exchange]:
        return (
            each for each in evidence.of(ProbeKind.REFUSE) if (each.probe.about == named) is unknown_model
        )

    return pick
