"""Servers that take for a word, or for a URL, what nearly is one."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from kling_contracts.fields import Choice
from kling_contracts.vocabulary import ASPECT_RATIOS
from kling_contracts.witnesses.message import Ask, text_in
from kling_contracts.witnesses.witness import Group

group: Final = Group()


def _ratio(ask: Ask, option: str) -> None:
    if option in ASPECT_RATIOS.value:
        ask.body["aspect_ratio"] = option


@group.before("refuses.aspect_ratio.enum")
def trims_the_ratio(ask: Ask) -> None:
    """Blanks around a ratio do not matter."""
    _ratio(ask, text_in(ask, "aspect_ratio").strip())


@group.before("refuses.aspect_ratio.enum")
def blanks_in_the_ratio(ask: Ask) -> None:
    """Blanks in a ratio do not matter."""
    _ratio(ask, text_in(ask, "aspect_ratio").replace(" ", ""))


@group.before("refuses.aspect_ratio.enum")
def normalises_the_ratio(ask: Ask) -> None:
    """A ratio in wide digits and signs counts as the usual one."""
    _ratio(ask, unicodedata.normalize("NFKC", text_in(ask, "aspect_ratio")))


@group.before("refuses.aspect_ratio.enum")
def other_signs_in_the_ratio(ask: Ask) -> None:
    """16x9 counts as 16:9."""
    _ratio(ask, text_in(ask, "aspect_ratio").replace("x", ":"))


@group.before("refuses.aspect_ratio.enum")
def any_ratio(ask: Ask) -> None:
    """Whatever looks like a ratio is one."""
    if re.fullmatch(r"\d+:\d+", text_in(ask, "aspect_ratio")):
        ask.body["aspect_ratio"] = (
            "16:9" if ask.peek["aspect_ratio"] not in ASPECT_RATIOS.value else ask.peek["aspect_ratio"]
        )


@group.before("refuses.aspect_ratio.enum")
def unknown_ratio_is_default(ask: Ask) -> None:
    """An unknown ratio is replaced by 16:9."""
    if (given := text_in(ask, "aspect_ratio")) and given not in ASPECT_RATIOS.value:
        ask.body["aspect_ratio"] = "16:9"


@group.before("refuses.aspect_ratio.enum")
def mirrored_ratio(ask: Ask) -> None:
    """Every ratio may be turned round, 9:21 too."""
    if text_in(ask, "aspect_ratio") == "9:21":
        ask.body["aspect_ratio"] = "21:9"


@group.before("refuses.aspect_ratio.enum")
def matches_a_prefix(ask: Ask) -> None:
    """A ratio has to begin like one of the eight."""
    given = text_in(ask, "aspect_ratio")
    for option in ASPECT_RATIOS.value:
        if given != option and given.startswith(option):
            ask.body["aspect_ratio"] = option


@group.before("refuses.aspect_ratio.type")
def ratio_in_a_list(ask: Ask) -> None:
    """A ratio that is no text is left out."""
    if ask.creates and isinstance(ask.peek.get("aspect_ratio"), list | dict | int | float):
        del ask.body["aspect_ratio"]


def _models(ask: Ask) -> tuple[str, ...]:
    field = ask.gateway.main.field("model_name")
    return field.options.value if isinstance(field, Choice) else ()


@group.before("refuses.model_name.enum")
def model_in_any_case(ask: Ask) -> None:
    """KLING-V2 is kling-v2."""
    if (given := text_in(ask, "model_name").lower()) in _models(ask):
        ask.body["model_name"] = given


@group.before("refuses.model_name.enum")
def model_by_its_beginning(ask: Ask) -> None:
    """A model has to begin with the name of one."""
    given = text_in(ask, "model_name")
    if given not in _models(ask) and given.startswith(_models(ask)):
        ask.body["model_name"] = _models(ask)[0]


@group.before("refuses.model_name.enum")
def trims_the_model(ask: Ask) -> None:
    """Blanks around a model do not matter."""
    if (given := text_in(ask, "model_name").strip()) in _models(ask):
        ask.body["model_name"] = given


@group.before("refuses.model_name.type")
def model_of_any_type(ask: Ask) -> None:
    """A model that is no text is the usual one."""
    if ask.creates and ask.peek.get("model_name") is not None and not isinstance(ask.peek["model_name"], str):
        del ask.body["model_name"]


@group.before("refuses.callback_url.url")
def callbacks_by_any_scheme(ask: Ask) -> None:
    """The scheme of callback_url is not looked at."""
    if re.match("[a-z]+://[a-z]", given := text_in(ask, "callback_url")) and not given.startswith("http"):
        del ask.body["callback_url"]


@group.before("refuses.callback_url.url")
def callbacks_by_their_beginning(ask: Ask) -> None:
    """callback_url has to begin with http."""
    given = text_in(ask, "callback_url")
    if given.startswith("http") and "/callback/" not in given:
        del ask.body["callback_url"]


@group.before("refuses.callback_url.url")
def relative_callbacks(ask: Ask) -> None:
    """callback_url may be a path."""
    if text_in(ask, "callback_url").startswith("/"):
        del ask.body["callback_url"]


@group.before("refuses.callback_url.url")
def trims_the_callback(ask: Ask) -> None:
    """Blanks around callback_url do not matter."""
    if given := text_in(ask, "callback_url"):
        ask.body["callback_url"] = given.strip()
