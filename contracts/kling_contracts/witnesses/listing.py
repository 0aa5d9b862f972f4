"""Servers whose lists are wrong. Only where a gateway has lists."""

from __future__ import annotations

from typing import Final

from kling_contracts.gateways import KLING, RefusalReason
from kling_contracts.witnesses.message import Answer, Ask, Object
from kling_contracts.witnesses.tasks import ENDS
from kling_contracts.witnesses.witness import Behind, Faulty, Group

group: Final = Group()


def _is_page(ask: Ask) -> bool:
    return ask.lists and all(value.isascii() and value.isdigit() for value in ask.page.values())


@group.before("lists.refuses_beyond", KLING)
def page_zero(ask: Ask) -> None:
    """Page 0 is page 1."""
    if ask.lists and ask.page.get("pageNum") == "0":
        ask.turn_page(pageNum=1)


@group.before("lists.refuses_beyond", KLING)
def large_pages_are_cut(ask: Ask) -> None:
    """A page size above the limit counts as the limit."""
    if _is_page(ask) and int(ask.page.get("pageSize", "1")) > 500:
        ask.turn_page(pageSize=500)


@group.before("lists.refuses_beyond", KLING)
def letters_are_default(ask: Ask) -> None:
    """What is no number counts as not given."""
    if ask.lists:
        for name, value in ask.page.items():
            if not value.lstrip("-").isdigit() or not value.isascii():
                ask.turn_page(**{name: 1})


@group.before("lists.refuses_beyond", KLING)
def any_digit(ask: Ask) -> None:
    """Digits of any script are digits."""
    for name, value in ask.page.items() if ask.lists else ():
        if value.isdigit() and int(value):
            ask.turn_page(**{name: int(value)})


@group.server("lists.accepts_bounds", KLING)
class SmallPages(Faulty):
    """A page has 499 tasks at most."""

    def serve(self, ask: Ask) -> Answer:
        if _is_page(ask) and ask.page.get("pageSize") == "500" and "pageNum" not in ask.page:
            return self.refuse(RefusalReason.INVALID)
        return self.right(ask)


@group.server("lists.accepts_bounds", KLING)
class LastPageMissing(Faulty):
    """The last page that may be asked for is refused."""

    def serve(self, ask: Ask) -> Answer:
        if _is_page(ask) and ask.page.get("pageNum") == "1000":
            return self.refuse(RefusalReason.INVALID)
        return self.right(ask)


@group.server("lists.accepts_bounds", KLING)
class NotFoundBeyondTheEnd(Faulty):
    """A page beyond the end is not found."""

    def serve(self, ask: Ask) -> Answer:
        answer = self.right(ask)
        number = ask.page.get("pageNum", "1") if ask.lists and answer.good else "1"
        return self.refuse(RefusalReason.INVALID) if int(number) > 1 and not answer.entries else answer


@group.after("lists.accepts_bounds", KLING)
def list_in_an_object(ask: Ask, answer: Answer) -> None:
    """An empty list is null."""
    if ask.lists and answer.good and not answer.entries:
        answer.body["data"] = {}


@group.after("errors.paging", KLING)
def bad_page_422(ask: Ask, answer: Answer) -> None:
    """A bad page gets the framework's own error."""
    if ask.lists and answer.status == 400:
        answer.status = 422


@group.after("errors.paging", KLING)
def bad_page_code(ask: Ask, answer: Answer) -> None:
    """A bad page has another code."""
    if ask.lists and answer.status == 400:
        answer.body["code"] = 1200


class Paging(Faulty):
    """Takes the whole list from the right server and cuts its own pages."""

    def page(self, tasks: list[Object], number: int, size: int) -> list[Object]:
        """One page of all tasks, which come newest first."""
        return tasks[(number - 1) * size : number * size]

    def serve(self, ask: Ask) -> Answer:
        if not _is_page(ask):
            return self.right(ask)
        right = self.right(ask)
        number, size = int(ask.page.get("pageNum", "1")), int(ask.page.get("pageSize", "30"))
        if not right.good:
            return right
        ask.turn_page(pageNum=1, pageSize=500)
        tasks = list(self.right(ask).entries)
        right.body["data"] = self.page(tasks, number, size)
        return right


@group.server("lists.newest_first", KLING)
class OldestFirst(Paging):
    """A list begins with the oldest task."""

    def page(self, tasks: list[Object], number: int, size: int) -> list[Object]:
        return super().page(tasks[::-1], number, size)


