"""Servers whose tasks have wrong results: images, messages, types."""

from __future__ import annotations

from typing import Final

from tests.contracts.verify.faulty_servers.base import Behind, Group
from tests.contracts.verify.faulty_servers.messages import Object, Request, Response, images_of
from tests.contracts.verify.faulty_servers.tasks import EveryTask, everywhere, whole

group: Final = Group()


def succeeded(task: Object) -> bool:
    return task["task_status"] == "succeed"


@everywhere(group, "lifecycle.images.presence")
def images_early(task: Object) -> None:
    """A task in processing has images."""
    if task["task_status"] == "processing":
        task["task_result"] = {"images": [{"index": 0, "url": "https://cdn.klingai.com/early.png"}]}


@everywhere(group, "lifecycle.images.presence")
def images_of_failures(task: Object) -> None:
    """A failed task has an image."""
    if task["task_status"] == "failed":
        task["task_result"] = {"images": [{"index": 0, "url": "https://cdn.klingai.com/failed.png"}]}


@everywhere(group, "lifecycle.images.presence")
def no_images(task: Object) -> None:
    """Some tasks succeed without images."""
    if succeeded(task) and whole(task["created_at"]) % 2 == 0:
        task["task_result"] = {}


@everywhere(group, "lifecycle.images.count")
def one_image_only(task: Object) -> None:
    """There is always one image, for every n."""
    del images_of(task)[1:]


@everywhere(group, "lifecycle.images.count")
def one_image_too_few(task: Object) -> None:
    """The last of several images is missing."""
    if len(images_of(task)) > 1:
        images_of(task).pop()


@everywhere(group, "lifecycle.images.count")
def four_images(task: Object) -> None:
    """There are always at least two images."""
    images = images_of(task)
    if len(images) == 1:
        images.append({"index": 1, "url": f"{images[0]['url']}?second"})


@everywhere(group, "lifecycle.images.index")
def index_from_one(task: Object) -> None:
    """Indices count from 1."""
    for image in images_of(task):
        image["index"] = whole(image["index"]) + 1


@everywhere(group, "lifecycle.images.index")
def index_zero(task: Object) -> None:
    """All indices are 0."""
    for image in images_of(task):
        image["index"] = 0


@everywhere(group, "lifecycle.images.index")
def images_reversed(task: Object) -> None:
    """The images are in reverse order."""
    images_of(task).reverse()


@everywhere(group, "lifecycle.images.distinct")
def one_url(task: Object) -> None:
    """All images have the same URL."""
    for image in images_of(task):
        image["url"] = images_of(task)[0]["url"]


@everywhere(group, "lifecycle.images.absolute")
def relative_urls(task: Object) -> None:
    """Result URLs are paths."""
    for image in images_of(task):
        image["url"] = "/" + str(image["url"]).partition("//")[2].partition("/")[2]


@everywhere(group, "lifecycle.images.absolute")
def urls_without_a_scheme(task: Object) -> None:
    """Result URLs have no scheme."""
    for image in images_of(task):
        image["url"] = str(image["url"]).partition(":")[2]


@everywhere(group, "lifecycle.failed.message")
def failed_in_silence(task: Object) -> None:
    """A failed task lacks task_status_msg."""
    task.pop("task_status_msg", None)


@everywhere(group, "lifecycle.failed.message")
def failed_with_nothing(task: Object) -> None:
    """A failed task has an empty task_status_msg."""
    if task["task_status"] == "failed":
        task["task_status_msg"] = ""


@everywhere(group, "lifecycle.succeed.message")
def success_with_a_text(task: Object) -> None:
    """A succeeded task has OK in task_status_msg."""
    if succeeded(task):
        task["task_status_msg"] = "OK"


@everywhere(group, "lifecycle.shape")
def index_as_text(task: Object) -> None:
    """The index of an image is a string."""
    for image in images_of(task):
        image["index"] = str(image["index"])


@everywhere(group, "lifecycle.shape")
def info_as_text(task: Object) -> None:
    """task_info is a string."""
    task["task_info"] = "{}"


@everywhere(group, "lifecycle.shape")
def message_as_number(task: Object) -> None:
    """task_status_msg is a number."""
    if task["task_status"] in ("submitted", "processing"):
        task["task_status_msg"] = 0


@everywhere(group, "lifecycle.shape")
def result_as_list(task: Object) -> None:
    """task_result of an unfinished task is an array."""
    if not images_of(task):
        task["task_result"] = []


@everywhere(group, "lifecycle.shape")
def deduction_as_number(task: Object) -> None:
    """final_unit_deduction is a number."""
    if succeeded(task):
        task["final_unit_deduction"] = 16


@group.server("lifecycle.images.own")
class FilesNamedAfterTheRatio(EveryTask):
    """Tasks of the same aspect ratio share their result URLs."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._ratios: dict[object, object] = {}
        self._urls: dict[tuple[object, object], object] = {}

    def after(self, request: Request, response: Response) -> None:
        if request.creates and response.task:
            self._ratios[response.task["task_id"]] = request.peek.get("aspect_ratio") or "16:9"
        super().after(request, response)

    def mutate(self, task: Object) -> None:
        for image in images_of(task):
            named = self._ratios.get(task["task_id"]), image["index"]
            image["url"] = self._urls.setdefault(named, image["url"])


@everywhere(group, "lifecycle.running.message")
def a_text_while_it_runs(task: Object) -> None:
    """A task that is processing has a text in task_status_msg."""
    if task["task_status"] == "processing":
        task["task_status_msg"] = "in progress"
