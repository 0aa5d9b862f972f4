"""Invalid requests combine the values of several fields, so that faults in combinations are found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kling_contracts.checks.field_pairs import combined_faults
from kling_contracts.gateways import GATEWAYS, KLING, Gateway
from kling_contracts.registry import pairs_covered
from tests.contracts.verify.faulty_servers.catalogue import FAULTS

if TYPE_CHECKING:
    from tests.contracts.verify.conftest import Campaign

COMBINATIONS = [fault for fault in FAULTS if "together with" in fault.description]


@pytest.mark.parametrize("gateway", GATEWAYS, ids=str)
def test_each_combined_fault_breaks_one_rule(gateway: Gateway) -> None:
    operation = gateway.main
    small = [fault for fault in combined_faults(operation) if not fault.rule.id.endswith("max_bytes")]
    assert [
        fault
        for fault in small
        if {each.rule.id for each in operation.read(fault.body).violations} != {fault.rule.id}
    ] == []
    assert sum(";" in fault.tag for fault in small) > len(small) / 2


@pytest.mark.parametrize("gateway", GATEWAYS, ids=str)
def test_the_share_of_pairs_does_not_fall(gateway: Gateway) -> None:
    assert pairs_covered(gateway).share > 0.55


@pytest.mark.parametrize("fault", COMBINATIONS, ids=str)
def test_a_fault_in_a_combination_is_found(fault: object, light_campaign: Campaign) -> None:
    catches = getattr(fault, "catches", "")
    assert light_campaign(KLING, fault, only=[catches]).found == {catches}


def test_there_are_faults_in_combinations() -> None:
    assert len(COMBINATIONS) >= 3
