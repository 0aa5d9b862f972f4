"""Servers that validate subject images incompletely."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Final

from kling_contracts.gateways import COMETAPI
from tests.contracts.verify.faulty_servers.base import FaultyServer, Group
from tests.contracts.verify.faulty_servers.forgotten_rules import repair
from tests.contracts.verify.faulty_servers.messages import (
    Object,
    Request,
    Response,
    as_object,
    subjects_in,
    text_in,
)

group: Final = Group()


@group.before("refuses.subject_image_list.max_items")
def one_subject_too_many(request: Request) -> None:
    """The maximum number of subjects is one too high."""
    if len(subjects_in(request)) == 5:
        repair(request.gateway, request.body, "subject_image_list")


@group.before("refuses.subject_image_list.max_items")
def cuts_the_subjects(request: Request) -> None:
    """Subjects beyond the fourth are dropped."""
    if len(items := subjects_in(request)) > 4:
        request.body["subject_image_list"] = items[:4]


@group.before("refuses.subject_image_list.min_items", COMETAPI)
def one_subject_is_enough(request: Request) -> None:
    """One subject is accepted, as by Kling itself."""
    if len(items := subjects_in(request)) == 1:
        request.body["subject_image_list"] = items * 2


@group.before("refuses.subject_image_list.item_type")
def texts_as_subjects(request: Request) -> None:
    """A bare URL is accepted as a subject."""
    for at, item in enumerate(subjects_in(request)):
        if isinstance(item, str):
            request.body["subject_image_list"][at] = {"subject_image": item}  # type: ignore[index]  # subjects_in found a list


@group.before("refuses.subject_image_list.item_type")
def skips_what_is_no_subject(request: Request) -> None:
    """Subjects that are not objects are ignored, except the first."""
    items = subjects_in(request)
    if len(items) > 1 and isinstance(items[0], dict):
        request.body["subject_image_list"] = [it if isinstance(it, dict) else items[0] for it in items]


@group.before("refuses.subject_image_list.type")
def one_subject_without_a_list(request: Request) -> None:
    """An object is accepted in place of the array."""
    if request.creates and isinstance(request.peek.get("subject_image_list"), dict):
        repair(request.gateway, request.body, "subject_image_list")


@group.before("refuses.subject_image_list.type")
def list_in_a_text(request: Request) -> None:
    """A JSON string is accepted in place of the array."""
    if text_in(request, "subject_image_list"):
        repair(request.gateway, request.body, "subject_image_list")


@group.before("refuses.subject_image_list.required")
def empty_list(request: Request) -> None:
    """An empty array is accepted."""
    if request.creates and request.peek.get("subject_image_list") == []:
        repair(request.gateway, request.body, "subject_image_list")


@group.before("refuses.subject_image_list.required")
def null_for_the_list(request: Request) -> None:
    """null is accepted in place of the array."""
    if (
        request.creates
        and "subject_image_list" in request.peek
        and request.peek["subject_image_list"] is None
    ):
        repair(request.gateway, request.body, "subject_image_list")


def _pictures(request: Request) -> Iterator[tuple[int, Object]]:
    """The subjects whose image is a string, for changes."""
    for at, item in enumerate(subjects_in(request)):
        entry = as_object(item)
        if isinstance(entry.get("subject_image"), str) and request.body:
            yield at, entry


@group.before("refuses.subject_image.required")
def looks_at_the_first_only(request: Request) -> None:
    """Empty objects are accepted as subjects, except the first."""
    items = subjects_in(request)
    for item in items[1:]:
        entry = as_object(item)
        if isinstance(item, dict) and not entry.get("subject_image") and request.body:
            entry["subject_image"] = as_object(items[0]).get("subject_image")


@group.before("refuses.subject_image.required")
def empty_text_for_a_subject(request: Request) -> None:
    """An empty string is accepted as an image."""
    items = subjects_in(request)
    for item in items:
        if as_object(item).get("subject_image") == "" and request.body:
            as_object(item)["subject_image"] = "https://example.com/a.png"


@group.before("refuses.subject_image.base64", also={"outcomes.subject_image.min_side"})
def last_subject_unseen(request: Request) -> None:
    """The last subject is not validated, neither base64 nor size."""
    items = subjects_in(request)
    for at, entry in _pictures(request):
        text = str(entry["subject_image"])
        if at == len(items) - 1 and not text.startswith("http") and len(text) < 13_000_000:
            entry["subject_image"] = "https://example.com/a.png"


@group.before("refuses.subject_image.base64")
def data_urls(request: Request) -> None:
    """A data URL is accepted as its base64 part."""
    for _, entry in _pictures(request):
        entry["subject_image"] = re.sub("^data:[^,]*,", "", str(entry["subject_image"]))


@group.before("refuses.subject_image.base64")
def blanks_in_base64(request: Request) -> None:
    """White space in base64 is ignored."""
    for _, entry in _pictures(request):
        if not str(entry["subject_image"]).startswith("http"):
            entry["subject_image"] = "".join(str(entry["subject_image"]).split())


@group.before("refuses.subject_image.base64")
def padding_is_optional(request: Request) -> None:
    """Missing base64 padding is accepted."""
    for _, entry in _pictures(request):
        text = str(entry["subject_image"])
        if not text.startswith("http") and len(text) % 4 in (2, 3):
            entry["subject_image"] = text + "=" * (-len(text) % 4)


@group.before("refuses.style_image.base64")
def url_alphabet(request: Request) -> None:
    """The URL-safe base64 alphabet is accepted."""
    if (text := text_in(request, "style_image")) and not text.startswith("http"):
        request.body["style_image"] = text.replace("-", "+").replace("_", "/")


@group.before("refuses.style_image.base64")
def lenient_base64(request: Request) -> None:
    """Characters outside the base64 alphabet are ignored."""
    text = text_in(request, "style_image")
    if text and not text.startswith("http"):
        try:
            base64.b64decode(text, validate=True)
        except ValueError:
            repair(request.gateway, request.body, "style_image")


@group.before("refuses.subject_image.url")
def urls_by_their_scheme(request: Request) -> None:
    """Any text that begins with http is accepted as an image URL."""
    for _, entry in _pictures(request):
        if str(entry["subject_image"]).startswith("http"):
            entry["subject_image"] = "https://example.com/a.png"


@group.before("refuses.subject_image.type")
def numbers_as_pictures(request: Request) -> None:
    """A number is accepted as an image."""
    for item in subjects_in(request):
        if type(as_object(item).get("subject_image")) is int and request.body:
            as_object(item)["subject_image"] = "https://example.com/a.png"


@group.before("refuses.subject_image.max_bytes")
def subjects_of_any_size(request: Request) -> None:
    """The size of subject images is not limited."""
    for _, entry in _pictures(request):
        if len(str(entry["subject_image"])) > 13_000_000:
            entry["subject_image"] = "https://example.com/a.png"


@group.server("errors.element")
class FirstElementIsBlamed(FaultyServer):
    """An error about an element of the list always names the first one."""

    def after(self, request: Request, response: Response) -> None:
        message = response.peek.get("message")
        if request.creates and response.status == 400 and isinstance(message, str):
            response.body["message"] = re.sub(r"\[\d+\]", "[0]", message)


@group.before("refuses.subject_image_list.required")
def camel_case_is_read(request: Request) -> None:
    """subjectImageList is read as subject_image_list."""
    if request.creates and "subjectImageList" in request.peek:
        request.body["subject_image_list"] = request.body.pop("subjectImageList")
