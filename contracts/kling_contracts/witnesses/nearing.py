"""Servers that take an id for another one, or do not know it in another spelling."""

from __future__ import annotations

from typing import Final

from kling_contracts.gateways import RefusalReason
from kling_contracts.witnesses.keyed import KnowsKeys
from kling_contracts.witnesses.message import Answer, Ask
from kling_contracts.witnesses.witness import Faulty, Group

group: Final = Group()


@group.server("near_ids.unknown")
class TrimsIds(Faulty):
    """Blanks around the id of a task do not matter."""

    def before(self, ask: Ask) -> None:
        if ask.path.endswith("%20"):
            ask.path = ask.path.removesuffix("%20")


@group.server("near_ids.unknown")
class BeginningOfIds(KnowsKeys):
    """A task is found by the beginning of its id."""

    def again(self, ask: Ask, answer: Answer) -> Answer:
        whole = [each for each in self.owners if each.startswith(ask.task_id)]
        if answer.status == 400 and len(ask.task_id) > 10 and whole:
            ask.path = f"{self.gateway.create_path}/{whole[0]}"
            return self.right(ask)
        return answer


@group.server("near_ids.same")
class QueryStringHidesTasks(Faulty):
    """With a query string after its id no task is found."""

    def serve(self, ask: Ask) -> Answer:
        if ask.task_id and ask.query and self.knows(ask):
            return self.refuse(RefusalReason.UNKNOWN_TASK, id=ask.task_id)
        return self.right(ask)


@group.server("near_ids.same")
class RawPaths(Faulty):
    """Percent signs in a path are not decoded."""

    def serve(self, ask: Ask) -> Answer:
        raw = ask.path.rpartition("/")[2]
        if ask.task_id != raw and ask.task_id.isdigit() and self.knows(ask):
            return self.refuse(RefusalReason.UNKNOWN_TASK, id=raw)
        return self.right(ask)
