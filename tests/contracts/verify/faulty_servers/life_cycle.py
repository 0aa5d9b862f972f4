"""Servers with wrong task life cycles: states, ids, effects of polling."""

from __future__ import annotations

import itertools
from typing import Final

from kling_contracts.gateways import RefusalReason
from tests.contracts.verify.faulty_servers.base import Behind, FaultyServer, Group
from tests.contracts.verify.faulty_servers.messages import (
    Callback,
    Object,
    Request,
    Response,
    as_object,
    images_of,
)
from tests.contracts.verify.faulty_servers.tasks import ENDS, EveryTask, PerTask, everywhere, whole

group: Final = Group()


@everywhere(group, "lifecycle.status.word")
def succeeded(task: Object) -> None:
    """The terminal status is succeeded instead of succeed."""
    if task["task_status"] == "succeed":
        task["task_status"] = "succeeded"


@everywhere(group, "lifecycle.status.word")
def processing_in_capitals(task: Object) -> None:
    """The status is PROCESSING instead of processing."""
    if task["task_status"] == "processing":
        task["task_status"] = "PROCESSING"


@everywhere(group, "lifecycle.status.word")
def failure(task: Object) -> None:
    """The terminal status is failure instead of failed."""
    if task["task_status"] == "failed":
        task["task_status"] = "failure"


@group.after("lifecycle.created")
def processing_at_once(request: Request, response: Response) -> None:
    """A create is answered with a task in status processing."""
    if request.creates and response.task:
        response.task["task_status"] = "processing"


@group.after("lifecycle.created")
def stamps_differ(request: Request, response: Response) -> None:
    """updated_at of a new task is later than created_at."""
    if request.creates and response.task:
        response.task["updated_at"] = whole(response.task["updated_at"]) + 1


@group.server("lifecycle.state.absorbing")
class WrapsRound(PerTask):
    """Every fourth poll of an ended task shows it as submitted."""

    def mutate(self, name: str, task: Object) -> None:
        if self.ended_reads(name, task) % 4 == 3:
            task |= {"task_status": "submitted", "task_result": {}}
            task.pop("task_status_msg", None)


@group.server("lifecycle.state.absorbing")
class FailsAfterSuccess(PerTask):
    """A succeeded task is failed at the next poll."""

    def mutate(self, name: str, task: Object) -> None:
        if self.ended_reads(name, task) > 1 and task["task_status"] == "succeed":
            task |= {"task_status": "failed", "task_status_msg": "expired", "task_result": {}}


@group.server("lifecycle.state.order")
class StepsBack(PerTask):
    """The first poll shows processing, the second submitted."""

    def mutate(self, name: str, task: Object) -> None:
        if self.reads[name] == 1 and task["task_status"] == "submitted":
            task["task_status"] = "processing"


@group.server("lifecycle.state.stable")
class NewURLs(PerTask):
    """Result URLs have a new signature at each poll."""

    def mutate(self, name: str, task: Object) -> None:
        for image in images_of(task):
            image["url"] = f"{image['url']}?sign={self.reads[name]}"

    def before(self, request: Request) -> None:
        if request.fetches:
            request.query = ""


@group.server("lifecycle.state.stable")
class OtherOrder(PerTask):
    """The URLs of the images are swapped between polls."""

    def mutate(self, name: str, task: Object) -> None:
        images = images_of(task)
        if self.ended_reads(name, task) % 2 and len(images) > 1:
            images[0]["url"], images[1]["url"] = images[1]["url"], images[0]["url"]


@group.server("lifecycle.ends")
class NeverEnds(EveryTask):
    """A succeeding task with a prompt and no callback_url stays in processing forever."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._stuck: dict[object, object] = {}

    def after(self, request: Request, response: Response) -> None:
        if (
            request.creates
            and response.task
            and request.peek.get("prompt")
            and not request.peek.get("callback_url")
        ):
            self._stuck[response.task["task_id"]] = None
        super().after(request, response)

    def mutate(self, task: Object) -> None:
        name = task["task_id"]
        if name in self._stuck and task["task_status"] in ("processing", "succeed"):
            self._stuck[name] = self._stuck[name] or task["updated_at"]
            task |= {"task_status": "processing", "task_result": {}, "updated_at": self._stuck[name]}
            task.pop("final_unit_deduction", None)


@group.server("lifecycle.ids_unique", also=())
class ExternalIdAsId(FaultyServer):
    """The external id is used as the task id."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._ids: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def before(self, request: Request) -> None:
        own = self._names.get(request.task_id + request.headers.get("authorization", ""))
        if own:
            request.path = f"{self.gateway.create_path}/{own}"

    def after(self, request: Request, response: Response) -> None:
        if request.creates and response.task:
            given = as_object(response.task.get("task_info")).get("external_task_id")
            if isinstance(given, str):
                own = str(response.task["task_id"])
                self._ids[own] = given
                self._names[given + request.headers["authorization"]] = own
        for task in response.tasks:
            task["task_id"] = self._ids.get(str(task["task_id"]), task["task_id"])

    def call_back(self, callback: Callback) -> list[Callback]:
        task = callback.task
        given = as_object(task.get("task_info")).get("external_task_id")
        task["task_id"] = given or task["task_id"]
        return [callback]