@group.server("lists.newest_first", KLING)
class SortedById(Paging):
    """A list is sorted by the last digits of the ids."""

    def page(self, tasks: list[Object], number: int, size: int) -> list[Object]:
        return super().page(sorted(tasks, key=lambda task: str(task["task_id"])[::-1]), number, size)


@group.server("lists.pages", KLING)
class SizeIgnored(Paging):
    """The page size is ignored."""

    def page(self, tasks: list[Object], number: int, size: int) -> list[Object]:
        return super().page(tasks, number, 30)


@group.server("lists.pages", KLING)
class SizeOffByOne(Paging):
    """A page has one task more than it should, which comes again on the next."""

    def page(self, tasks: list[Object], number: int, size: int) -> list[Object]:
        return tasks[(number - 1) * size : number * size + 1]


@group.server("lists.pages", KLING)
class Gaps(Paging):
    """Between two pages one task is missing."""

    def page(self, tasks: list[Object], number: int, size: int) -> list[Object]:
        return (
            super().page(tasks, number, size)[: size - 1] if size < 30 else super().page(tasks, number, size)
        )


@group.server("lists.pages", KLING)
class AlwaysTheFirstPage(Paging):
    """Whatever page is asked for, the first one comes."""

    def page(self, tasks: list[Object], number: int, size: int) -> list[Object]:
        return super().page(tasks, 1 if number < 5 else number, size)


@group.server("lists.pages", KLING)
class CountsFromZero(Paging):
    """The first page is the second one."""

    def page(self, tasks: list[Object], number: int, size: int) -> list[Object]:
        return super().page(tasks, number + 1, size) if size < 30 else super().page(tasks, number, size)


@group.server("lists.complete", KLING)
class NoFailures(Paging):
    """Failed tasks are not listed."""

    def page(self, tasks: list[Object], number: int, size: int) -> list[Object]:
        kept = [task for task in tasks if task["task_status"] != "failed"]
        return super().page(kept, number, size)


@group.server("lists.complete", KLING)
class LatestMissing(Paging):
    """The newest task is not listed."""

    def page(self, tasks: list[Object], number: int, size: int) -> list[Object]:
        return super().page(tasks[1:], number, size)


@group.after("lists.entry_is_query", KLING)
def stale_entries(ask: Ask, answer: Answer) -> None:
    """A list shows tasks as they were when they were made."""
    for task in answer.entries:
        task |= {"task_status": "submitted", "task_result": {}, "updated_at": task["created_at"]}


@group.after("lists.entry_is_query", KLING)
def entries_without_results(ask: Ask, answer: Answer) -> None:
    """A list has no results."""
    for task in answer.entries:
        task.pop("task_result", None)


@group.after("lists.entry_is_query", KLING)
def entries_without_info(ask: Ask, answer: Answer) -> None:
    """A list has no external ids."""
    for task in answer.entries:
        task["task_info"] = {}


@group.after("lists.entry_is_query", KLING)
def entries_in_seconds(ask: Ask, answer: Answer) -> None:
    """A list has stamps in seconds."""
    for task in answer.entries:
        for name in ("created_at", "updated_at"):
            stamp = task[name]
            task[name] = stamp // 1000 if isinstance(stamp, int) else stamp


@group.server("refused.creates_nothing", KLING)
class StoresFirst(Paging):
    """A refused request leaves a failed task in the list."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._refused = 0

    def serve(self, ask: Ask) -> Answer:
        answer = super().serve(ask)
        if ask.creates and answer.status == 400 and ask.peek.get("prompt"):
            self._refused = min(self._refused + 1, 2)
        return answer

    def page(self, tasks: list[Object], number: int, size: int) -> list[Object]:
        stray: list[Object] = [
            {"task_id": f"{at}" * 18, "task_status": "failed", "task_status_msg": "refused",
             "created_at": 1767225500000 - at, "updated_at": 1767225500000 - at}
            for at in range(1, self._refused + 1)
        ]  # fmt: skip
        return super().page([*tasks, *stray], number, size)


@group.after("lists.pages", KLING)
def five_by_default(ask: Ask, answer: Answer) -> None:
    """Without a size a page has five tasks."""
    if ask.lists and not ask.query and answer.good:
        answer.body["data"] = answer.entries[:5]


@group.after("lists.complete", KLING)
def only_the_ended(ask: Ask, answer: Answer) -> None:
    """A list has only tasks that have ended."""
    if ask.lists and answer.good:
        answer.body["data"] = [each for each in answer.entries if each["task_status"] in ENDS]
