"""Servers whose tasks do not live as tasks do: states, ids, and what looking does."""

from __future__ import annotations

import itertools
from typing import Final

from kling_contracts.gateways import RefusalReason
from kling_contracts.witnesses.message import Answer, Ask, Callback, Object, as_object, images_of
from kling_contracts.witnesses.tasks import ENDS, EveryTask, PerTask, everywhere, whole
from kling_contracts.witnesses.witness import Behind, Faulty, Group

group: Final = Group()


@everywhere(group, "life_cycle.status.word")
def succeeded(task: Object) -> None:
    """The good end is called succeeded."""
    if task["task_status"] == "succeed":
        task["task_status"] = "succeeded"


@everywhere(group, "life_cycle.status.word")
def processing_in_capitals(task: Object) -> None:
    """The state in between is called PROCESSING."""
    if task["task_status"] == "processing":
        task["task_status"] = "PROCESSING"


@everywhere(group, "life_cycle.status.word")
def failure(task: Object) -> None:
    """The bad end is called failure."""
    if task["task_status"] == "failed":
        task["task_status"] = "failure"


@group.after("life_cycle.created")
def processing_at_once(ask: Ask, answer: Answer) -> None:
    """A create is answered with a task that is processing already."""
    if ask.creates and answer.task:
        answer.task["task_status"] = "processing"


@group.after("life_cycle.created")
def stamps_differ(ask: Ask, answer: Answer) -> None:
    """updated_at of a new task is a moment later."""
    if ask.creates and answer.task:
        answer.task["updated_at"] = whole(answer.task["updated_at"]) + 1


@group.server("life_cycle.state.absorbing")
class WrapsRound(PerTask):
    """After the end it starts anew."""

    def spoil(self, name: str, task: Object) -> None:
        if self.ended_reads(name, task) % 4 == 3:
            task |= {"task_status": "submitted", "task_result": {}}
            task.pop("task_status_msg", None)


@group.server("life_cycle.state.absorbing")
class FailsAfterSuccess(PerTask):
    """A task that has succeeded fails when somebody looks again."""

    def spoil(self, name: str, task: Object) -> None:
        if self.ended_reads(name, task) > 1 and task["task_status"] == "succeed":
            task |= {"task_status": "failed", "task_status_msg": "expired", "task_result": {}}


@group.server("life_cycle.state.order")
class StepsBack(PerTask):
    """The first look sees processing, the second submitted."""

    def spoil(self, name: str, task: Object) -> None:
        if self.reads[name] == 1 and task["task_status"] == "submitted":
            task["task_status"] = "processing"


@group.server("life_cycle.state.stable")
class NewURLs(PerTask):
    """Result URLs are signed anew at each look."""

    def spoil(self, name: str, task: Object) -> None:
        for image in images_of(task):
            image["url"] = f"{image['url']}?sign={self.reads[name]}"

    def before(self, ask: Ask) -> None:
        if ask.fetches:
            ask.query = ""


@group.server("life_cycle.state.stable")
class OtherOrder(PerTask):
    """The URLs of the images change places."""

    def spoil(self, name: str, task: Object) -> None:
        images = images_of(task)
        if self.ended_reads(name, task) % 2 and len(images) > 1:
            images[0]["url"], images[1]["url"] = images[1]["url"], images[0]["url"]


