"""Servers with errors in account isolation and external ids."""

from __future__ import annotations

import math
from typing import Final
from unicodedata import normalize
from urllib.parse import quote
from uuid import uuid4

from kling_contracts.gateways import KLING, RefusalReason
from kling_contracts.rules import Effect
from tests.contracts.verify.faulty_servers.authentication import KnowsKeys
from tests.contracts.verify.faulty_servers.base import Behind, FaultyServer, Group
from tests.contracts.verify.faulty_servers.messages import Request, Response, as_object, text_in
from tests.contracts.verify.faulty_servers.refusals import is_taken

group: Final = Group()
# The duration in which the race can occur, in seconds.
_MOMENTS: Final = 0.03


@group.server("account_isolation.tasks")
class SharedTasks(KnowsKeys):
    """A task can be queried with the key of another account."""

    def again(self, request: Request, response: Response) -> Response:
        owner = self.owners.get(request.task_id)
        if response.status == 400 and owner:
            request.headers["authorization"] = owner
            return self.right(request)
        return response


@group.server("account_isolation.tasks")
class ForeignForbidden(KnowsKeys):
    """A query for another account's task is answered with 403, which reveals that it exists."""

    def again(self, request: Request, response: Response) -> Response:
        if response.status == 400 and request.task_id in self.owners:
            response.status = 403
        return response


@group.server("account_isolation.external_ids")
class GlobalExternalIds(FaultyServer):
    """External ids are unique over all accounts."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._taken: dict[str, str] = {}

    def serve(self, request: Request) -> Response:
        given = request.peek.get("external_task_id") if request.creates else None
        owner = self._taken.get(str(given))
        if given and owner is not None and owner != request.headers.get("authorization"):
            return self.refuse(RefusalReason.DUPLICATE_ID, id=given)
        response = self.right(request)
        if given and response.good:
            self._taken[str(given)] = request.headers.get("authorization", "")
        return response


@group.server("account_isolation.lists", KLING)
class SharedLists(KnowsKeys):
    """A list shows the tasks of all accounts."""

    def again(self, request: Request, response: Response) -> Response:
        if request.lists and response.good and self.good and request.headers["authorization"] != self.good[0]:
            own = list(response.entries)
            response = self.as_first(request)
            response.body["data"] = [*own, *response.entries]
        return response


class _Renaming(FaultyServer):
    """Renames external ids on their way to the correct server, so that it finds no duplicate."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self.given: dict[str, str] = {}
        self.names: dict[tuple[str, str], str] = {}

    def forgets(self, request: Request, external_id: str) -> bool:
        return True

    def serve(self, request: Request) -> Response:
        known = self.names.get((request.headers.get("authorization", ""), request.task_id))
        if known:
            request.path = f"{self.gateway.create_path}/{quote(known)}"
        given = text_in(request, "external_task_id")
        if given:
            whose = (request.headers.get("authorization", ""), given)
            with self.lock:
                if self.forgets(request, given):
                    self.names[whose] = f"{given}~{len(self.given)}"
                    self.given[self.names[whose]] = given
            request.body["external_task_id"] = self.names.get(whose, given)
        response = self.right(request)
        for task in response.tasks:
            info = as_object(task.get("task_info"))
            if info.get("external_task_id") in self.given:
                info["external_task_id"] = self.given[str(info["external_task_id"])]
        return response


class _Remembering(_Renaming):
    """Stores created tasks by account and external id, and the ended ones."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self.made: dict[tuple[str, str], str] = {}
        self.ended: set[str] = set()

    def serve(self, request: Request) -> Response:
        response = super().serve(request)
        given = str(as_object(response.task.get("task_info")).get("external_task_id"))
        if request.creates and response.task:
            self.made[request.headers["authorization"], given] = str(response.task["task_id"])
        for task in response.tasks:
            if task.get("task_status") in ("succeed", "failed"):
                self.ended.add(str(task["task_id"]))
        return response


@group.server("external_ids.unique")
class FreedAtTheEnd(_Remembering):
    """An external id can be reused when its task has ended."""

    def forgets(self, request: Request, external_id: str) -> bool:
        return self.made.get((request.headers["authorization"], external_id)) in self.ended


@group.server("external_ids.unique")
class ForgottenSoon(_Renaming):
    """Only the latest external id is checked for duplicates."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._latest = ""

    def forgets(self, request: Request, external_id: str) -> bool:
        latest, self._latest = self._latest, external_id
        return latest != external_id


@group.server("external_ids.unique")
class GivesTheOldTask(KnowsKeys):
    """A duplicate create is answered with the existing task."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._made: dict[tuple[str, object], bytes] = {}

    def again(self, request: Request, response: Response) -> Response:
        known = (request.headers.get("authorization", ""), request.peek.get("external_task_id"))
        if request.creates and response.good:
            self._made[known] = response.content
        elif request.creates and is_taken(response) and known in self._made:
            response = Response(raw=self._made[known])
            response.body["request_id"] = str(uuid4())
        return response


@group.server("external_ids.race")
class ChecksThenInserts(_Renaming):
    """A race: the external id is checked some time before it is stored."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._taken: dict[str, float] = {}

    def forgets(self, request: Request, external_id: str) -> bool:
        return self.now() - self._taken.get(external_id, 0) < _MOMENTS

    def serve(self, request: Request) -> Response:
        given = str(request.peek.get("external_task_id"))
        response = super().serve(request)
        if request.creates and response.good:
            self._taken.setdefault(given, self.now())
        return response


