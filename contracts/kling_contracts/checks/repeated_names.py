"""Requests with a field that is given twice: validated and used with the same value, or refused."""

from __future__ import annotations

from typing import Final

from kling_contracts.checks.histories import accepts_nothing
from kling_contracts.checks.result_images import has_ratio, quotient
from kling_contracts.checks.valid_requests import CREATE_CHECKS
from kling_contracts.gateways import Gateway
from kling_contracts.image_files import read_header
from kling_contracts.operations import Operation
from kling_contracts.verify import parts
from kling_contracts.verify.bodies import minimal
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.model import Check, CheckContext, Stage, Step
from kling_contracts.verify.probes import Probe, ProbeKind
from kling_contracts.verify.session import Session, encode
from kling_contracts.vocabulary import ASSUMED

# An aspect ratio that no operation has, and that differs from the valid one in the result.
_INVALID: Final = "9:21"


def checks(gateway: Gateway) -> tuple[Check, ...]:
    if not _valid(gateway.main):
        return ()
    return (
        Check(
            id="requests.repeated_name",
            sentence="a field that is given twice is validated and used with the same value, or refused",
            source=ASSUMED,
            judge=_judge,
            required=False,
        ),
    )


def steps(gateway: Gateway) -> tuple[Step, ...]:
    cost = parts.smallest_cost(gateway.main)
    if not _valid(gateway.main):
        return ()
    return (
        Step(
            name="a field that is given twice",
            stage=Stage.EXTRA,
            description="creates with a valid and an invalid aspect ratio, in both orders",
            run=_send,
            requests=2,
            max_cost=cost,
            creates=cost,
            checks=("requests.repeated_name", *CREATE_CHECKS),
            required=False,
        ),
    )


def _valid(operation: Operation) -> str:
    """An aspect ratio that the result shows, higher than wide, as no default is; empty if there is none."""
    field = parts.choice(operation, parts.RATIO) if operation.result.drawn else None
    return next((it for it in field.options.value if (quotient(it) or 1) < 1), "") if field else ""


def _send(session: Session) -> None:
    valid = _valid(session.operation)
    cost = parts.smallest_cost(session.operation)
    for first, second in ((_INVALID, valid), (valid, _INVALID)):
        body = encode(minimal(session.operation) | {parts.RATIO: first})
        body = body[:-1] + b", " + encode({parts.RATIO: second})[1:]
        probe = Probe(ProbeKind.REPEATED_NAME, parts.RATIO, f"{first}, then {second}")
        session.send(probe, "POST", session.create_path, body=body, images=cost)


def _judge(evidence: Evidence, context: CheckContext) -> None:
    sent = list(evidence.of(ProbeKind.REPEATED_NAME))
    accepted = [exchange for exchange in sent if exchange.accepted]
    if sent and not accepted and not accepts_nothing(evidence):
        context.hold()
    if len(accepted) > 1:
        context.expect(
            False,
            "a field that is given twice is valid if either of its values is",
            expected="one of the two requests is refused, or both",
            actual=accepted[1].shown,
            shown=accepted,
        )
        return
    valid = _valid(evidence.operation)
    for created in accepted:
        for picture in evidence.of(ProbeKind.PICTURE, created.task.task_id if created.task else ""):
            header = read_header(picture.answer)
            if header is not None and header.height:
                context.expect(
                    has_ratio(header.width, header.height, valid),
                    f"a request with the aspect ratio {created.probe.tag} was validated with one and used "
                    "with the other",
                    expected=valid,
                    actual=f"{header.width}x{header.height}",
                    shown=(created, picture),
                )
