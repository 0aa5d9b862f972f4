"""The gateways as data: hosts, path prefix, routes, and the status, shape and text of every error response.

All differences between CometAPI and Kling are declared here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kling_contracts.fields import Integer
from kling_contracts.gateways.base import Gateway, Route
from kling_contracts.gateways.cometapi import COMETAPI
from kling_contracts.gateways.kling import KLING
from kling_contracts.gateways.refusals import (
    TOKEN_REASONS,
    VALIDATION_SHAPES,
    ErrorShape,
    Refusal,
    RefusalReason,
)
from kling_contracts.operations import Operation
from kling_contracts.vocabulary import (
    DEFAULT_PAGE_SIZE,
    KLING_PAGE,
    PAGE_FIRST,
    PAGE_LAST,
    PAGE_SIZE_MAXIMUM,
    PAGE_SIZE_MINIMUM,
)

__all__ = [
    "COMETAPI",
    "GATEWAYS",
    "INTERCEPTED_HOSTS",
    "KLING",
    "PAGING",
    "RESULT_HOST",
    "TOKEN_REASONS",
    "VALIDATION_SHAPES",
    "ErrorShape",
    "Gateway",
    "Refusal",
    "RefusalReason",
    "Route",
    "every_operation",
    "gateway_of",
]

# In order of matching: Kling's empty prefix matches every path.
GATEWAYS: Final = (COMETAPI, KLING)

# Query parameters of a list.
PAGING: Final = (
    Integer(
        name="pageNum",
        doc="The page number, from 1.",
        source=KLING_PAGE,
        minimum=PAGE_FIRST,
        maximum=PAGE_LAST,
        default=PAGE_FIRST.value,
    ),
    Integer(
        name="pageSize",
        doc="The number of tasks on a page, newest first.",
        source=KLING_PAGE,
        minimum=PAGE_SIZE_MINIMUM,
        maximum=PAGE_SIZE_MAXIMUM,
        default=DEFAULT_PAGE_SIZE.value,
    ),
)

# The hosts of all gateways, and that of result URLs.
RESULT_HOST: Final = "cdn.klingai.com"
INTERCEPTED_HOSTS: Final = (*(host for gateway in GATEWAYS for host in gateway.hosts), RESULT_HOST)


def gateway_of(path: str, host: str, gateways: Sequence[Gateway] = GATEWAYS) -> Gateway:
    """The gateway of a request: by its host, else by the prefix of its path, else the last gateway."""
    for gateway in gateways:
        if host in gateway.hosts:
            return gateway
    for gateway in gateways:
        if path.startswith(f"{gateway.prefix}/") or not gateway.prefix:
            return gateway
    return gateways[-1]


def every_operation(gateways: Sequence[Gateway] = GATEWAYS) -> tuple[Operation, ...]:
    """Every operation of the gateways, optional ones included, without duplicates."""
    routes = [route for gateway in gateways for route in gateway.routes]
    return tuple(dict.fromkeys(each for route in routes for each in (*route.operations, *route.optional)))
