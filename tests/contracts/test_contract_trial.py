"""Trial operations: what is derived from a declaration works for operations that nobody thought of."""

from __future__ import annotations

import pytest

from contracts.operations import Operation
from tests.trial_operations import TRIAL, TRIAL_OPERATIONS

trials = pytest.mark.parametrize("operation", TRIAL_OPERATIONS, ids=[each.name for each in TRIAL_OPERATIONS])


@trials
def test_the_gateway_offers_them(operation: Operation) -> None:
    assert TRIAL.find_operation(operation.name) is operation
    assert TRIAL.focused(operation).create_path == f"/kling/v1/{operation.tail}"
