"""The operations as tables: one module for each route of the service. A sibling route is one more table."""

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

# Multi-Image to Image as each gateway has it: the operations that need no switch.
OPERATIONS: Final = (MULTI_IMAGE, MULTI_IMAGE2IMAGE)


def validate(
    body: object, operation: Operation = MULTI_IMAGE, *, null_is_absent: bool = True
) -> tuple[Violation, ...]:
    """All violations of a decoded JSON body, in order of declaration; empty when it is valid.

    Pure; never raises, whatever the body. Shapes and limits are the page's (seed), the wordings mostly
    captured; each violation's rule names its own source.
    """
    return tuple(operation.read(body, null_is_absent=null_is_absent).violations)
