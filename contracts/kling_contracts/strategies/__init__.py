"""Hypothesis strategies for create requests. Needs the extra `contracts`."""

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
