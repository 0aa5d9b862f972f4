"""Predicates for the reason of a refused create."""

from __future__ import annotations

from tests.contracts.verify.faulty_servers.messages import Request, Response


def invalid(request: Request, response: Response) -> bool:
    """Whether a create was refused because of its body."""
    return request.creates and response.status in (400, 503) and bool(request.peek)


def has_own_error(response: Response) -> bool:
    """Whether a create was refused because of its external id or model, which have their own errors."""
    return is_taken(response) or "model is not supported" in str(response.peek)


def is_taken(response: Response) -> bool:
    """Whether a create was refused because its external id is in use."""
    return "already exists" in str(response.peek)


def malformed(request: Request) -> bool:
    return request.creates and not request.peek
