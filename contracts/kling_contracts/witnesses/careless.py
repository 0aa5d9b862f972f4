"""Servers that check requests, but not quite: lengths, numbers, and what they remember."""

from __future__ import annotations

import unicodedata
from typing import Final

from kling_contracts.vocabulary import ASPECT_RATIOS, IMAGES_MAXIMUM, PROMPT_MAXIMUM
from kling_contracts.witnesses.message import Answer, Ask, text_in
from kling_contracts.witnesses.witness import Behind, Faulty, Group

group: Final = Group()
_LIMIT: Final = PROMPT_MAXIMUM.value
_MOST: Final = IMAGES_MAXIMUM.value


@group.before("refuses.prompt.max_length")
def trims_the_prompt(ask: Ask) -> None:
    """Blanks at both ends of a prompt do not count."""
    if len(prompt := text_in(ask, "prompt")) > _LIMIT:
        ask.body["prompt"] = prompt.strip()


@group.before("refuses.prompt.max_length")
def cuts_the_prompt(ask: Ask) -> None:
    """A prompt that is too long is cut."""
    if len(prompt := text_in(ask, "prompt")) > _LIMIT:
        ask.body["prompt"] = prompt[:_LIMIT]


@group.before("refuses.prompt.max_length")
def prompt_off_by_one(ask: Ask) -> None:
    """The limit of the prompt is one too high."""
    if len(prompt := text_in(ask, "prompt")) == _LIMIT + 1:
        ask.body["prompt"] = prompt[:_LIMIT]


@group.before("refuses.prompt.max_length")
def composes_the_prompt(ask: Ask) -> None:
    """The prompt is normalised (NFC) before it is measured."""
    if len(prompt := text_in(ask, "prompt")) > _LIMIT:
        ask.body["prompt"] = unicodedata.normalize("NFC", prompt)


@group.before("refuses.prompt.max_length")
def counts_what_is_seen(ask: Ask) -> None:
    """Combining marks and joiners do not count."""
    if len(prompt := text_in(ask, "prompt")) > _LIMIT:
        ask.body["prompt"] = "".join(c for c in prompt if not unicodedata.category(c).startswith(("M", "Cf")))


@group.before("refuses.prompt.type")
def prompt_to_text(ask: Ask) -> None:
    """Whatever the prompt is, it is made a text."""
    if ask.creates and not isinstance(ask.peek.get("prompt", ""), str | None):
        ask.body["prompt"] = str(ask.peek["prompt"])


@group.before("refuses.prompt.type")
def numbers_as_prompts(ask: Ask) -> None:
    """A prompt may be a number."""
    if ask.creates and type(ask.peek.get("prompt")) in (int, float):
        ask.body["prompt"] = str(ask.peek["prompt"])


@group.before("refuses.prompt.unicode")
def replaces_surrogates(ask: Ask) -> None:
    """Lone surrogates in a prompt become question marks."""
    if prompt := text_in(ask, "prompt"):
        ask.body["prompt"] = prompt.encode("utf-8", "replace").decode()


@group.before("refuses.external_task_id.unicode")
def drops_surrogates(ask: Ask) -> None:
    """Lone surrogates in an external id are left out."""
    if given := text_in(ask, "external_task_id"):
        ask.body["external_task_id"] = given.encode("utf-8", "ignore").decode() or "x"


@group.before("refuses.external_task_id.type")
def numbers_as_external_ids(ask: Ask) -> None:
    """An external id may be a number."""
    if ask.creates and type(ask.peek.get("external_task_id")) in (int, float):
        ask.body["external_task_id"] = str(ask.peek["external_task_id"])


@group.before("refuses.external_task_id.type")
def lists_as_external_ids(ask: Ask) -> None:
    """An external id that is an array or an object is ignored."""
    if ask.creates and isinstance(ask.peek.get("external_task_id"), list | dict):
        del ask.body["external_task_id"]


@group.before("refuses.n.type")
def texts_as_n(ask: Ask) -> None:
    """n may be "2"."""
    if (given := text_in(ask, "n")).isdigit():
        ask.body["n"] = int(given)


@group.before("refuses.n.type")
def bool_as_n(ask: Ask) -> None:
    """In this language true is an integer."""
    if ask.creates and ask.peek.get("n") is True:
        ask.body["n"] = 1


@group.before("refuses.n.type")
def one_n_in_a_list(ask: Ask) -> None:
    """n that is no number at all counts as 1."""
    if ask.creates and isinstance(ask.peek.get("n"), list | dict):
        ask.body["n"] = 1


@group.before("refuses.n.integer")
def rounds_n(ask: Ask) -> None:
    """n is rounded down."""
    given = ask.peek.get("n") if ask.creates else None
    if isinstance(given, float) and given >= 1:
        ask.body["n"] = int(given)


@group.before("refuses.n.maximum")
def n_off_by_one(ask: Ask) -> None:
    """The limit of n is one too high."""
    if ask.creates and ask.peek.get("n") == _MOST + 1:
        ask.body["n"] = _MOST


@group.before("refuses.n.maximum")
def clamps_n(ask: Ask) -> None:
    """n that is too large becomes the largest."""
    given = ask.peek.get("n") if ask.creates else None
    if isinstance(given, int | float) and given > _MOST:
        ask.body["n"] = _MOST


@group.before("refuses.n.minimum")
def zero_is_default(ask: Ask) -> None:
    """n 0 counts as not given."""
    if ask.creates and ask.peek.get("n", 1) == 0 and ask.peek["n"] is not False:
        del ask.body["n"]


@group.before("refuses.n.minimum")
def negative_n(ask: Ask) -> None:
    """The sign of n does not matter."""
    given = ask.peek.get("n") if ask.creates else None
    if isinstance(given, int | float) and given < 0:
        ask.body["n"] = 1


@group.server("refuses.prompt.max_length")
class TheSecondTimeItPasses(Faulty):
    """A body that was refused for its prompt passes when it comes again."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._seen: set[bytes] = set()

    def serve(self, ask: Ask) -> Answer:
        prompt = text_in(ask, "prompt")
        if len(prompt) > _LIMIT:
            if ask.content in self._seen:
                ask.body["prompt"] = prompt[:_LIMIT]
            self._seen.add(ask.raw)
        return self.right(ask)


@group.server("refuses.aspect_ratio.enum")
class ChecksNowAndThen(Faulty):
    """Every third ratio is not looked at."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._count = 0

    def before(self, ask: Ask) -> None:
        given = text_in(ask, "aspect_ratio")
        if given and given not in ASPECT_RATIOS.value:
            self._count += 1
            if self._count % 3 == 0:
                ask.body["aspect_ratio"] = "16:9"
