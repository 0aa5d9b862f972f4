"""Servers that refuse valid requests."""

from __future__ import annotations

from typing import Final

from kling_contracts.gateways import COMETAPI, KLING
from kling_contracts.vocabulary import ASPECT_RATIOS, IMAGES_MAXIMUM, PROMPT_MAXIMUM
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
    """The length of the prompt is counted in UTF-16 units."""
    prompt = text_in(request, "prompt")
    return _fits(prompt) and len(prompt.encode("utf-16-le", "surrogatepass")) // 2 > _LIMIT


@group.refusing("accepts.prompt.max_length")
def prompt_in_bytes(request: Request) -> bool:
    """The length of the prompt is counted in bytes."""
    prompt = text_in(request, "prompt")
    return _fits(prompt) and len(prompt.encode("utf-8", "surrogatepass")) > _LIMIT


@group.refusing("accepts.prompt.max_length")
def prompt_below_the_limit(request: Request) -> bool:
    """The limit of the prompt is one too low."""
    return len(text_in(request, "prompt")) == _LIMIT


@group.refusing("accepts.prompt.max_length")
def prompt_of_500(request: Request) -> bool:
    """The prompt has the limit of another operation."""
    return 500 < len(text_in(request, "prompt")) <= _LIMIT


@group.refusing("accepts.prompt.max_length", also=("accepts.prompt.characters",))
def ascii_prompts(request: Request) -> bool:
    """The prompt must be ASCII."""
    return _fits(text_in(request, "prompt")) and not text_in(request, "prompt").isascii()


@group.refusing("accepts.prompt.characters")
def no_control_characters(request: Request) -> bool:
    """Control characters in a prompt are refused."""
    return any(ord(character) < 32 for character in text_in(request, "prompt"))


@group.refusing("accepts.prompt.characters")
def no_nul(request: Request) -> bool:
    """NUL in a prompt is refused."""
    return "\0" in text_in(request, "prompt")


@group.refusing("accepts.n.maximum")
def n_below_the_limit(request: Request) -> bool:
    """The maximum of n is one too low."""
    return request.peek.get("n") == IMAGES_MAXIMUM.value


@group.refusing("accepts.n.maximum")
def n_up_to_four(request: Request) -> bool:
    """The maximum of n is 4."""
    given = request.peek.get("n")
    return type(given) is int and 4 < given <= IMAGES_MAXIMUM.value


@group.refusing("accepts.n.minimum")
def n_above_one(request: Request) -> bool:
    """n = 1 is refused."""
    return type(request.peek.get("n")) is int and request.peek["n"] == 1


@group.refusing("accepts.aspect_ratio.enum")
def seven_ratios(request: Request) -> bool:
    """The aspect ratio 21:9 is refused."""
    return request.peek.get("aspect_ratio") == "21:9"


@group.refusing("accepts.aspect_ratio.enum")
def no_portrait(request: Request) -> bool:
    """The aspect ratio 2:3 is refused."""
    return request.peek.get("aspect_ratio") == "2:3"


@group.refusing("accepts.model_name.enum")
def no_model_by_name(request: Request) -> bool:
    """The model kling-v2 is refused."""
    return request.peek.get("model_name") == "kling-v2"


@group.refusing("accepts.model_name.enum", KLING)
def no_newer_model(request: Request) -> bool:
    """The model kling-v2-1 is refused."""
    return request.peek.get("model_name") == "kling-v2-1"


@group.refusing("accepts.subject_image_list.items")
def three_subjects_at_most(request: Request) -> bool:
    """Four subjects are refused."""
    return len(_subjects(request)) == 4


@group.refusing("accepts.subject_image_list.items", COMETAPI, also=("accepts.picture_forms",))
def no_three_subjects(request: Request) -> bool:
    """An odd number of subjects is refused."""
    return len(_subjects(request)) == 3


@group.refusing("accepts.valid")
def prompt_required(request: Request) -> bool:
    """The prompt is required."""
    return bool(_subjects(request)) and not request.peek.get("prompt")


@group.refusing("accepts.equal_pictures")
def equal_subjects(request: Request) -> bool:
    """Equal subjects are counted once."""
    found = _subjects(request)
    return len(set(found)) < len(found) <= 4


