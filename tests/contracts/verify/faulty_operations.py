"""Faulty servers of other operations: faults that concern their differences from the main one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kling_contracts.gateways import COMETAPI, KLING, Gateway, RefusalReason
from kling_contracts.image_files import encoded, png
from kling_contracts.operations import TEXT_TO_IMAGE, Operation
from tests.contracts.verify.faulty_servers.base import Behind, Fault, FaultyServer
from tests.contracts.verify.faulty_servers.messages import (
    Object,
    Request,
    Response,
    as_list,
    as_object,
    images_of,
)
from tests.contracts.verify.faulty_servers.tasks import EveryTask
from tests.trial_operations import EXPAND, SERIES, SOUND, SPEECH, TRIAL, TRIAL_KLING, VIDEO

TARGETS: Final[list[tuple[Gateway, Operation]]] = [
    (KLING, TEXT_TO_IMAGE),
    (COMETAPI, TEXT_TO_IMAGE),
    *((TRIAL, operation) for operation in TRIAL.operations),
    (TRIAL_KLING, VIDEO),
    (TRIAL_KLING, TRIAL_KLING.find_operation(SERIES.name)),  # a key that may be absent selects it
    (TRIAL_KLING, SPEECH),
]


@dataclass(frozen=True)
class OperationFault:
    """A faulty server of one operation, and the checks that find it."""

    name: str
    operation: Operation
    finds: frozenset[str]
    make: Callable[[Behind], FaultyServer]

    def __str__(self) -> str:
        return f"{self.operation.name}: {self.name}"

    @property
    def fault(self) -> Fault:
        return Fault(name=self.name, catches=min(self.finds), description=self.name, make=self.make)


OPERATION_FAULTS: Final[list[OperationFault]] = []


def _note(name: str, operations: tuple[Operation, ...], finds: set[str], kind: type[FaultyServer]) -> None:
    OPERATION_FAULTS.extend(
        OperationFault(name.replace("_", " "), each, frozenset(finds), kind) for each in operations
    )


def task(*operations: Operation, finds: set[str]) -> Callable[[Callable[[Object], object]], object]:
    """A server that changes every task in its responses."""

    def note(mutate: Callable[[Object], object]) -> object:
        class Mutating(EveryTask):
            def mutate(self, task: Object) -> None:
                mutate(task)

        _note(mutate.__name__, operations, finds, Mutating)
        return mutate

    return note


def asked(*operations: Operation, finds: set[str]) -> Callable[[Callable[[Object], object]], object]:
    """A server that repairs bodies of creates, and so accepts invalid ones."""

    def note(change: Callable[[Object], object]) -> object:
        class Changing(FaultyServer):
            def before(self, request: Request) -> None:
                if request.creates and request.peek:
                    before = json.dumps(request.peek)
                    change(request.peek)
                    _ = request.body if json.dumps(request.peek) != before else None

        _note(change.__name__, operations, finds, Changing)
        return change

    return note


def refusing(*operations: Operation, finds: set[str]) -> Callable[[Callable[[Object], bool]], object]:
    """A server that refuses valid bodies."""

    def note(refused: Callable[[Object], bool]) -> object:
        class Refusing(FaultyServer):
            def serve(self, request: Request) -> Response:
                valid = request.creates and not self.gateway.main.read(request.peek).violations
                if valid and refused(request.peek) and self.knows(request):
                    return self.refuse(RefusalReason.INVALID)
                return self.right(request)

        _note(refused.__name__, operations, finds, Refusing)
        return refused

    return note


# --- results ----------------------------------------------------------------------------------------------


@task(VIDEO, SOUND, SERIES, SPEECH, finds={"lifecycle.images.presence"})
def results_under_images(task: Object) -> None:
    if found := images_of(task):
        task["task_result"] = {"images": found}


@task(EXPAND, TEXT_TO_IMAGE, finds={"lifecycle.images.presence"})
def results_under_videos(task: Object) -> None:
    if found := images_of(task):
        task["task_result"] = {"videos": found}


@task(VIDEO, SOUND, SPEECH, finds={"lifecycle.media.id"})
def no_id(task: Object) -> None:
    for each in images_of(task):
        each.pop("id", None)


@task(VIDEO, SPEECH, finds={"lifecycle.media.duration"})
def no_duration(task: Object) -> None:
    for each in images_of(task):
        each["duration"] = ""


@task(VIDEO, SPEECH, finds={"lifecycle.shape", "lifecycle.media.duration"})
def a_duration_that_is_a_number(task: Object) -> None:
    for each in images_of(task):
        each["duration"] = 5


@task(VIDEO, SPEECH, finds={"lifecycle.images.count"})
def the_same_twice(task: Object) -> None:
    for each in images_of(task)[:1]:
        images_of(task).append(each | {"id": f"{each['id']}0", "url": f"{each['url']}?second"})


@task(VIDEO, EXPAND, SOUND, finds={"lifecycle.images.absolute"})
def a_path_alone(task: Object) -> None:
    for each in images_of(task):
        each["url"] = "/" + str(each["url"]).partition("//")[2].partition("/")[2]


class AnotherFile(FaultyServer):
    """Result URLs return HTML pages."""

    def after(self, request: Request, response: Response) -> None:
        if request.fetches:
            response.status, response.content = 200, b"<html>"
            response.headers = {"content-type": "text/html"}


class NoFile(FaultyServer):
    """Result URLs return 404."""

    def after(self, request: Request, response: Response) -> None:
        if request.fetches:
            response.status, response.content = 404, b"gone"


_note("a page for a file", (VIDEO, SOUND, SPEECH), {"result_images.content_type"}, AnotherFile)
_note("no file", (VIDEO, SPEECH, EXPAND), {"result_images.downloadable"}, NoFile)


# --- conditions of several fields -------------------------------------------------------------------------


@asked(VIDEO, finds={"refuses.duration.required_when"})
def shots_of_any_duration(body: Object) -> None:
    if body.get("multi_prompt") and body.get("duration") in (None, ""):
        body["duration"] = "5"


@asked(SERIES, finds={"refuses.series_amount.required_when"})
def a_series_of_any_length(body: Object) -> None:
    if "series_amount" not in body or body["series_amount"] is None:
        body["series_amount"] = 2


@asked(SOUND, finds={"refuses.video_id.exactly_one"})
def the_first_of_several_sources(body: Object) -> None:
    if body.get("video_id"):
        for name in ("video_url", "image"):
            body.pop(name, None)


@refusing(SOUND, finds={"accepts.picture_forms", "accepts.image.max_bytes"})
def no_sound_for_pictures(body: Object) -> bool:
    return bool(body.get("image"))


# --- fields -----------------------------------------------------------------------------------------------


@asked(EXPAND, finds={"refuses.up_expansion_ratio.range"})
def any_expansion(body: Object) -> None:
    given = body.get("up_expansion_ratio")
    if isinstance(given, int | float) and not isinstance(given, bool) and not 0 <= given <= 2:
        body["up_expansion_ratio"] = 1


@asked(VIDEO, finds={"refuses.camera_control.config.pan.range"})
def the_camera_moves_as_far_as_it_likes(body: Object) -> None:
    config = as_object(as_object(body.get("camera_control")).get("config"))
    if isinstance(config.get("pan"), int | float) and not isinstance(config["pan"], bool):
        config["pan"] = 1


@asked(VIDEO, finds={"refuses.multi_prompt.shot.prompt.required"})
def shots_without_a_prompt(body: Object) -> None:
    for shot in map(as_object, as_list(body.get("multi_prompt"))):
        if shot.get("prompt", "") in (None, ""):
            shot["prompt"] = "a boat"


@asked(VIDEO, finds={"refuses.multi_prompt.max_items"})
def shots_without_end(body: Object) -> None:
    if len(as_list(body.get("multi_prompt"))) > 6:
        del as_list(body["multi_prompt"])[6:]


@asked(VIDEO, finds={"refuses.sound.type"})
def a_word_for_a_flag(body: Object) -> None:
    if body.get("sound") in ("true", "false"):
        body["sound"] = False


@asked(SERIES, finds={"outcomes.image_list.entry.image.min_side"})
def pictures_in_lists_are_not_measured(body: Object) -> None:
    for entry in map(as_object, as_list(body.get("image_list"))):
        value = entry.get("image")
        small = isinstance(value, str) and value == encoded(png(300, 299))
        entry["image"] = encoded(png(300, 300)) if small else value


@refusing(SPEECH, finds={"accepts.voice_speed.type"})
def a_speed_beyond_the_limit(body: Object) -> bool:
    speed = body.get("voice_speed")
    return isinstance(speed, int | float) and not 0.8 <= speed <= 2


@refusing(VIDEO, finds={"accepts.camera_control.config.zoom.decimals"})
def whole_numbers_only(body: Object) -> bool:
    zoom = as_object(as_object(body.get("camera_control")).get("config")).get("zoom")
    return isinstance(zoom, float) and not zoom.is_integer()


@refusing(VIDEO, finds={"accepts.mode.enum"})
def one_mode_only(body: Object) -> bool:
    return body.get("mode") == "pro"


@asked(TEXT_TO_IMAGE, finds={"refuses.resolution.enum"})
def any_resolution(body: Object) -> None:
    if isinstance(body.get("resolution"), str) and body["resolution"]:
        body["resolution"] = "1k"


@refusing(TEXT_TO_IMAGE, finds={"accepts.negative_prompt.max_length"})
def short_negative_prompts(body: Object) -> bool:
    return len(str(body.get("negative_prompt") or "")) > 200


# --- synchronous operations, and their success word -------------------------------------------------------


@task(SPEECH, finds={"lifecycle.images.presence"})
def ended_without_results(task: Object) -> None:
    task["task_result"] = {}


class OnlySubmitted(FaultyServer):
    """A synchronous create is answered with a task that has not ended."""

    def after(self, request: Request, response: Response) -> None:
        if request.creates and response.task:
            response.task["task_status"] = "submitted"
            response.task.pop("task_result", None)
            response.task.pop("final_unit_deduction", None)


class AnotherWord(FaultyServer):
    """Successful responses have the success word of the other operations."""

    def after(self, request: Request, response: Response) -> None:
        if response.task:
            response.body["message"] = "SUCCEED"


class ForgottenWhenCreated(FaultyServer):
    """A task that has ended with its create cannot be queried."""

    def serve(self, request: Request) -> Response:
        if request.task_id and self.right(request).good:
            return self.refuse(RefusalReason.UNKNOWN_TASK)
        return super().serve(request)


class NeverBegun(FaultyServer):
    """A create of an asynchronous operation is answered with an ended task."""

    def after(self, request: Request, response: Response) -> None:
        if request.creates and response.task:
            kind = self.gateway.main.result
            result = {"index": 0} if kind.drawn else {"id": "1", "duration": "5"}
            response.task["task_status"] = "succeed"
            response.task["task_result"] = {kind.value: [result | {"url": "https://cdn.klingai.com/0"}]}


_note("only submitted", (SPEECH,), {"lifecycle.created"}, OnlySubmitted)
_note("another word", (SPEECH,), {"responses.success_word"}, AnotherWord)
_note("forgotten", (SPEECH,), {"lifecycle.at_once"}, ForgottenWhenCreated)
_note("ended at once", (VIDEO, SERIES, EXPAND), {"lifecycle.created"}, NeverBegun)
