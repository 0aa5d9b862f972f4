"""Servers with wrong task lists, for gateways that have lists."""

from __future__ import annotations

from typing import Final

from kling_contracts.gateways import KLING, RefusalReason
from tests.contracts.verify.faulty_servers.base import Behind, FaultyServer, Group
from tests.contracts.verify.faulty_servers.messages import Object, Request, Response
from tests.contracts.verify.faulty_servers.tasks import ENDS

group: Final = Group()


def _is_page(request: Request) -> bool:
    return request.lists and all(value.isascii() and value.isdigit() for value in request.page.values())


@group.before("lists.refuses_beyond", KLING)
def page_zero(request: Request) -> None:
    """Page 0 is treated as page 1."""
    if request.lists and request.page.get("pageNum") == "0":
        request.turn_page(pageNum=1)


@group.before("lists.refuses_beyond", KLING)
def large_pages_are_cut(request: Request) -> None:
    """A page size above the limit is replaced by the limit."""
    if _is_page(request) and int(request.page.get("pageSize", "1")) > 500:
        request.turn_page(pageSize=500)


@group.before("lists.refuses_beyond", KLING)
def letters_are_default(request: Request) -> None:
    """Page parameters that are not numbers are ignored."""
    if request.lists:
        for name, value in request.page.items():
            if not value.lstrip("-").isdigit() or not value.isascii():
                request.turn_page(**{name: 1})


@group.before("lists.refuses_beyond", KLING)
def any_digit(request: Request) -> None:
    """Digits of any script are accepted in page parameters."""
    for name, value in request.page.items() if request.lists else ():
        if value.isdigit() and int(value):
            request.turn_page(**{name: int(value)})


@group.server("lists.accepts_bounds", KLING)
class SmallPages(FaultyServer):
    """The maximum page size is 499."""

    def serve(self, request: Request) -> Response:
        if _is_page(request) and request.page.get("pageSize") == "500" and "pageNum" not in request.page:
            return self.refuse(RefusalReason.INVALID)
        return self.right(request)


@group.server("lists.accepts_bounds", KLING)
class LastPageMissing(FaultyServer):
    """The largest legal page number is refused."""

    def serve(self, request: Request) -> Response:
        if _is_page(request) and request.page.get("pageNum") == "1000":
            return self.refuse(RefusalReason.INVALID)
        return self.right(request)


@group.server("lists.accepts_bounds", KLING)
class NotFoundBeyondTheEnd(FaultyServer):
    """A page beyond the end is refused."""

    def serve(self, request: Request) -> Response:
        response = self.right(request)
        number = request.page.get("pageNum", "1") if request.lists and response.good else "1"
        return self.refuse(RefusalReason.INVALID) if int(number) > 1 and not response.entries else response


@group.after("lists.accepts_bounds", KLING)
def list_in_an_object(request: Request, response: Response) -> None:
    """An empty list is sent as an object."""
    if request.lists and response.good and not response.entries:
        response.body["data"] = {}


@group.after("errors.paging", KLING)
def bad_page_422(request: Request, response: Response) -> None:
    """A page out of bounds is refused with 422."""
    if request.lists and response.status == 400:
        response.status = 422


@group.after("errors.paging", KLING)
def bad_page_code(request: Request, response: Response) -> None:
    """A page out of bounds is refused with the wrong code."""
    if request.lists and response.status == 400:
        response.body["code"] = 1200


class Paging(FaultyServer):
    """Reads the whole list from the correct server and builds its own pages."""

    def page(self, tasks: list[Object], number: int, size: int) -> list[Object]:
        """One page of all tasks, which are sorted newest first."""
        return tasks[(number - 1) * size : number * size]

    def serve(self, request: Request) -> Response:
        if not _is_page(request):
            return self.right(request)
        right = self.right(request)
        number, size = int(request.page.get("pageNum", "1")), int(request.page.get("pageSize", "30"))
        if not right.good:
            return right
        request.turn_page(pageNum=1, pageSize=500)
        tasks = list(self.right(request).entries)
        right.body["data"] = self.page(tasks, number, size)
        return right


@group.server("lists.newest_first", KLING)
class OldestFirst(Paging):
    """Lists are sorted oldest first."""

    def page(self, tasks: list[Object], number: int, size: int) -> list[Object]:
        return super().page(tasks[::-1], number, size)


