"""Servers that confuse similar ids, or do not find a task by an equivalent URL."""

from __future__ import annotations

from typing import Final

from kling_contracts.gateways import RefusalReason
from tests.contracts.verify.faulty_servers.authentication import KnowsKeys
from tests.contracts.verify.faulty_servers.base import FaultyServer, Group
from tests.contracts.verify.faulty_servers.messages import Request, Response

group: Final = Group()


@group.server("routing.near_ids")
class TrimsIds(FaultyServer):
    """Blanks around a task id are ignored."""

    def before(self, request: Request) -> None:
        if request.path.endswith("%20"):
            request.path = request.path.removesuffix("%20")


@group.server("routing.near_ids")
class BeginningOfIds(KnowsKeys):
    """A task is found by a prefix of its id."""

    def again(self, request: Request, response: Response) -> Response:
        whole = [each for each in self.owners if each.startswith(request.task_id)]
        if response.status == 400 and len(request.task_id) > 10 and whole:
            request.path = f"{self.gateway.create_path}/{whole[0]}"
            return self.right(request)
        return response


@group.server("routing.query_string")
class QueryStringHidesTasks(FaultyServer):
    """A task is not found if a query string follows its id."""

    def serve(self, request: Request) -> Response:
        if request.task_id and request.query and self.knows(request):
            return self.refuse(RefusalReason.UNKNOWN_TASK, id=request.task_id)
        return self.right(request)


@group.server("routing.equivalent_urls")
class RawPaths(FaultyServer):
    """Percent-encoded characters in a path are not decoded."""

    def serve(self, request: Request) -> Response:
        raw = request.path.rpartition("/")[2]
        if request.task_id != raw and request.task_id.isdigit() and self.knows(request):
            return self.refuse(RefusalReason.UNKNOWN_TASK, id=raw)
        return self.right(request)
