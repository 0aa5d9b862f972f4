"""Servers that accept values similar to an enum value or a URL."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from kling_contracts.fields import Choice
from kling_contracts.vocabulary import ASPECT_RATIOS
from tests.contracts.verify.faulty_servers.base import Group
from tests.contracts.verify.faulty_servers.messages import Request, text_in

group: Final = Group()


def _ratio(request: Request, option: str) -> None:
    if option in ASPECT_RATIOS.value:
        request.body["aspect_ratio"] = option


def _two_ratios(request: Request) -> list[str]:
    """The aspect ratios of a create that gives two."""
    found = re.findall(rb'"aspect_ratio": "([^"]+)"', request.raw) if request.creates else []
    return [each.decode() for each in found] if len(found) == 2 else []


@group.before("requests.repeated_name", images=40)
def uses_the_first(request: Request) -> None:
    """Of a field that is given twice, the last value is validated and the first one is used."""
    ratios = _two_ratios(request)
    if ratios and ratios[1] in ASPECT_RATIOS.value:
        request.body["aspect_ratio"] = "16:9"  # for the invalid one


@group.before("requests.repeated_name", images=40)
def uses_the_last(request: Request) -> None:
    """Of a field that is given twice, the first value is validated and the last one is used."""
    ratios = _two_ratios(request)
    if ratios:
        request.body["aspect_ratio"] = "16:9" if ratios[0] in ASPECT_RATIOS.value else ratios[0]


@group.before("requests.repeated_name", images=40)
def takes_any(request: Request) -> None:
    """A field that is given twice is valid if one of its values is."""
    for ratio in _two_ratios(request):
        _ratio(request, ratio)


@group.before("refuses.aspect_ratio.enum")
def trims_the_ratio(request: Request) -> None:
    """Blanks around the aspect ratio are ignored."""
    _ratio(request, text_in(request, "aspect_ratio").strip())


@group.before("refuses.aspect_ratio.enum")
def blanks_in_the_ratio(request: Request) -> None:
    """Blanks inside the aspect ratio are ignored."""
    _ratio(request, text_in(request, "aspect_ratio").replace(" ", ""))


@group.before("refuses.aspect_ratio.enum")
def normalises_the_ratio(request: Request) -> None:
    """An aspect ratio in full-width characters is accepted."""
    _ratio(request, unicodedata.normalize("NFKC", text_in(request, "aspect_ratio")))


@group.before("refuses.aspect_ratio.enum")
def other_signs_in_the_ratio(request: Request) -> None:
    """16x9 is accepted as 16:9."""
    _ratio(request, text_in(request, "aspect_ratio").replace("x", ":"))


@group.before("refuses.aspect_ratio.enum")
def any_ratio(request: Request) -> None:
    """Any text of the form digits:digits is accepted as aspect ratio."""
    if re.fullmatch(r"\d+:\d+", text_in(request, "aspect_ratio")):
        request.body["aspect_ratio"] = (
            "16:9"
            if request.peek["aspect_ratio"] not in ASPECT_RATIOS.value
            else request.peek["aspect_ratio"]
        )


@group.before("refuses.aspect_ratio.enum")
def unknown_ratio_is_default(request: Request) -> None:
    """An unknown aspect ratio is replaced by 16:9."""
    if (given := text_in(request, "aspect_ratio")) and given not in ASPECT_RATIOS.value:
        request.body["aspect_ratio"] = "16:9"


@group.before("refuses.aspect_ratio.enum")
def mirrored_ratio(request: Request) -> None:
    """The inverted aspect ratio 9:21 is accepted."""
    if text_in(request, "aspect_ratio") == "9:21":
        request.body["aspect_ratio"] = "21:9"


@group.before("refuses.aspect_ratio.enum")
def matches_a_prefix(request: Request) -> None:
    """Any text that begins with an aspect ratio is accepted."""
    given = text_in(request, "aspect_ratio")
    for option in ASPECT_RATIOS.value:
        if given != option and given.startswith(option):
            request.body["aspect_ratio"] = option


@group.before("refuses.aspect_ratio.type")
def ratio_in_a_list(request: Request) -> None:
    """An aspect ratio that is not a string is ignored."""
    if request.creates and isinstance(request.peek.get("aspect_ratio"), list | dict | int | float):
        del request.body["aspect_ratio"]


def _models(request: Request) -> tuple[str, ...]:
    field = request.gateway.main.field("model_name")
    return field.options.value if isinstance(field, Choice) else ()


@group.before("refuses.model_name.enum")
def model_in_any_case(request: Request) -> None:
    """Model names are compared case-insensitively."""
    if (given := text_in(request, "model_name").lower()) in _models(request):
        request.body["model_name"] = given


@group.before("refuses.model_name.enum")
def model_by_its_beginning(request: Request) -> None:
    """Any text that begins with a model name is accepted."""
    given = text_in(request, "model_name")
    if given not in _models(request) and given.startswith(_models(request)):
        request.body["model_name"] = _models(request)[0]


@group.before("refuses.model_name.enum")
def trims_the_model(request: Request) -> None:
    """Blanks around a model name are ignored."""
    if (given := text_in(request, "model_name").strip()) in _models(request):
        request.body["model_name"] = given


@group.before("refuses.model_name.type")
def model_of_any_type(request: Request) -> None:
    """A model name that is not a string is replaced by the default."""
    if (
        request.creates
        and request.peek.get("model_name") is not None
        and not isinstance(request.peek["model_name"], str)
    ):
        del request.body["model_name"]


@group.before("refuses.callback_url.url")
def callbacks_by_any_scheme(request: Request) -> None:
    """The scheme of callback_url is not checked."""
    if re.match("[a-z]+://[a-z]", given := text_in(request, "callback_url")) and not given.startswith("http"):
        del request.body["callback_url"]


@group.before("refuses.callback_url.url")
def callbacks_by_their_beginning(request: Request) -> None:
    """Any callback_url that begins with http is accepted."""
    given = text_in(request, "callback_url")
    if given.startswith("http") and "/callback/" not in given:
        del request.body["callback_url"]


@group.before("refuses.callback_url.url")
def relative_callbacks(request: Request) -> None:
    """A path is accepted as callback_url."""
    if text_in(request, "callback_url").startswith("/"):
        del request.body["callback_url"]


@group.before("refuses.callback_url.url")
def trims_the_callback(request: Request) -> None:
    """Blanks around callback_url are ignored."""
    if given := text_in(request, "callback_url"):
        request.body["callback_url"] = given.strip()