@group.server("lists.newest_first", KLING)
class SortedById(Paging):
    """Lists are sorted by the last digits of the task ids."""

    def page(self, tasks: list[Object], number: int, size: int) -> list[Object]:
        return super().page(sorted(tasks, key=lambda task: str(task["task_id"])[::-1]), number, size)


@group.server("lists.pages", KLING)
class SizeIgnored(Paging):
    """The page size is ignored."""

    def page(self, tasks: list[Object], number: int, size: int) -> list[Object]:
        return super().page(tasks, number, 30)


@group.server("lists.pages", KLING)
class SizeOffByOne(Paging):
    """A page has one task too many, which is repeated on the next page."""

    def page(self, tasks: list[Object], number: int, size: int) -> list[Object]:
        return tasks[(number - 1) * size : number * size + 1]


@group.server("lists.pages", KLING)
class Gaps(Paging):
    """One task is missing between two pages."""

    def page(self, tasks: list[Object], number: int, size: int) -> list[Object]:
        return (
            super().page(tasks, number, size)[: size - 1] if size < 30 else super().page(tasks, number, size)
        )


@group.server("lists.pages", KLING)
class AlwaysTheFirstPage(Paging):
    """Every page is answered with the first one."""

    def page(self, tasks: list[Object], number: int, size: int) -> list[Object]:
        return super().page(tasks, 1 if number < 5 else number, size)


@group.server("lists.pages", KLING)
class CountsFromZero(Paging):
    """Page numbers are off by one: page 1 is the second page."""

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
def stale_entries(request: Request, response: Response) -> None:
    """A list shows tasks in the state of their creation."""
    for task in response.entries:
        task |= {"task_status": "submitted", "task_result": {}, "updated_at": task["created_at"]}


@group.after("lists.entry_is_query", KLING)
def entries_without_results(request: Request, response: Response) -> None:
    """The tasks of a list lack their results."""
    for task in response.entries:
        task.pop("task_result", None)


@group.after("lists.entry_is_query", KLING)
def entries_without_info(request: Request, response: Response) -> None:
    """The tasks of a list lack their external ids."""
    for task in response.entries:
        task["task_info"] = {}


@group.after("lists.entry_is_query", KLING)
def entries_in_seconds(request: Request, response: Response) -> None:
    """The timestamps in a list are in seconds."""
    for task in response.entries:
        for name in ("created_at", "updated_at"):
            stamp = task[name]
            task[name] = stamp // 1000 if isinstance(stamp, int) else stamp


@group.server("invalid_requests.no_task", KLING)
class StoresFirst(Paging):
    """A refused request leaves a failed task in the list."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._refused = 0

    def serve(self, request: Request) -> Response:
        response = super().serve(request)
        if request.creates and response.status == 400 and request.peek.get("prompt"):
            self._refused = min(self._refused + 1, 2)
        return response

    def page(self, tasks: list[Object], number: int, size: int) -> list[Object]:
        stray: list[Object] = [
            {"task_id": f"{at}" * 18, "task_status": "failed", "task_status_msg": "refused",
             "created_at": 1767225500000 - at, "updated_at": 1767225500000 - at}
            for at in range(1, self._refused + 1)
        ]  # fmt: skip
        return super().page([*tasks, *stray], number, size)


@group.after("lists.pages", KLING)
def five_by_default(request: Request, response: Response) -> None:
    """The default page size is five."""
    if request.lists and not request.query and response.good:
        response.body["data"] = response.entries[:5]


@group.after("lists.complete", KLING)
def only_the_ended(request: Request, response: Response) -> None:
    """A list has only ended tasks."""
    if request.lists and response.good:
        response.body["data"] = [each for each in response.entries if each["task_status"] in ENDS]


@group.server("lists.one_task", KLING)
class CreatesTwice(FaultyServer):
    """A request with a style image is carried out twice."""

    def serve(self, request: Request) -> Response:
        response = self.right(request)
        if request.creates and response.good and request.peek.get("style_image"):
            request.body.pop("external_task_id", None)
            request.body.pop("callback_url", None)
            self.right(request)
        return response
