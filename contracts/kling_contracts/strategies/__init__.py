"""Hypothesis strategies for create requests. Needs the extra `contracts`."""

from kling_contracts.extras import missing_package

try:
    from kling_contracts.strategies.requests import (
        Body,
        BoundaryRequest,
        FailingRequest,
        InvalidRequest,
        boundary_classes,
        boundary_requests,
        failing_classes,
        failing_requests,
        invalid_classes,
        invalid_requests,
        valid_requests,
    )
except ModuleNotFoundError as error:
    raise missing_package(error, "contracts") from error

__all__ = [
    "Body",
    "BoundaryRequest",
    "FailingRequest",
    "InvalidRequest",
    "boundary_classes",
    "boundary_requests",
    "failing_classes",
    "failing_requests",
    "invalid_classes",
    "invalid_requests",
    "valid_requests",
]
