"""Every property has a witness: a client with one fault that it catches."""

from __future__ import annotations

from kling_contracts.client_suite import list_properties
from tests.contracts import test_contract_client_suite_manners as manners
from tests.contracts import test_contract_client_suite_paying as paying
from tests.contracts import test_contract_client_suite_reading as reading
from tests.contracts import test_contract_client_suite_secrecy as secrecy
from tests.contracts import test_contract_client_suite_sending as sending
from tests.contracts import test_contract_client_suite_waiting as waiting
from tests.contracts.plain_client import PlainClient

WITNESSES = [each.WITNESSES for each in (sending, reading, waiting, manners, paying, secrecy)]


def test_every_property_has_a_witness() -> None:
    """Those that exist once for every rule or situation need one of their name."""
    many = {
        "client.sends_only_valid",
        "client.accepts_valid",
        "client.encodes_exactly",
        "client.reports_refusal",
    }
    named = {f"client.{name}" for each in WITNESSES for names in each.values() for name in names.split()}
    names = {name.partition("[")[0] for name in named}
    missing = [
        each.id
        for each in list_properties(PlainClient())
        if each.id not in named and each.name not in many & names
    ]
    assert missing == []


def test_properties_of_one_name_have_one_hint() -> None:
    lets = PlainClient()
    lets.validates_locally = False
    hints = {(each.name, each.hint) for client in (PlainClient(), lets) for each in list_properties(client)}
    assert all(hint for _, hint in hints)
    assert len({name for name, _ in hints}) == len(hints)