@group.server("life_cycle.ends")
class NeverEnds(EveryTask):
    """A task with a prompt and no callback_url is processing for ever, if it would have succeeded."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._stuck: dict[object, object] = {}

    def after(self, ask: Ask, answer: Answer) -> None:
        if ask.creates and answer.task and ask.peek.get("prompt") and not ask.peek.get("callback_url"):
            self._stuck[answer.task["task_id"]] = None
        super().after(ask, answer)

    def spoil(self, task: Object) -> None:
        name = task["task_id"]
        if name in self._stuck and task["task_status"] in ("processing", "succeed"):
            self._stuck[name] = self._stuck[name] or task["updated_at"]
            task |= {"task_status": "processing", "task_result": {}, "updated_at": self._stuck[name]}
            task.pop("final_unit_deduction", None)


@group.server("life_cycle.ids_unique", also=())
class ExternalIdAsId(Faulty):
    """The external id becomes the id of the task."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._ids: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def before(self, ask: Ask) -> None:
        own = self._names.get(ask.task_id + ask.headers.get("authorization", ""))
        if own:
            ask.path = f"{self.gateway.create_path}/{own}"

    def after(self, ask: Ask, answer: Answer) -> None:
        if ask.creates and answer.task:
            given = as_object(answer.task.get("task_info")).get("external_task_id")
            if isinstance(given, str):
                own = str(answer.task["task_id"])
                self._ids[own] = given
                self._names[given + ask.headers["authorization"]] = own
        for task in answer.tasks:
            task["task_id"] = self._ids.get(str(task["task_id"]), task["task_id"])

    def call_back(self, callback: Callback) -> list[Callback]:
        task = callback.task
        given = as_object(task.get("task_info")).get("external_task_id")
        task["task_id"] = given or task["task_id"]
        return [callback]


@group.server("life_cycle.at_once")
class UnknownAtFirst(Faulty):
    """A new task is unknown for its first look."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._looked: set[str] = set()

    def serve(self, ask: Ask) -> Answer:
        answer = self.right(ask)
        task_id = ask.task_id
        if task_id.isdigit() and answer.good and task_id not in self._looked:
            self._looked.add(task_id)
            return self.refuse(RefusalReason.UNKNOWN_TASK, id=task_id)
        return answer


@group.server("life_cycle.own_task")
class LatestForEverybody(Faulty):
    """Every query shows the task that was created last."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._latest = ""

    def serve(self, ask: Ask) -> Answer:
        known = self.right(ask)
        if ask.creates and known.task:
            self._latest = str(known.task["task_id"])
        if ask.task_id and known.task and self._latest:
            ask.path = f"{self.gateway.create_path}/{self._latest}"
            shown = self.right(ask)
            return shown if shown.good else known
        return known


@group.server("life_cycle.own_task")
class TwoTasksMixed(Faulty):
    """Two tasks that are asked for in turn are mixed up."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._before: bytes = b""
        self._count = itertools.count(1)

    def after(self, ask: Ask, answer: Answer) -> None:
        if not (ask.task_id and answer.task):
            return
        now = answer.content
        if next(self._count) % 7 == 0 and self._before:
            data = Answer(raw=self._before).body["data"]
            answer.body["data"] = data
        self._before = now


@group.server("looking.moves_nothing")
class PollsDrive(PerTask):
    """A task goes on when somebody looks."""

    def spoil(self, name: str, task: Object) -> None:
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


@group.server("looking.stamps_nothing")
class StampedByTheFirstLook(Faulty):
    """updated_at of the end is when somebody saw it, unless a callback told it before."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._stamps: dict[object, int] = {}
        self._told: set[object] = set()

    def after(self, ask: Ask, answer: Answer) -> None:
        if ask.creates and ask.peek.get("callback_url"):
            self._told.add(answer.task.get("task_id"))
        for task in answer.tasks:
            name = task["task_id"]
            if task["task_status"] in ENDS and name not in self._told:
                task["updated_at"] = self._stamps.setdefault(name, int(self.now() * 1000))


@group.server("life_cycle.found")
class FailedAsErrors(Faulty):
    """A query for a task that has failed is answered with 400 and why."""

    def after(self, ask: Ask, answer: Answer) -> None:
        if ask.task_id and answer.task.get("task_status") == "failed":
            refused = self.refuse(RefusalReason.INVALID, message=answer.task["task_status_msg"])
            answer.status, answer.content = refused.status, refused.content


@group.server("life_cycle.found")
class ForgetsTheEnded(PerTask):
    """A task can be seen once when it has ended, then it is unknown."""

    def after(self, ask: Ask, answer: Answer) -> None:
        super().after(ask, answer)
        task = answer.task
        name = str(task.get("task_id"))
        if ask.task_id and self.reads.get(f"{name} ended", 0) > 1:
            refused = self.refuse(RefusalReason.UNKNOWN_TASK, id=name)
            answer.status, answer.content = refused.status, refused.content

    def spoil(self, name: str, task: Object) -> None:
        self.ended_reads(name, task)
