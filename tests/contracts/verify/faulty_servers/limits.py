"""Servers that validate lengths and numbers inexactly, or depending on earlier requests."""

from __future__ import annotations

import unicodedata
from typing import Final

from kling_contracts.vocabulary import ASPECT_RATIOS, IMAGES_MAXIMUM, PROMPT_MAXIMUM
from tests.contracts.verify.faulty_servers.base import Behind, FaultyServer, Group
from tests.contracts.verify.faulty_servers.messages import Request, Response, text_in

group: Final = Group()
_LIMIT: Final = PROMPT_MAXIMUM.value
_MOST: Final = IMAGES_MAXIMUM.value


@group.before("refuses.prompt.max_length")
def trims_the_prompt(request: Request) -> None:
    """The prompt is stripped before its length is checked."""
    if len(prompt := text_in(request, "prompt")) > _LIMIT:
        request.body["prompt"] = prompt.strip()


@group.before("refuses.prompt.max_length")
def cuts_the_prompt(request: Request) -> None:
    """A prompt that is too long is truncated."""
    if len(prompt := text_in(request, "prompt")) > _LIMIT:
        request.body["prompt"] = prompt[:_LIMIT]


@group.before("refuses.prompt.max_length")
def prompt_off_by_one(request: Request) -> None:
    """The limit of the prompt is one too high."""
    if len(prompt := text_in(request, "prompt")) == _LIMIT + 1:
        request.body["prompt"] = prompt[:_LIMIT]


@group.before("refuses.prompt.max_length")
def composes_the_prompt(request: Request) -> None:
    """The prompt is normalised (NFC) before its length is checked."""
    if len(prompt := text_in(request, "prompt")) > _LIMIT:
        request.body["prompt"] = unicodedata.normalize("NFC", prompt)


@group.before("refuses.prompt.max_length")
def counts_what_is_seen(request: Request) -> None:
    """Combining marks and joiners are not counted."""
    if len(prompt := text_in(request, "prompt")) > _LIMIT:
        request.body["prompt"] = "".join(
            c for c in prompt if not unicodedata.category(c).startswith(("M", "Cf"))
        )


@group.before("refuses.prompt.type")
def prompt_to_text(request: Request) -> None:
    """A prompt of another type is converted to a string."""
    if request.creates and not isinstance(request.peek.get("prompt", ""), str | None):
        request.body["prompt"] = str(request.peek["prompt"])


@group.before("refuses.prompt.type")
def numbers_as_prompts(request: Request) -> None:
    """A number is accepted as prompt."""
    if request.creates and type(request.peek.get("prompt")) in (int, float):
        request.body["prompt"] = str(request.peek["prompt"])


@group.before("refuses.prompt.unicode")
def replaces_surrogates(request: Request) -> None:
    """Lone surrogates in a prompt are replaced by question marks."""
    if prompt := text_in(request, "prompt"):
        request.body["prompt"] = prompt.encode("utf-8", "replace").decode()


@group.before("refuses.external_task_id.unicode")
def drops_surrogates(request: Request) -> None:
    """Lone surrogates in an external id are removed."""
    if given := text_in(request, "external_task_id"):
        request.body["external_task_id"] = given.encode("utf-8", "ignore").decode() or "x"


@group.before("refuses.external_task_id.type")
def numbers_as_external_ids(request: Request) -> None:
    """A number is accepted as external id."""
    if request.creates and type(request.peek.get("external_task_id")) in (int, float):
        request.body["external_task_id"] = str(request.peek["external_task_id"])


@group.before("refuses.external_task_id.type")
def lists_as_external_ids(request: Request) -> None:
    """An external id that is an array or an object is ignored."""
    if request.creates and isinstance(request.peek.get("external_task_id"), list | dict):
        del request.body["external_task_id"]


@group.before("refuses.n.type")
def texts_as_n(request: Request) -> None:
    """A string with digits is accepted as n."""
    if (given := text_in(request, "n")).isdigit():
        request.body["n"] = int(given)


@group.before("refuses.n.type")
def bool_as_n(request: Request) -> None:
    """true is accepted as n, because it is an integer in Python."""
    if request.creates and request.peek.get("n") is True:
        request.body["n"] = 1


@group.before("refuses.n.type")
def one_n_in_a_list(request: Request) -> None:
    """n that is an array or an object is replaced by 1."""
    if request.creates and isinstance(request.peek.get("n"), list | dict):
        request.body["n"] = 1


@group.before("refuses.n.integer")
def rounds_n(request: Request) -> None:
    """n is rounded down."""
    given = request.peek.get("n") if request.creates else None
    if isinstance(given, float) and given >= 1:
        request.body["n"] = int(given)


@group.before("refuses.n.maximum")
def n_off_by_one(request: Request) -> None:
    """The limit of n is one too high."""
    if request.creates and request.peek.get("n") == _MOST + 1:
        request.body["n"] = _MOST


@group.before("refuses.n.maximum")
def clamps_n(request: Request) -> None:
    """n above the maximum is replaced by the maximum."""
    given = request.peek.get("n") if request.creates else None
    if isinstance(given, int | float) and given > _MOST:
        request.body["n"] = _MOST


@group.before("refuses.n.minimum")
def zero_is_default(request: Request) -> None:
    """n = 0 is treated as absent."""
    if request.creates and request.peek.get("n", 1) == 0 and request.peek["n"] is not False:
        del request.body["n"]


@group.before("refuses.n.minimum")
def negative_n(request: Request) -> None:
    """The sign of n is ignored."""
    given = request.peek.get("n") if request.creates else None
    if isinstance(given, int | float) and given < 0:
        request.body["n"] = 1


@group.server("refuses.prompt.max_length")
class TheSecondTimeItPasses(FaultyServer):
    """A body that was refused for its prompt is accepted when it is sent again."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._seen: set[bytes] = set()

    def serve(self, request: Request) -> Response:
        prompt = text_in(request, "prompt")
        if len(prompt) > _LIMIT:
            if request.content in self._seen:
                request.body["prompt"] = prompt[:_LIMIT]
            self._seen.add(request.raw)
        return self.right(request)


@group.server("refuses.aspect_ratio.enum")
class ChecksNowAndThen(FaultyServer):
    """Every third unknown aspect ratio is accepted."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._count = 0

    def before(self, request: Request) -> None:
        given = text_in(request, "aspect_ratio")
        if given and given not in ASPECT_RATIOS.value:
            self._count += 1
            if self._count % 3 == 0:
                request.body["aspect_ratio"] = "16:9"
