"""The operations as data: one module for each route of the service.

To support another route, add a module.
"""

from __future__ import annotations

from typing import Final

from kling_contracts.operations.base import BODY_TYPE, Operation
from kling_contracts.operations.multi_image import MULTI_IMAGE, MULTI_IMAGE2IMAGE
from kling_contracts.operations.text_to_image import TEXT_TO_IMAGE
from kling_contracts.rules import Violation

__all__ = [
    "BODY_TYPE",
    "MULTI_IMAGE",
    "MULTI_IMAGE2IMAGE",
    "OPERATIONS",
    "TEXT_TO_IMAGE",
    "Operation",
    "validate",
]

# Multi-Image to Image on each gateway: the operations that are always enabled.
OPERATIONS: Final = (MULTI_IMAGE, MULTI_IMAGE2IMAGE)


def validate(
    body: object, operation: Operation = MULTI_IMAGE, *, null_is_absent: bool = True
) -> tuple[Violation, ...]:
    """All violations of a decoded JSON body, in order of declaration; empty if it is valid.

    Pure; never raises. With `null_is_absent`, null means that a field is not given. The source of each rule
    is in `violation.rule.source`, that of its message in `violation.rule.wording.source`.
    """
    return tuple(operation.read(body, null_is_absent=null_is_absent).violations)
