"""Every property is broken by a client with one fault."""

from __future__ import annotations

from kling_contracts.client_suite import list_properties
from tests.contracts.client_suite import (
    test_billing,
    test_etiquette,
    test_requests,
    test_responses,
    test_secrets,
    test_waiting,
)
from tests.contracts.client_suite.plain_client import PlainClient

MODULES = (test_requests, test_responses, test_waiting, test_etiquette, test_billing, test_secrets)
FAULTY_CLIENTS = [module.FAULTY_CLIENTS for module in MODULES]


def test_every_property_has_a_faulty_client() -> None:
    """Properties that exist for each rule or situation need one faulty client per name."""
    many = {
        "client.sends_only_valid",
        "client.accepts_valid",
        "client.encodes_exactly",
        "client.reports_refusal",
    }
    named = {f"client.{name}" for each in FAULTY_CLIENTS for names in each.values() for name in names.split()}
    names = {name.partition("[")[0] for name in named}
    missing = [
        each.id
        for each in list_properties(PlainClient())
        if each.id not in named and each.name not in many & names
    ]
    assert missing == []


def test_properties_of_one_name_have_one_hint() -> None:
    lenient = PlainClient()
    lenient.validates_locally = False
    clients = (PlainClient(), lenient)
    hints = {(each.name, each.hint) for client in clients for each in list_properties(client)}
    assert all(hint for _, hint in hints)
    assert len({name for name, _ in hints}) == len(hints)
