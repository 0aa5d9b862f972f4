"""Servers that are wrong about accounts and external ids."""

from __future__ import annotations

from typing import Final
from uuid import uuid4

from kling_contracts.gateways import KLING, RefusalReason
from kling_contracts.witnesses.keyed import KnowsKeys
from kling_contracts.witnesses.message import Answer, Ask, as_object, text_in
from kling_contracts.witnesses.refusal import is_taken
from kling_contracts.witnesses.witness import Behind, Faulty, Group

group: Final = Group()
# How long a race is open, in seconds.
_MOMENTS: Final = 0.03


@group.server("accounts.separate")
class SharedTasks(KnowsKeys):
    """Everybody can see every task."""

    def again(self, ask: Ask, answer: Answer) -> Answer:
        owner = self.owners.get(ask.task_id)
        if answer.status == 400 and owner:
            ask.headers["authorization"] = owner
            return self.right(ask)
        return answer


@group.server("accounts.separate")
class ForeignForbidden(KnowsKeys):
    """A task of another account gets 403: it exists, then."""

    def again(self, ask: Ask, answer: Answer) -> Answer:
        if answer.status == 400 and ask.task_id in self.owners:
            answer.status = 403
        return answer


@group.server("accounts.external_ids")
class GlobalExternalIds(Faulty):
    """External ids are unique over all accounts."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._taken: dict[str, str] = {}

    def serve(self, ask: Ask) -> Answer:
        given = ask.peek.get("external_task_id") if ask.creates else None
        owner = self._taken.get(str(given))
        if given and owner is not None and owner != ask.headers.get("authorization"):
            return self.refuse(RefusalReason.DUPLICATE_ID, id=given)
        answer = self.right(ask)
        if given and answer.good:
            self._taken[str(given)] = ask.headers.get("authorization", "")
        return answer


@group.server("accounts.lists", KLING)
class SharedLists(KnowsKeys):
    """A list shows the tasks of all accounts."""

    def again(self, ask: Ask, answer: Answer) -> Answer:
        if ask.lists and answer.good and self.good and ask.headers["authorization"] != self.good[0]:
            own = list(answer.entries)
            answer = self.as_first(ask)
            answer.body["data"] = [*own, *answer.entries]
        return answer


class _Renaming(Faulty):
    """External ids reach the right server under other names, so that it finds no duplicate."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self.given: dict[str, str] = {}
        self.names: dict[tuple[str, str], str] = {}

    def forgets(self, ask: Ask, external_id: str) -> bool:
        return True

    def serve(self, ask: Ask) -> Answer:
        known = self.names.get((ask.headers.get("authorization", ""), ask.task_id))
        if known:
            ask.path = f"{self.gateway.create_path}/{known}"
        given = text_in(ask, "external_task_id")
        if given:
            whose = (ask.headers.get("authorization", ""), given)
            with self.lock:
                if self.forgets(ask, given):
                    self.names[whose] = f"{given}~{len(self.given)}"
                    self.given[self.names[whose]] = given
            ask.body["external_task_id"] = self.names.get(whose, given)
        answer = self.right(ask)
        for task in answer.tasks:
            info = as_object(task.get("task_info"))
            if info.get("external_task_id") in self.given:
                info["external_task_id"] = self.given[str(info["external_task_id"])]
        return answer


class _Remembering(_Renaming):
    """Knows what tasks it made, by account and external id."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self.made: dict[tuple[str, str], str] = {}
        self.ended: set[str] = set()

    def serve(self, ask: Ask) -> Answer:
        answer = super().serve(ask)
        given = str(as_object(answer.task.get("task_info")).get("external_task_id"))
        if ask.creates and answer.task:
            self.made[ask.headers["authorization"], given] = str(answer.task["task_id"])
        for task in answer.tasks:
            if task.get("task_status") in ("succeed", "failed"):
                self.ended.add(str(task["task_id"]))
        return answer


@group.server("external_ids.unique")
class FreedAtTheEnd(_Remembering):
    """An external id is free again when its task has ended."""

    def forgets(self, ask: Ask, external_id: str) -> bool:
        return self.made.get((ask.headers["authorization"], external_id)) in self.ended


@group.server("external_ids.unique")
class ForgottenSoon(_Renaming):
    """Only the latest external id is remembered."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._latest = ""

    def forgets(self, ask: Ask, external_id: str) -> bool:
        latest, self._latest = self._latest, external_id
        return latest != external_id


