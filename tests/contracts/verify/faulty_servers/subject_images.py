"""Servers that check subjects and pictures, but not all of them, or not strictly."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Final

from kling_contracts.gateways import COMETAPI
from tests.contracts.verify.faulty_servers.base import Group
from tests.contracts.verify.faulty_servers.forgotten_rules import repair
from tests.contracts.verify.faulty_servers.messages import Object, Request, as_object, subjects_in, text_in

group: Final = Group()


@group.before("refuses.subject_image_list.max_items")
def one_subject_too_many(request: Request) -> None:
    """The limit of the subjects is one too high."""
    if len(subjects_in(request)) == 5:
        repair(request.gateway, request.body, "subject_image_list")


@group.before("refuses.subject_image_list.max_items")
def cuts_the_subjects(request: Request) -> None:
    """Subjects beyond the fourth are dropped."""
    if len(items := subjects_in(request)) > 4:
        request.body["subject_image_list"] = items[:4]


@group.before("refuses.subject_image_list.min_items", COMETAPI)
def one_subject_is_enough(request: Request) -> None:
    """One subject is enough, as for Kling itself."""
    if len(items := subjects_in(request)) == 1:
        request.body["subject_image_list"] = items * 2


@group.before("refuses.subject_image_list.item_type")
def texts_as_subjects(request: Request) -> None:
    """A subject may be a bare URL."""
    for at, item in enumerate(subjects_in(request)):
        if isinstance(item, str):
            request.body["subject_image_list"][at] = {"subject_image": item}  # type: ignore[index]  # subjects_in found a list


@group.before("refuses.subject_image_list.item_type")
def skips_what_is_no_subject(request: Request) -> None:
    """What is no object, behind the first element, is skipped."""
    items = subjects_in(request)
    if len(items) > 1 and isinstance(items[0], dict):
        request.body["subject_image_list"] = [it if isinstance(it, dict) else items[0] for it in items]


@group.before("refuses.subject_image_list.type")
def one_subject_without_a_list(request: Request) -> None:
    """An object may stand where the array is due."""
    if request.creates and isinstance(request.peek.get("subject_image_list"), dict):
        repair(request.gateway, request.body, "subject_image_list")


@group.before("refuses.subject_image_list.type")
def list_in_a_text(request: Request) -> None:
    """The array may come as a text."""
    if text_in(request, "subject_image_list"):
        repair(request.gateway, request.body, "subject_image_list")


@group.before("refuses.subject_image_list.required")
def empty_list(request: Request) -> None:
    """An empty array is as good as any."""
    if request.creates and request.peek.get("subject_image_list") == []:
        repair(request.gateway, request.body, "subject_image_list")


@group.before("refuses.subject_image_list.required")
def null_for_the_list(request: Request) -> None:
    """null may stand where the array is due."""
    if (
        request.creates
        and "subject_image_list" in request.peek
        and request.peek["subject_image_list"] is None
    ):
        repair(request.gateway, request.body, "subject_image_list")


def _pictures(request: Request) -> Iterator[tuple[int, Object]]:
    """The subjects that have a picture in a text, to be changed."""
    for at, item in enumerate(subjects_in(request)):
        entry = as_object(item)
        if isinstance(entry.get("subject_image"), str) and request.body:
            yield at, entry


@group.before("refuses.subject_image.required")
def looks_at_the_first_only(request: Request) -> None:
    """Elements behind the first may be empty."""
    items = subjects_in(request)
    for item in items[1:]:
        entry = as_object(item)
        if isinstance(item, dict) and not entry.get("subject_image") and request.body:
            entry["subject_image"] = as_object(items[0]).get("subject_image")


@group.before("refuses.subject_image.required")
def empty_text_for_a_subject(request: Request) -> None:
    """The empty text is a picture."""
    items = subjects_in(request)
    for item in items:
        if as_object(item).get("subject_image") == "" and request.body:
            as_object(item)["subject_image"] = "https://example.com/a.png"


@group.before("refuses.subject_image.base64", also={"outcomes.subject_image.min_side"})
def last_subject_unseen(request: Request) -> None:
    """The last subject is not looked at, neither its base64 nor its size."""
    items = subjects_in(request)
    for at, entry in _pictures(request):
        text = str(entry["subject_image"])
        if at == len(items) - 1 and not text.startswith("http") and len(text) < 13_000_000:
            entry["subject_image"] = "https://example.com/a.png"


@group.before("refuses.subject_image.base64")
def data_urls(request: Request) -> None:
    """A data URL is taken for what follows its comma."""
    for _, entry in _pictures(request):
        entry["subject_image"] = re.sub("^data:[^,]*,", "", str(entry["subject_image"]))


@group.before("refuses.subject_image.base64")
def blanks_in_base64(request: Request) -> None:
    """White space in base64 is skipped."""
    for _, entry in _pictures(request):
        if not str(entry["subject_image"]).startswith("http"):
            entry["subject_image"] = "".join(str(entry["subject_image"]).split())


@group.before("refuses.subject_image.base64")
def padding_is_optional(request: Request) -> None:
    """Padding that is missing is added."""
    for _, entry in _pictures(request):
        text = str(entry["subject_image"])
        if not text.startswith("http") and len(text) % 4 in (2, 3):
            entry["subject_image"] = text + "=" * (-len(text) % 4)


@group.before("refuses.style_image.base64")
def url_alphabet(request: Request) -> None:
    """The URL alphabet of base64 is taken as well."""
    if (text := text_in(request, "style_image")) and not text.startswith("http"):
        request.body["style_image"] = text.replace("-", "+").replace("_", "/")


@group.before("refuses.style_image.base64")
def lenient_base64(request: Request) -> None:
    """What is no sign of base64 is skipped."""
    text = text_in(request, "style_image")
    if text and not text.startswith("http"):
        try:
            base64.b64decode(text, validate=True)
        except ValueError:
            repair(request.gateway, request.body, "style_image")


@group.before("refuses.subject_image.url")
def urls_by_their_scheme(request: Request) -> None:
    """What begins like a URL is one."""
    for _, entry in _pictures(request):
        if str(entry["subject_image"]).startswith("http"):
            entry["subject_image"] = "https://example.com/a.png"


@group.before("refuses.subject_image.type")
def numbers_as_pictures(request: Request) -> None:
    """A picture that is a number is a picture."""
    for item in subjects_in(request):
        if type(as_object(item).get("subject_image")) is int and request.body:
            as_object(item)["subject_image"] = "https://example.com/a.png"


@group.before("refuses.subject_image.max_bytes")
def subjects_of_any_size(request: Request) -> None:
    """Only scene and style have a limit."""
    for _, entry in _pictures(request):
        if len(str(entry["subject_image"])) > 13_000_000:
            entry["subject_image"] = "https://example.com/a.png"
