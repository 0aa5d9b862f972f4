"""Servers that refuse what is allowed."""

from __future__ import annotations

from typing import Final

from kling_contracts.gateways import COMETAPI, KLING
from kling_contracts.vocabulary import IMAGES_MAXIMUM, PROMPT_MAXIMUM
from kling_contracts.witnesses.message import Ask, as_object, subjects_in, text_in
from kling_contracts.witnesses.witness import Group

group: Final = Group()
_LIMIT: Final = PROMPT_MAXIMUM.value


def _fits(prompt: str) -> bool:
    return 0 < len(prompt) <= _LIMIT


def _subjects(ask: Ask) -> list[str]:
    return [str(as_object(item).get("subject_image")) for item in subjects_in(ask)]


@group.refusing("accepts.prompt.max_length")
def prompt_in_utf16(ask: Ask) -> bool:
    """The prompt is measured in UTF-16 units."""
    prompt = text_in(ask, "prompt")
    return _fits(prompt) and len(prompt.encode("utf-16-le", "surrogatepass")) // 2 > _LIMIT


@group.refusing("accepts.prompt.max_length")
def prompt_in_bytes(ask: Ask) -> bool:
    """The prompt is measured in bytes."""
    prompt = text_in(ask, "prompt")
    return _fits(prompt) and len(prompt.encode("utf-8", "surrogatepass")) > _LIMIT


@group.refusing("accepts.prompt.max_length")
def prompt_below_the_limit(ask: Ask) -> bool:
    """The prompt has to be shorter than the limit."""
    return len(text_in(ask, "prompt")) == _LIMIT


@group.refusing("accepts.prompt.max_length")
def prompt_of_500(ask: Ask) -> bool:
    """The prompt has the limit of another route."""
    return 500 < len(text_in(ask, "prompt")) <= _LIMIT


@group.refusing("accepts.prompt.max_length", also=("accepts.prompt.characters",))
def ascii_prompts(ask: Ask) -> bool:
    """The prompt has to be ASCII."""
    return _fits(text_in(ask, "prompt")) and not text_in(ask, "prompt").isascii()


@group.refusing("accepts.prompt.characters")
def no_control_characters(ask: Ask) -> bool:
    """Control characters are forbidden in a prompt."""
    return any(ord(character) < 32 for character in text_in(ask, "prompt"))


@group.refusing("accepts.prompt.characters")
def no_nul(ask: Ask) -> bool:
    """A prompt goes into a column that takes no NUL."""
    return "\0" in text_in(ask, "prompt")


@group.refusing("accepts.n.maximum")
def n_below_the_limit(ask: Ask) -> bool:
    """n has to be below its limit."""
    return ask.peek.get("n") == IMAGES_MAXIMUM.value


@group.refusing("accepts.n.maximum")
def n_up_to_four(ask: Ask) -> bool:
    """n may be 4 at most."""
    given = ask.peek.get("n")
    return type(given) is int and 4 < given <= IMAGES_MAXIMUM.value


@group.refusing("accepts.n.minimum")
def n_above_one(ask: Ask) -> bool:
    """n has to be above 1 where it is given."""
    return type(ask.peek.get("n")) is int and ask.peek["n"] == 1


@group.refusing("accepts.aspect_ratio.enum")
def seven_ratios(ask: Ask) -> bool:
    """21:9 is unknown, as on an older route."""
    return ask.peek.get("aspect_ratio") == "21:9"


@group.refusing("accepts.aspect_ratio.enum")
def no_portrait(ask: Ask) -> bool:
    """2:3 is unknown."""
    return ask.peek.get("aspect_ratio") == "2:3"


@group.refusing("accepts.model_name.enum")
def no_model_by_name(ask: Ask) -> bool:
    """The model kling-v2 is unknown."""
    return ask.peek.get("model_name") == "kling-v2"


@group.refusing("accepts.model_name.enum", KLING)
def no_newer_model(ask: Ask) -> bool:
    """The model kling-v2-1 is unknown."""
    return ask.peek.get("model_name") == "kling-v2-1"


@group.refusing("accepts.subject_image_list.items")
def three_subjects_at_most(ask: Ask) -> bool:
    """Four subjects are one too many."""
    return len(_subjects(ask)) == 4


@group.refusing("accepts.subject_image_list.items", COMETAPI, also=("accepts.picture_forms",))
def no_three_subjects(ask: Ask) -> bool:
    """Subjects come in pairs."""
    return len(_subjects(ask)) == 3


@group.refusing("accepts.valid")
def prompt_required(ask: Ask) -> bool:
    """The prompt is required."""
    return bool(_subjects(ask)) and not ask.peek.get("prompt")


@group.refusing("accepts.equal_pictures")
def equal_subjects(ask: Ask) -> bool:
    """Equal subjects count once."""
    found = _subjects(ask)
    return len(set(found)) < len(found) <= 4


@group.refusing("accepts.picture_forms")
def no_urls(ask: Ask) -> bool:
    """Subjects have to be inline."""
    return 0 < len(_subjects(ask)) <= 4 and any(
        it.startswith("https://example.com/subject") for it in _subjects(ask)
    )


@group.refusing("accepts.picture_forms")
def no_style(ask: Ask) -> bool:
    """There is no style_image."""
    return bool(ask.peek.get("style_image")) and len(str(ask.peek["style_image"])) < 100_000


@group.refusing("accepts.empty_text")
def empty_texts(ask: Ask) -> bool:
    """An empty text is none that was given."""
    return ask.peek.get("callback_url") == ""


@group.refusing("accepts.empty_text")
def empty_prompts(ask: Ask) -> bool:
    """The prompt, if there is one, is not empty."""
    return ask.peek.get("prompt") == ""


@group.refusing("accepts.null")
def no_null(ask: Ask) -> bool:
    """null has the wrong type for a text."""
    return "prompt" in ask.peek and ask.peek["prompt"] is None


@group.refusing("accepts.null")
def no_null_anywhere(ask: Ask) -> bool:
    """null is a value like any other."""
    return any(value is None for name, value in ask.peek.items() if name != "subject_image_list")


@group.refusing("accepts.unknown_fields")
def no_unknown_fields(ask: Ask) -> bool:
    """Unknown fields are an error."""
    return bool(ask.peek) and not ask.peek.keys() <= ask.gateway.main.keys


@group.refusing("accepts.callback_url.url")
def secure_callbacks(ask: Ask) -> bool:
    """callback_url has to be https."""
    return str(ask.peek.get("callback_url")).startswith("http://")


@group.refusing("accepts.callback_url.url")
def callbacks_without_ports(ask: Ask) -> bool:
    """callback_url may name no address of this machine."""
    return "127.0.0.1" in str(ask.peek.get("callback_url"))


@group.refusing("accepts.external_task_id.type")
def plain_external_ids(ask: Ask) -> bool:
    """An external id has letters and digits alone."""
    given = text_in(ask, "external_task_id")
    return bool(given) and not given.isalnum()


@group.refusing("accepts.valid", KLING)
def one_subject_is_none(ask: Ask) -> bool:
    """One subject is too few."""
    return len(_subjects(ask)) == 1


@group.refusing("accepts.style_image.max_bytes", images=40)
def small_pictures(ask: Ask) -> bool:
    """Pictures may have five megabytes."""
    return 5_000_000 < len(str(ask.peek.get("style_image", ""))) < 13_500_000