@group.server("external_ids.unique")
class GivesTheOldTask(KnowsKeys):
    """A duplicate is answered with the task that has the external id."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._made: dict[tuple[str, object], bytes] = {}

    def again(self, ask: Ask, answer: Answer) -> Answer:
        known = (ask.headers.get("authorization", ""), ask.peek.get("external_task_id"))
        if ask.creates and answer.good:
            self._made[known] = answer.content
        elif ask.creates and is_taken(answer) and known in self._made:
            answer = Answer(raw=self._made[known])
            answer.body["request_id"] = str(uuid4())
        return answer


@group.server("external_ids.race")
class ChecksThenInserts(_Renaming):
    """Whether an external id is free is looked up some moments before it is taken."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._taken: dict[str, float] = {}

    def forgets(self, ask: Ask, external_id: str) -> bool:
        return self.now() - self._taken.get(external_id, 0) < _MOMENTS

    def serve(self, ask: Ask) -> Answer:
        given = str(ask.peek.get("external_task_id"))
        answer = super().serve(ask)
        if ask.creates and answer.good:
            self._taken.setdefault(given, self.now())
        return answer


@group.server("external_ids.not_burnt")
class BurntByRefusal(Faulty):
    """An external id is taken before the request is looked at."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._burnt: set[object] = set()

    def serve(self, ask: Ask) -> Answer:
        given = text_in(ask, "external_task_id")
        if not given:
            return self.right(ask)
        sound = not self.gateway.main.read(ask.peek).violations
        if given in self._burnt and sound:
            return self.refuse(RefusalReason.DUPLICATE_ID, id=given)
        answer = self.right(ask)
        if not answer.good and not is_taken(answer) and ask.key:
            self._burnt.add(given)
        return answer


@group.after("external_ids.echoed")
def shows_the_task_id(ask: Ask, answer: Answer) -> None:
    """task_info shows the id of the task for the external id."""
    for task in answer.tasks if not ask.creates else ():
        task["task_info"] = {"external_task_id": task["task_id"]}


@group.after("external_ids.echoed")
def folds_external_ids(ask: Ask, answer: Answer) -> None:
    """External ids are shown in capitals."""
    for task in answer.tasks:
        info = as_object(task.get("task_info"))
        if "external_task_id" in info:
            info["external_task_id"] = str(info["external_task_id"]).upper()


@group.server("external_ids.query", KLING)
class NoQueryByExternalId(Faulty):
    """A task is found by its own id alone."""

    def serve(self, ask: Ask) -> Answer:
        if ask.task_id.startswith("kc-") and not ask.task_id.endswith("-nobody") and ask.key:
            return self.refuse(RefusalReason.UNKNOWN_TASK, id=ask.task_id)
        return self.right(ask)


@group.server("external_ids.exact")
class FoldsCase(Faulty):
    """External ids that differ only in the case of their letters are one."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._taken: dict[tuple[str, str], str] = {}

    def serve(self, ask: Ask) -> Answer:
        given = text_in(ask, "external_task_id")
        if not given:
            return self.right(ask)
        folded = (ask.headers.get("authorization", ""), given.casefold())
        if self._taken.get(folded, given) != given:
            return self.refuse(RefusalReason.DUPLICATE_ID, id=given)
        answer = self.right(ask)
        if answer.good:
            self._taken[folded] = given
        return answer


@group.after("external_ids.echoed")
def keeps_external_ids_to_itself(ask: Ask, answer: Answer) -> None:
    """task_info is always empty."""
    for task in answer.tasks:
        task["task_info"] = {}


@group.server("external_ids.unique")
class FreedByFailure(_Remembering):
    """An external id is free again when its task has failed."""

    def serve(self, ask: Ask) -> Answer:
        answer = super().serve(ask)
        if answer.task.get("task_status") == "succeed":
            self.ended.discard(str(answer.task["task_id"]))
        return answer

    def forgets(self, ask: Ask, external_id: str) -> bool:
        return self.made.get((ask.headers["authorization"], external_id)) in self.ended


@group.server("accounts.separate")
class ForeignTold(KnowsKeys):
    """The text of the error says whose a task of another account is."""

    def again(self, ask: Ask, answer: Answer) -> Answer:
        if answer.status == 400 and ask.task_id in self.owners:
            answer.body["message"] = "this task belongs to another account"
        return answer