@group.server("external_ids.free_after_refusal")
class BurntByRefusal(FaultyServer):
    """An external id is stored before the request is validated."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._burnt: set[object] = set()

    def serve(self, request: Request) -> Response:
        given = text_in(request, "external_task_id")
        if not given:
            return self.right(request)
        sound = not self.gateway.main.read(request.peek).violations
        if given in self._burnt and sound:
            return self.refuse(RefusalReason.DUPLICATE_ID, id=given)
        response = self.right(request)
        if not response.good and not is_taken(response) and request.key:
            self._burnt.add(given)
        return response


@group.after("external_ids.echoed")
def shows_the_task_id(request: Request, response: Response) -> None:
    """task_info has the task id in place of the external id."""
    for task in response.tasks if not request.creates else ():
        task["task_info"] = {"external_task_id": task["task_id"]}


@group.after("external_ids.echoed")
def folds_external_ids(request: Request, response: Response) -> None:
    """task_info has the external id in upper case."""
    for task in response.tasks:
        info = as_object(task.get("task_info"))
        if "external_task_id" in info:
            info["external_task_id"] = str(info["external_task_id"]).upper()


@group.after("external_ids.echoed")
def latin_external_ids(request: Request, response: Response) -> None:
    """task_info has question marks for characters outside Latin-1."""
    for task in response.tasks:
        info = as_object(task.get("task_info"))
        if "external_task_id" in info:
            given = str(info["external_task_id"]).encode("latin-1", "replace")
            info["external_task_id"] = given.decode("latin-1")


@group.after("external_ids.echoed")
def composed_external_ids(request: Request, response: Response) -> None:
    """task_info has the external id in normal form C."""
    for task in response.tasks:
        info = as_object(task.get("task_info"))
        if "external_task_id" in info:
            info["external_task_id"] = normalize("NFC", str(info["external_task_id"]))


@group.server("external_ids.query", KLING)
class QueryDecodedAsLatin1(FaultyServer):
    """A path is decoded as Latin-1, so that queries by external id find only ASCII."""

    def serve(self, request: Request) -> Response:
        if request.task_id.startswith("kc-") and not request.task_id.isascii() and request.key:
            return self.refuse(RefusalReason.UNKNOWN_TASK, id=request.task_id)
        return self.right(request)


@group.server("external_ids.query", KLING)
class NoQueryByExternalId(FaultyServer):
    """Queries by external id find nothing."""

    def serve(self, request: Request) -> Response:
        if request.task_id.startswith("kc-") and not request.task_id.endswith("-unknown") and request.key:
            return self.refuse(RefusalReason.UNKNOWN_TASK, id=request.task_id)
        return self.right(request)


@group.server("external_ids.exact")
class FoldsCase(FaultyServer):
    """External ids are compared case-insensitively."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._taken: dict[tuple[str, str], str] = {}

    def serve(self, request: Request) -> Response:
        given = text_in(request, "external_task_id")
        if not given:
            return self.right(request)
        folded = (request.headers.get("authorization", ""), given.casefold())
        if self._taken.get(folded, given) != given:
            return self.refuse(RefusalReason.DUPLICATE_ID, id=given)
        response = self.right(request)
        if response.good:
            self._taken[folded] = given
        return response


@group.after("external_ids.echoed")
def keeps_external_ids_to_itself(request: Request, response: Response) -> None:
    """task_info is always empty."""
    for task in response.tasks:
        task["task_info"] = {}


@group.server("external_ids.unique")
class FreedByFailure(_Remembering):
    """An external id can be reused when its task has failed."""

    def serve(self, request: Request) -> Response:
        response = super().serve(request)
        if response.task.get("task_status") == "succeed":
            self.ended.discard(str(response.task["task_id"]))
        return response

    def forgets(self, request: Request, external_id: str) -> bool:
        return self.made.get((request.headers["authorization"], external_id)) in self.ended


@group.server("account_isolation.tasks")
class ForeignTold(KnowsKeys):
    """The error message for another account's task reveals that it exists."""

    def again(self, request: Request, response: Response) -> Response:
        if response.status == 400 and request.task_id in self.owners:
            response.body["message"] = "this task belongs to another account"
        return response


@group.server("concurrency.freed")
class FailuresStayCounted(FaultyServer):
    """At most nine images of an account may be unfinished, and a task that has failed counts forever."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        # The key, the images, and the time from which a task no longer counts.
        self.tasks: list[tuple[str, int, float]] = []

    def serve(self, request: Request) -> Response:
        broken = [each.effect for each in self.gateway.main.read(request.peek).violations]
        if not request.creates or Effect.REFUSED in broken or not self.knows(request):
            return self.right(request)
        number = request.peek.get("n")
        wanted = number if isinstance(number, int) else 1
        with self.lock:
            mine = [images for key, images, until in self.tasks if key == request.key and self.now() < until]
            if sum(mine) + wanted > 9:
                return self.refuse(RefusalReason.NO_SLOTS)
            response = self.right(request)
            if response.good:
                until = math.inf if broken else self.now() + 0.8  # by the pace of the runs
                self.tasks.append((request.key, wanted, until))
        return response
