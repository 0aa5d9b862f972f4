"""A route for respx whose side effect is the fake."""

from __future__ import annotations

import httpx
import respx

from kling_contracts.gateways import INTERCEPTED_HOSTS
from kling_mock.doors.httpx import Handle, exchange


def add_route(router: respx.Router, handle: Handle) -> respx.Route:
    """Add a route that answers requests to all hosts of the service.

    respx tries routes in the order in which they were added, so routes for single paths of the service take
    precedence if they are added first.
    """

    def answer(request: httpx.Request) -> httpx.Response:
        response: httpx.Response = exchange(handle, request)
        return response

    return router.route(host__in=INTERCEPTED_HOSTS).mock(side_effect=answer)
