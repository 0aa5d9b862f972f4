"""Servers that read, count or validate one field differently if another one is given."""

from __future__ import annotations

from typing import Final

from kling_contracts.gateways import KLING
from kling_contracts.operations import Operation
from kling_contracts.vocabulary import ASPECT_RATIOS, IMAGES_MAXIMUM, PROMPT_MAXIMUM
from tests.contracts.verify.faulty_servers.base import Behind, FaultyServer, Group
from tests.contracts.verify.faulty_servers.messages import Request, Response, subjects_in, text_in

group: Final = Group()
_LIMIT: Final = PROMPT_MAXIMUM.value
# Images that a run needs to cover every pair of values.
_ALL: Final = 100


def _scene(operation: Operation) -> tuple[str, str]:
    """The name of the field of the scene, and its alias."""
    field = next(field for field in operation.fields if field.aliases)
    return field.name, field.aliases[0]


def _asked(request: Request, name: str) -> bool:
    return request.creates and request.peek.get(name) not in (None, "")


@group.before("result_images.ratio")
def ratio_with_a_scene(request: Request) -> None:
    """A valid aspect ratio is ignored together with a scene image."""
    if (
        _asked(request, _scene(request.gateway.main)[0])
        and request.peek.get("aspect_ratio") in ASPECT_RATIOS.value
    ):
        request.body.pop("aspect_ratio")


@group.before("result_images.ratio", images=_ALL)
def another_default_with_the_alias(request: Request) -> None:
    """The default aspect ratio is another one together with the alias of the scene image."""
    alias = _scene(request.gateway.main)[1]
    if _asked(request, alias) and not _asked(request, "aspect_ratio"):
        request.body["aspect_ratio"] = "1:1"


@group.before("lifecycle.images.count", images=_ALL)
def one_image_with_a_style(request: Request) -> None:
    """There is one image, for every valid n, together with a style image."""
    given = request.peek.get("n")
    if _asked(request, "style_image") and type(given) is int and 1 <= given <= IMAGES_MAXIMUM.value:
        request.body["n"] = 1


@group.refusing("accepts.prompt.max_length")
def prompt_in_bytes_with_a_model(request: Request) -> bool:
    """The length of the prompt is counted in bytes together with a model."""
    return _asked(request, "model_name") and len(text_in(request, "prompt").encode()) > _LIMIT


@group.refusing("accepts.subject_image_list.items", images=_ALL)
def four_subjects_in_one_ratio(request: Request) -> bool:
    """Four subjects are refused together with the aspect ratio 3:4."""
    return len(subjects_in(request)) == 4 and request.peek.get("aspect_ratio") == "3:4"


@group.server("external_ids.echoed")
class NoEchoWithACallback(FaultyServer):
    """The external id is missing in tasks together with a callback URL."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self.called: set[object] = set()

    def after(self, request: Request, response: Response) -> None:
        if _asked(request, "callback_url") and response.task:
            self.called.add(response.task["task_id"])
        for task in response.tasks:
            if task["task_id"] in self.called:
                task["task_info"] = {}


class _TwoTasks(FaultyServer):
    def serve(self, request: Request) -> Response:
        response = self.right(request)
        if response.good and _asked(request, "style_image") and request.peek.get("aspect_ratio") == "21:9":
            request.body.pop("external_task_id", None)
            request.body.pop("callback_url", None)
            self.right(request)
        return response


group.add(
    "lists.one_task",
    "two_tasks_for_one_ratio",
    "A create is carried out twice with a style image together with the aspect ratio 21:9.",
    _TwoTasks,
    (KLING,),
    images=_ALL,
)


@group.before("refuses.prompt.max_length")
def long_prompt_in_one_ratio(request: Request) -> None:
    """A prompt that is too long is cut together with the aspect ratio 21:9."""
    if request.peek.get("aspect_ratio") == "21:9" and len(prompt := text_in(request, "prompt")) > _LIMIT:
        request.body["prompt"] = prompt[:_LIMIT]


@group.before("refuses.model_name.type")
def any_model_with_several_images(request: Request) -> None:
    """A model that is not a string is ignored together with n above 1."""
    several = request.creates and request.peek.get("n") == 2
    if several and not isinstance(request.peek.get("model_name"), str | None):
        request.body.pop("model_name")


@group.before("refuses.callback_url.unicode")
def any_callback_without_an_id(request: Request) -> None:
    """A callback URL with a lone surrogate is ignored together with no external id."""
    url = text_in(request, "callback_url")
    if not _asked(request, "external_task_id") and any("\ud800" <= sign <= "\udfff" for sign in url):
        request.body.pop("callback_url")
