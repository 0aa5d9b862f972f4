"""Requests that offer an upgrade of the protocol: a server that does not accept the offer must ignore it."""

from __future__ import annotations

from functools import cache
from typing import Final

from kling_contracts.checks.refusals import NO_SERVER_ERROR, error_message
from kling_contracts.gateways import Gateway
from kling_contracts.verify import parts
from kling_contracts.verify.bodies import Fault, faults
from kling_contracts.verify.budget import images_in
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.model import Check, CheckContext, Stage, Step
from kling_contracts.verify.probes import Probe, ProbeKind
from kling_contracts.verify.session import Session, encode
from kling_contracts.vocabulary import HTTP_STANDARD

# Java's HttpClient and `curl --http2` offer h2c with every plain request. No server knows this protocol.
OFFER: Final = (("connection", "Upgrade"), ("upgrade", "kling-contracts/1"))


def checks(gateway: Gateway) -> tuple[Check, ...]:
    return (
        Check(
            id="requests.upgrade",
            sentence="an offer to upgrade the protocol changes nothing: the body is read",
            source=HTTP_STANDARD,
            judge=_judge,
            unless=(NO_SERVER_ERROR,),
        ),
    )


def steps(gateway: Gateway) -> tuple[Step, ...]:
    return (
        Step(
            name="an upgrade offer",
            stage=Stage.REFUSED,
            description="an invalid create request without and with the header Upgrade",
            run=_send,
            requests=2,
            max_cost=images_in(_fault(gateway).body),
            checks=("requests.upgrade", "responses.*"),
        ),
    )


@cache
def _fault(gateway: Gateway) -> Fault:
    """The smallest request that breaks a rule about its values, so that a lost body is refused otherwise."""
    operation = gateway.main
    urls = {place.field.not_url.id for place in parts.picture_places(operation)}
    plain = [fault for fault in faults(operation) if fault.rule.id not in urls]
    return min(plain, key=lambda fault: (fault.rule.id.endswith("required"), len(encode(fault.body))))


def _send(session: Session) -> None:
    fault = _fault(session.evidence.gateway)
    for tag, headers in (("without", ()), ("with", OFFER)):
        exchange = session.send(
            Probe(ProbeKind.UPGRADE, fault.rule.id, tag),
            "POST",
            session.create_path,
            body=encode(fault.body),
            headers=headers,
            images=images_in(fault.body),
        )
        if exchange.accepted:
            return


def _judge(evidence: Evidence, context: CheckContext) -> None:
    sent = {exchange.probe.tag: exchange for exchange in evidence.of(ProbeKind.UPGRADE)}
    if len(sent) == 2 and not sent["without"].accepted:
        context.expect(
            _verdict(sent["with"]) == _verdict(sent["without"]),
            "a request that offers an upgrade was answered differently",
            expected=sent["without"].shown,
            actual=sent["with"].shown,
            shown=(sent["without"], sent["with"]),
        )


def _verdict(exchange: Exchange) -> tuple[object, ...]:
    """The response without parts that differ between equal requests."""
    message = error_message(exchange)
    return exchange.status, exchange.error_shape, message and message.partition(" (request id")[0]
