"""Servers that refuse what is allowed."""

from __future__ import annotations

from typing import Final

from kling_contracts.gateways import COMETAPI, KLING
from kling_contracts.vocabulary import IMAGES_MAXIMUM, PROMPT_MAXIMUM
from tests.contracts.verify.faulty_servers.base import Group
from tests.contracts.verify.faulty_servers.messages import Request, as_object, subjects_in, text_in

group: Final = Group()
_LIMIT: Final = PROMPT_MAXIMUM.value


def _fits(prompt: str) -> bool:
    return 0 < len(prompt) <= _LIMIT


def _subjects(request: Request) -> list[str]:
    return [str(as_object(item).get("subject_image")) for item in subjects_in(request)]


@group.refusing("accepts.prompt.max_length")
def prompt_in_utf16(request: Request) -> bool:
    """The prompt is measured in UTF-16 units."""
    prompt = text_in(request, "prompt")
    return _fits(prompt) and len(prompt.encode("utf-16-le", "surrogatepass")) // 2 > _LIMIT


@group.refusing("accepts.prompt.max_length")
def prompt_in_bytes(request: Request) -> bool:
    """The prompt is measured in bytes."""
    prompt = text_in(request, "prompt")
    return _fits(prompt) and len(prompt.encode("utf-8", "surrogatepass")) > _LIMIT


@group.refusing("accepts.prompt.max_length")
def prompt_below_the_limit(request: Request) -> bool:
    """The prompt has to be shorter than the limit."""
    return len(text_in(request, "prompt")) == _LIMIT


@group.refusing("accepts.prompt.max_length")
def prompt_of_500(request: Request) -> bool:
    """The prompt has the limit of another route."""
    return 500 < len(text_in(request, "prompt")) <= _LIMIT


@group.refusing("accepts.prompt.max_length", also=("accepts.prompt.characters",))
def ascii_prompts(request: Request) -> bool:
    """The prompt has to be ASCII."""
    return _fits(text_in(request, "prompt")) and not text_in(request, "prompt").isascii()


@group.refusing("accepts.prompt.characters")
def no_control_characters(request: Request) -> bool:
    """Control characters are forbidden in a prompt."""
    return any(ord(character) < 32 for character in text_in(request, "prompt"))


@group.refusing("accepts.prompt.characters")
def no_nul(request: Request) -> bool:
    """A prompt goes into a column that takes no NUL."""
    return "\0" in text_in(request, "prompt")


@group.refusing("accepts.n.maximum")
def n_below_the_limit(request: Request) -> bool:
    """n has to be below its limit."""
    return request.peek.get("n") == IMAGES_MAXIMUM.value


@group.refusing("accepts.n.maximum")
def n_up_to_four(request: Request) -> bool:
    """n may be 4 at most."""
    given = request.peek.get("n")
    return type(given) is int and 4 < given <= IMAGES_MAXIMUM.value


@group.refusing("accepts.n.minimum")
def n_above_one(request: Request) -> bool:
    """n has to be above 1 where it is given."""
    return type(request.peek.get("n")) is int and request.peek["n"] == 1


@group.refusing("accepts.aspect_ratio.enum")
def seven_ratios(request: Request) -> bool:
    """21:9 is unknown, as on an older route."""
    return request.peek.get("aspect_ratio") == "21:9"


@group.refusing("accepts.aspect_ratio.enum")
def no_portrait(request: Request) -> bool:
    """2:3 is unknown."""
    return request.peek.get("aspect_ratio") == "2:3"


@group.refusing("accepts.model_name.enum")
def no_model_by_name(request: Request) -> bool:
    """The model kling-v2 is unknown."""
    return request.peek.get("model_name") == "kling-v2"


@group.refusing("accepts.model_name.enum", KLING)
def no_newer_model(request: Request) -> bool:
    """The model kling-v2-1 is unknown."""
    return request.peek.get("model_name") == "kling-v2-1"


@group.refusing("accepts.subject_image_list.items")
def three_subjects_at_most(request: Request) -> bool:
    """Four subjects are one too many."""
    return len(_subjects(request)) == 4


@group.refusing("accepts.subject_image_list.items", COMETAPI, also=("accepts.picture_forms",))
def no_three_subjects(request: Request) -> bool:
    """Subjects come in pairs."""
    return len(_subjects(request)) == 3


@group.refusing("accepts.valid")
def prompt_required(request: Request) -> bool:
    """The prompt is required."""
    return bool(_subjects(request)) and not request.peek.get("prompt")


@group.refusing("accepts.equal_pictures")
def equal_subjects(request: Request) -> bool:
    """Equal subjects count once."""
    found = _subjects(request)
    return len(set(found)) < len(found) <= 4


@group.refusing("accepts.picture_forms")
def no_urls(request: Request) -> bool:
    """Subjects have to be inline."""
    return 0 < len(_subjects(request)) <= 4 and any(
        it.startswith("https://example.com/subject") for it in _subjects(request)
    )


@group.refusing("accepts.picture_forms")
def no_style(request: Request) -> bool:
    """There is no style_image."""
    return bool(request.peek.get("style_image")) and len(str(request.peek["style_image"])) < 100_000


@group.refusing("accepts.empty_text")
def empty_texts(request: Request) -> bool:
    """An empty text is none that was given."""
    return request.peek.get("callback_url") == ""


@group.refusing("accepts.empty_text")
def empty_prompts(request: Request) -> bool:
    """The prompt, if there is one, is not empty."""
    return request.peek.get("prompt") == ""


@group.refusing("accepts.null")
def no_null(request: Request) -> bool:
    """null has the wrong type for a text."""
    return "prompt" in request.peek and request.peek["prompt"] is None


@group.refusing("accepts.null")
def no_null_anywhere(request: Request) -> bool:
    """null is a value like any other."""
    return any(value is None for name, value in request.peek.items() if name != "subject_image_list")


@group.refusing("accepts.unknown_fields")
def no_unknown_fields(request: Request) -> bool:
    """Unknown fields are an error."""
    return bool(request.peek) and not request.peek.keys() <= request.gateway.main.keys


@group.refusing("accepts.callback_url.url")
def secure_callbacks(request: Request) -> bool:
    """callback_url has to be https."""
    return str(request.peek.get("callback_url")).startswith("http://")


@group.refusing("accepts.callback_url.url")
def callbacks_without_ports(request: Request) -> bool:
    """callback_url may name no address of this machine."""
    return "127.0.0.1" in str(request.peek.get("callback_url"))


@group.refusing("accepts.external_task_id.type")
def plain_external_ids(request: Request) -> bool:
    """An external id has letters and digits alone."""
    given = text_in(request, "external_task_id")
    return bool(given) and not given.isalnum()


@group.refusing("accepts.valid", KLING)
def one_subject_is_none(request: Request) -> bool:
    """One subject is too few."""
    return len(_subjects(request)) == 1


@group.refusing("accepts.style_image.max_bytes", images=40)
def small_pictures(request: Request) -> bool:
    """Pictures may have five megabytes."""
    return 5_000_000 < len(str(request.peek.get("style_image", ""))) < 13_500_000