@group.server("lifecycle.at_once")
class UnknownAtFirst(FaultyServer):
    """The first poll of a new task does not find it."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._looked: set[str] = set()

    def serve(self, request: Request) -> Response:
        response = self.right(request)
        task_id = request.task_id
        if task_id.isdigit() and response.good and task_id not in self._looked:
            self._looked.add(task_id)
            return self.refuse(RefusalReason.UNKNOWN_TASK, id=task_id)
        return response


@group.server("lifecycle.own_task")
class LatestForEverybody(FaultyServer):
    """Every query shows the task that was created last."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._latest = ""

    def serve(self, request: Request) -> Response:
        known = self.right(request)
        if request.creates and known.task:
            self._latest = str(known.task["task_id"])
        if request.task_id and known.task and self._latest:
            request.path = f"{self.gateway.create_path}/{self._latest}"
            shown = self.right(request)
            return shown if shown.good else known
        return known


@group.server("lifecycle.own_task")
class TwoTasksMixed(FaultyServer):
    """Every seventh query is answered with the task of the query before it."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._before: bytes = b""
        self._count = itertools.count(1)

    def after(self, request: Request, response: Response) -> None:
        if not (request.task_id and response.task):
            return
        now = response.content
        if next(self._count) % 7 == 0 and self._before:
            data = Response(raw=self._before).body["data"]
            response.body["data"] = data
        self._before = now


@group.server("polling.no_observer_effect")
class PollsDrive(PerTask):
    """A task changes its state when it is polled."""

    def mutate(self, name: str, task: Object) -> None:
        if task["task_status"] not in ENDS or self.reads[name] > 4:
            return
        created = whole(task["created_at"])
        early = self.reads[name] < 3
        task |= {
            "task_status": "submitted" if early else "processing",
            "updated_at": created if early else created + 300,
            "task_result": {},
        }
        task.pop("task_status_msg", None)
        task.pop("final_unit_deduction", None)


@group.server("polling.no_timestamp_effect")
class StampedByTheFirstLook(FaultyServer):
    """updated_at of the terminal status is the time of the first poll, unless a callback came first."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._stamps: dict[object, int] = {}
        self._told: set[object] = set()

    def after(self, request: Request, response: Response) -> None:
        if request.creates and request.peek.get("callback_url"):
            self._told.add(response.task.get("task_id"))
        for task in response.tasks:
            name = task["task_id"]
            if task["task_status"] in ENDS and name not in self._told:
                task["updated_at"] = self._stamps.setdefault(name, int(self.now() * 1000))


@group.server("lifecycle.found")
class FailedAsErrors(FaultyServer):
    """A query for a failed task is answered with 400 and the reason."""

    def after(self, request: Request, response: Response) -> None:
        if request.task_id and response.task.get("task_status") == "failed":
            refused = self.refuse(RefusalReason.INVALID, message=response.task["task_status_msg"])
            response.status, response.content = refused.status, refused.content


@group.server("lifecycle.found")
class ForgetsTheEnded(PerTask):
    """An ended task is deleted after the first query."""

    def after(self, request: Request, response: Response) -> None:
        super().after(request, response)
        task = response.task
        name = str(task.get("task_id"))
        if request.task_id == name and self.reads.get(f"{name} ended", 0) > 1:
            refused = self.refuse(RefusalReason.UNKNOWN_TASK, id=name)
            response.status, response.content = refused.status, refused.content

    def mutate(self, name: str, task: Object) -> None:
        self.ended_reads(name, task)


@group.server("lifecycle.processing")
class NeverProcessing(EveryTask):
    """Tasks are shown as submitted until they end."""

    def mutate(self, task: Object) -> None:
        if task["task_status"] == "processing":
            task |= {"task_status": "submitted", "updated_at": task["created_at"]}

    def call_back(self, callback: Callback) -> list[Callback]:
        return [] if callback.peek["task_status"] == "processing" else [callback]
