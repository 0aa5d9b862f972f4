"""Servers that take for a word, or for a URL, what nearly is one."""

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


@group.before("refuses.aspect_ratio.enum")
def trims_the_ratio(request: Request) -> None:
    """Blanks around a ratio do not matter."""
    _ratio(request, text_in(request, "aspect_ratio").strip())


@group.before("refuses.aspect_ratio.enum")
def blanks_in_the_ratio(request: Request) -> None:
    """Blanks in a ratio do not matter."""
    _ratio(request, text_in(request, "aspect_ratio").replace(" ", ""))


@group.before("refuses.aspect_ratio.enum")
def normalises_the_ratio(request: Request) -> None:
    """A ratio in wide digits and signs counts as the usual one."""
    _ratio(request, unicodedata.normalize("NFKC", text_in(request, "aspect_ratio")))


@group.before("refuses.aspect_ratio.enum")
def other_signs_in_the_ratio(request: Request) -> None:
    """16x9 counts as 16:9."""
    _ratio(request, text_in(request, "aspect_ratio").replace("x", ":"))


@group.before("refuses.aspect_ratio.enum")
def any_ratio(request: Request) -> None:
    """Whatever looks like a ratio is one."""
    if re.fullmatch(r"\d+:\d+", text_in(request, "aspect_ratio")):
        request.body["aspect_ratio"] = (
            "16:9"
            if request.peek["aspect_ratio"] not in ASPECT_RATIOS.value
            else request.peek["aspect_ratio"]
        )


@group.before("refuses.aspect_ratio.enum")
def unknown_ratio_is_default(request: Request) -> None:
    """An unknown ratio is replaced by 16:9."""
    if (given := text_in(request, "aspect_ratio")) and given not in ASPECT_RATIOS.value:
        request.body["aspect_ratio"] = "16:9"


@group.before("refuses.aspect_ratio.enum")
def mirrored_ratio(request: Request) -> None:
    """Every ratio may be turned round, 9:21 too."""
    if text_in(request, "aspect_ratio") == "9:21":
        request.body["aspect_ratio"] = "21:9"


@group.before("refuses.aspect_ratio.enum")
def matches_a_prefix(request: Request) -> None:
    """A ratio has to begin like one of the eight."""
    given = text_in(request, "aspect_ratio")
    for option in ASPECT_RATIOS.value:
        if given != option and given.startswith(option):
            request.body["aspect_ratio"] = option


@group.before("refuses.aspect_ratio.type")
def ratio_in_a_list(request: Request) -> None:
    """A ratio that is no text is left out."""
    if request.creates and isinstance(request.peek.get("aspect_ratio"), list | dict | int | float):
        del request.body["aspect_ratio"]


def _models(request: Request) -> tuple[str, ...]:
    field = request.gateway.main.field("model_name")
    return field.options.value if isinstance(field, Choice) else ()


@group.before("refuses.model_name.enum")
def model_in_any_case(request: Request) -> None:
    """KLING-V2 is kling-v2."""
    if (given := text_in(request, "model_name").lower()) in _models(request):
        request.body["model_name"] = given


@group.before("refuses.model_name.enum")
def model_by_its_beginning(request: Request) -> None:
    """A model has to begin with the name of one."""
    given = text_in(request, "model_name")
    if given not in _models(request) and given.startswith(_models(request)):
        request.body["model_name"] = _models(request)[0]


@group.before("refuses.model_name.enum")
def trims_the_model(request: Request) -> None:
    """Blanks around a model do not matter."""
    if (given := text_in(request, "model_name").strip()) in _models(request):
        request.body["model_name"] = given


@group.before("refuses.model_name.type")
def model_of_any_type(request: Request) -> None:
    """A model that is no text is the usual one."""
    if (
        request.creates
        and request.peek.get("model_name") is not None
        and not isinstance(request.peek["model_name"], str)
    ):
        del request.body["model_name"]


@group.before("refuses.callback_url.url")
def callbacks_by_any_scheme(request: Request) -> None:
    """The scheme of callback_url is not looked at."""
    if re.match("[a-z]+://[a-z]", given := text_in(request, "callback_url")) and not given.startswith("http"):
        del request.body["callback_url"]


@group.before("refuses.callback_url.url")
def callbacks_by_their_beginning(request: Request) -> None:
    """callback_url has to begin with http."""
    given = text_in(request, "callback_url")
    if given.startswith("http") and "/callback/" not in given:
        del request.body["callback_url"]


@group.before("refuses.callback_url.url")
def relative_callbacks(request: Request) -> None:
    """callback_url may be a path."""
    if text_in(request, "callback_url").startswith("/"):
        del request.body["callback_url"]


@group.before("refuses.callback_url.url")
def trims_the_callback(request: Request) -> None:
    """Blanks around callback_url do not matter."""
    if given := text_in(request, "callback_url"):
        request.body["callback_url"] = given.strip()