@group.refusing("accepts.picture_forms")
def no_urls(request: Request) -> bool:
    """Subjects by URL are refused."""
    return 0 < len(_subjects(request)) <= 4 and any(
        it.startswith("https://example.com/subject") for it in _subjects(request)
    )


@group.refusing("accepts.picture_forms")
def no_style(request: Request) -> bool:
    """style_image is refused."""
    return bool(request.peek.get("style_image")) and len(str(request.peek["style_image"])) < 100_000


@group.refusing("accepts.empty_text")
def empty_texts(request: Request) -> bool:
    """An empty callback_url is refused."""
    return request.peek.get("callback_url") == ""


@group.refusing("accepts.empty_text")
def empty_prompts(request: Request) -> bool:
    """An empty prompt is refused."""
    return request.peek.get("prompt") == ""


@group.refusing("accepts.null")
def no_null(request: Request) -> bool:
    """null as prompt is refused."""
    return "prompt" in request.peek and request.peek["prompt"] is None


@group.refusing("accepts.null")
def no_null_anywhere(request: Request) -> bool:
    """null in optional fields is refused."""
    return any(value is None for name, value in request.peek.items() if name != "subject_image_list")


@group.refusing("accepts.unknown_fields")
def no_unknown_fields(request: Request) -> bool:
    """Unknown fields are refused."""
    return bool(request.peek) and not request.peek.keys() <= request.gateway.main.keys


@group.before("accepts.unknown_fields")
def camel_case(request: Request) -> None:
    """callbackUrl is read as callback_url."""
    if request.creates and "callbackUrl" in request.peek:
        request.body.setdefault("callback_url", request.peek["callbackUrl"])


@group.before("accepts.unknown_fields")
def any_case(request: Request) -> None:
    """The names of optional fields are compared case-insensitively."""
    optional = {field.name.upper() for field in request.gateway.main.fields if not field.required}
    for name in optional & request.peek.keys() if request.creates else ():
        request.body.setdefault(name.lower(), request.peek[name])


@group.refusing("accepts.callback_url.url")
def secure_callbacks(request: Request) -> bool:
    """A callback_url with http is refused."""
    return str(request.peek.get("callback_url")).startswith("http://")


@group.refusing("accepts.callback_url.url")
def callbacks_without_ports(request: Request) -> bool:
    """A callback_url on a loopback address is refused."""
    return "127.0.0.1" in str(request.peek.get("callback_url"))


@group.refusing("accepts.external_task_id.type")
def plain_external_ids(request: Request) -> bool:
    """External ids with punctuation are refused, unless they are in another alphabet."""
    given = text_in(request, "external_task_id")
    return given.isascii() and bool(given) and not given.isalnum()


@group.refusing("accepts.external_task_id.characters")
def ascii_external_ids(request: Request) -> bool:
    """External ids must be ASCII."""
    return not text_in(request, "external_task_id").isascii()


@group.refusing("accepts.valid", KLING)
def one_subject_is_none(request: Request) -> bool:
    """One subject is refused."""
    return len(_subjects(request)) == 1


@group.refusing("accepts.style_image.max_bytes", images=40)
def small_pictures(request: Request) -> bool:
    """Images above five megabytes are refused."""
    return 5_000_000 < len(str(request.peek.get("style_image", ""))) < 13_500_000


@group.before("refuses.prompt.max_length")
def long_prompt_with_a_style(request: Request) -> None:
    """A prompt that is too long is cut together with a style image."""
    prompt = request.peek.get("prompt")
    if request.creates and isinstance(prompt, str) and request.peek.get("style_image"):
        request.body["prompt"] = prompt[:2500]


@group.before("refuses.n.maximum")
def many_images_with_a_ratio(request: Request) -> None:
    """An n that is too large is reduced together with an aspect ratio."""
    number = request.peek.get("n")
    if not request.creates or not request.peek.get("aspect_ratio"):
        return
    if isinstance(number, int | float) and number > 9:
        request.body["n"] = 9


@group.before("refuses.aspect_ratio.enum")
def any_ratio_with_a_prompt(request: Request) -> None:
    """An unknown aspect ratio is replaced together with a prompt."""
    ratio = request.peek.get("aspect_ratio")
    known = ASPECT_RATIOS.value
    if not request.creates or not request.peek.get("prompt"):
        return
    if isinstance(ratio, str) and ratio and ratio not in known:
        request.body["aspect_ratio"] = known[0]
