"""The valid creates of a run: what has to be accepted, several things to a request, a ratio to each.

An image is what a create costs, so eight requests bring all that is allowed, and one more brings the
largest `n`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from typing import Final, cast

from kling_contracts.checks.refusing import REFUSED, refused_id
from kling_contracts.fields import Choice, Integer
from kling_contracts.gateways import Gateway
from kling_contracts.operations import Operation
from kling_contracts.picture_fields import Picture
from kling_contracts.verify.bodies import (
    WEB_PICTURE,
    Feature,
    broad_picture,
    bulky,
    choice_feature,
    count_feature,
    distinct,
    photograph,
    picture,
    prompt_feature,
    subject_list,
    subjects,
)
from kling_contracts.verify.session import Session

# Names of external ids and of callback URLs within a run, besides that of refused requests.
PLAIN: Final = "plain"
STUBBORN: Final = "stubborn"
FAILING: Final = "failing"
UNWATCHED: Final = "unwatched"
# As long as a UUID and a word, in letters of both cases: nobody may cut it short or fold it.
FIRST: Final = "First_of-those-that-come-at-once"
OTHER_CASE: Final = FIRST.swapcase()

NOT_BURNT: Final = "external_ids.not_burnt"
EXACT: Final = "external_ids.exact"
EXTERNAL_ID: Final = "external_task_id.type"
CALLBACK: Final = "callback_url.url"
RACERS: Final = 5
# What else an external id shows when it is taken.
_SPECIAL: Final = {REFUSED: NOT_BURNT, OTHER_CASE: EXACT}
# 10 MB are legal whether they are decimal or binary; no source tells which.
_LARGE: Final = 10_000_000


@dataclass(frozen=True, kw_only=True)
class ValidRequest:
    """One create of the campaign: the features that it brings together.

    `external` names the external id that it gives, `callback` its URL, where there is a receiver.
    """

    name: str
    features: tuple[Feature, ...]
    external: str = ""
    callback: str = ""
    images: int = 1
    # How many times it is sent at once, with one external id: one of them has to win.
    racers: int = 1
    # Whether it is sent in ASCII, with escapes, rather than in UTF-8.
    escaped: bool = False
    must: bool = True

    @property
    def abouts(self) -> frozenset[str]:
        """What it has something to say about."""
        found = {feature.about for feature in self.features}
        if self.external:
            found.add(_SPECIAL.get(self.external, EXTERNAL_ID))
        return frozenset(found | {CALLBACK} if self.callback else found)

    def parts(self, session: Session) -> tuple[Feature, ...]:
        """The features, with those that only a run can make."""
        parts = list(self.features)
        if self.external:
            about = _SPECIAL.get(self.external, EXTERNAL_ID)
            burnt = self.external == REFUSED
            given = {"external_task_id": refused_id(session) if burnt else session.external_id(self.external)}
            parts.append(Feature(about, f"external id {self.external!r}", given))
        if self.callback and session.inbox is not None:
            parts.append(Feature(CALLBACK, "a receiver", {"callback_url": session.inbox.url(self.callback)}))
        return tuple(parts)


@cache
def requests_of(gateway: Gateway) -> tuple[ValidRequest, ...]:
    """The valid creates of a run. Those that are no must come last."""
    operation = gateway.main
    number = cast("Integer", operation.field("n"))
    most = number.maximum.value
    largest = ValidRequest(
        name="most images", features=(Feature("n.maximum", f"n {most}", {"n": most}),), images=most
    )
    return (*_one_for_each_ratio(operation), largest, *_extra(operation))


def _one_for_each_ratio(operation: Operation) -> Iterable[ValidRequest]:
    listed = subject_list(operation)
    low, high = listed.minimum.value, listed.maximum.value
    counts = [count_feature(operation, count, *distinct(high)) for count in range(low, high + 1)]
    lowest = cast("Integer", operation.field("n")).minimum.value
    optional = [field.name for field in operation.fields if not field.required]
    silent = dict.fromkeys(name for name in optional if name != "aspect_ratio")
    empty = {name: "" for name in silent if name not in ("model_name", "n")}
    plain = WEB_PICTURE.replace("https", "http")
    forms = {
        listed.name: subjects(operation, WEB_PICTURE, photograph(), picture()),
        "style_image": plain,
    }
    same = count_feature(operation, 2, picture())
    requests = (
        ValidRequest(
            name="equal pictures",
            features=(Feature("equal_pictures", "the same picture twice", same.fields), _odd_characters()),
            external=FIRST,
            callback=PLAIN,
            racers=RACERS,
        ),
        ValidRequest(
            name="the id of a refused request",
            features=(counts[-2], prompt_feature(operation, "ascii")),
            external=REFUSED,
            callback=STUBBORN,
        ),
        ValidRequest(
            name="most subjects",
            features=(counts[-1], prompt_feature(operation, "accented")),
            external=OTHER_CASE,
        ),
        ValidRequest(
            name="forms of pictures",
            features=(
                Feature("picture_forms", "two URLs, a JPEG, a PNG", forms),
                prompt_feature(operation, "han"),
            ),
        ),
        ValidRequest(
            name="scene and style",
            features=(_scene_and_style(operation), prompt_feature(operation, "astral")),
        ),
        ValidRequest(
            name="empty texts",
            features=(
                Feature("empty_text", "empty optional texts", empty),
                counts[0],
                Feature("n.minimum", f"n {lowest}", {"n": lowest}),
            ),
        ),
        ValidRequest(name=UNWATCHED, features=(Feature("null", "null optional fields", silent),)),
        ValidRequest(
            name="unknown fields",
            features=(
                _unknown_fields(operation),
                prompt_feature(operation, "combining"),
            ),
            escaped=True,
        ),
    )
    models = cycle(cast("Choice", operation.field("model_name")).options.value)
    ratios = cast("Choice", operation.field("aspect_ratio")).options.value
    for request, ratio, model in zip(requests, ratios, models, strict=False):
        shape = choice_feature("aspect_ratio", ratio)
        named = () if request.name == UNWATCHED else (choice_feature("model_name", model),)
        yield ValidRequest(
            name=request.name,
            features=(*request.features, shape, *named),
            external=request.external,
            callback=request.callback,
            racers=request.racers,
            escaped=request.escaped,
        )


def _scene_and_style(operation: Operation) -> Feature:
    scene = next(f.name for f in operation.fields if isinstance(f, Picture) and f.aliases)
    return Feature("picture_forms", "a scene and a style", {scene: picture(), "style_image": photograph()})


def _odd_characters() -> Feature:
    """Characters that some programs cannot bear; JSON and Unicode have nothing against them."""
    return Feature("prompt.characters", "control characters", {"prompt": "a\x00b\t\n\x7f\u200f\ufeff\uffff"})


def _unknown_fields(operation: Operation) -> Feature:
    listed = subject_list(operation)
    items = [item | {"x_note": "two of them"} for item in subjects(operation, *distinct(2))]
    fields: dict[str, object] = {listed.name: items, "x_unknown": {"x": [1]}, "lang": "en"}
    return Feature("unknown_fields", "fields nobody knows", fields)


def _extra(operation: Operation) -> Iterable[ValidRequest]:
    """What a run without a tight budget sends besides."""
    yield ValidRequest(
        name="large picture",
        features=(
            Feature("style_image.max_bytes", f"{_LARGE} bytes", {"style_image": bulky(_LARGE)}),
            count_feature(operation, 2, broad_picture()),
            prompt_feature(operation, "joined"),
        ),
        must=False,
    )
    yield ValidRequest(
        name="blanks",
        features=(
            prompt_feature(operation, "space"),
            Feature(CALLBACK, "a port", {"callback_url": "http://127.0.0.1:65535/nobody"}),
        ),
        must=False,
    )
