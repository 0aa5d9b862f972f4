"""The valid creates of a run: what has to be accepted, several things to a request, a ratio to each.

An image is what a create costs, so eight requests bring all that is allowed, and one more brings the
largest `n`. What an operation lacks is left out of them; what it has besides is spread over them, as far as
its declaration allows both in one request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import cycle
from typing import Final

from kling_contracts.cases.images import bulky
from kling_contracts.cases.invalid import minimal_value
from kling_contracts.checks import request_features
from kling_contracts.checks.invalid_requests import refused_id
from kling_contracts.checks.request_features import features_of
from kling_contracts.composite_fields import AnyField
from kling_contracts.gateways import Gateway
from kling_contracts.operations import Operation
from kling_contracts.verify import parts
from kling_contracts.verify.bodies import Body, Feature, broad_picture, choice_feature, count_feature, minimal
from kling_contracts.verify.budget import images_in
from kling_contracts.verify.probes import Label
from kling_contracts.verify.session import Session

NOT_BURNT: Final = "external_ids.free_after_refusal"
EXACT: Final = "external_ids.exact"
EXTERNAL_ID: Final = "external_task_id.type"
CALLBACK: Final = "callback_url.url"
RACERS: Final = 5
# What else an external id shows when it is taken.
_SPECIAL: Final[dict[str, str]] = {Label.REFUSED: NOT_BURNT, Label.OTHER_CASE: EXACT}
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
    required: bool = True

    @property
    def abouts(self) -> frozenset[str]:
        """What it has something to say about."""
        found = {feature.about for feature in self.features}
        if self.external:
            found.add(_SPECIAL.get(self.external, EXTERNAL_ID))
        return frozenset(found | {CALLBACK} if self.callback else found)

    def brought(self, session: Session) -> tuple[Feature, ...]:
        """The features, with those that only a run can make."""
        brought = list(self.features)
        if self.external:
            about = _SPECIAL.get(self.external, EXTERNAL_ID)
            burnt = self.external == Label.REFUSED
            given = {"external_task_id": refused_id(session) if burnt else session.external_id(self.external)}
            brought.append(Feature(about, f"external id {str(self.external)!r}", given))
        if self.callback and session.inbox is not None:
            brought.append(
                Feature(CALLBACK, "a receiver", {"callback_url": session.inbox.url(self.callback)})
            )
        return tuple(brought)


@cache
def requests_of(gateway: Gateway) -> tuple[ValidRequest, ...]:
    """The valid creates of a run. Those that are no must come last."""
    operation = gateway.main
    usual = list(_usual(operation))
    shaped = list(_with_choices(operation, [_possible(operation, request) for request in usual]))
    rest = [
        *_options_left(operation, shaped),
        *(feature for field in _further_fields(operation) for feature in features_of(field)),
    ]
    requests = (*_spread(operation, shaped, rest), *_most_results(operation), *_extra(operation))
    return tuple(
        replace(request, images=images_in(body_of(operation, request.features))) for request in requests
    )


def _possible(operation: Operation, request: ValidRequest) -> ValidRequest:
    """The request without what its operation does not allow beside the rest."""
    possible = replace(request, features=())
    for feature in request.features:
        if _fits(operation, possible, feature):
            possible = replace(possible, features=(*possible.features, feature))
    return possible


def _further_fields(operation: Operation) -> list[AnyField]:
    """The fields that the usual requests are not about."""
    named = (parts.MODEL, parts.RATIO, parts.EXTERNAL_ID, parts.CALLBACK)
    usual = (
        parts.picture_list(operation),
        parts.main_text(operation),
        parts.number_of_results(operation),
        *request_features.scene_and_style(operation),
    )
    return [field for field in operation.fields if field not in usual and field.name not in named]


def _usual(operation: Operation) -> Iterator[ValidRequest]:
    """What is known to go wrong, as far as the operation has it."""
    listed = parts.picture_list(operation)
    counts = request_features.counts_of_pictures(operation, listed) if listed else []
    number = parts.number_of_results(operation)
    named = parts.has(operation, parts.EXTERNAL_ID)
    called = parts.calls_back(operation)
    requests = (
        ValidRequest(
            name="equal pictures" if listed else "several at once",
            features=(
                *request_features.equal_pictures(operation, listed),
                *request_features.odd_characters(operation),
            ),
            external=Label.FIRST if named else "",
            callback=Label.PLAIN if called else "",
            racers=RACERS if named else 1,
        ),
        ValidRequest(
            name="the id of a refused request",
            features=(*counts[-2:-1], *request_features.long_text(operation, "ascii")),
            external=Label.REFUSED if named else "",
            callback=Label.STUBBORN if called else "",
        ),
        ValidRequest(
            name="most subjects" if listed else "an id in other letters",
            features=(*counts[-1:], *request_features.long_text(operation, "accented")),
            external=Label.OTHER_CASE if named else "",
        ),
        ValidRequest(
            name="forms of pictures",
            features=(
                *request_features.forms_of_pictures(operation, listed),
                *request_features.long_text(operation, "han"),
            ),
        ),
        ValidRequest(
            name="scene and style",
            features=(
                *request_features.inline_pictures(operation),
                *request_features.long_text(operation, "astral"),
            ),
        ),
        ValidRequest(
            name="empty texts",
            features=(
                *request_features.empty_texts(operation),
                *counts[:1],
                *([request_features.limit_feature(number, number.minimum)] if number else ()),
            ),
        ),
        ValidRequest(name=Label.UNWATCHED, features=request_features.nulls(operation)),
        ValidRequest(
            name="unknown fields",
            features=(
                request_features.unknown_fields(operation, listed),
                *request_features.long_text(operation, "combining"),
            ),
            escaped=True,
        ),
    )
    # The one that is not watched has its purpose without any feature.
    return (it for it in requests if it.features or it.external or it.callback or it.name == Label.UNWATCHED)


def _with_choices(operation: Operation, requests: Sequence[ValidRequest]) -> Iterator[ValidRequest]:
    """The requests with a ratio and a model each, as far as there are such."""
    ratios, models = (_options(operation, name) for name in (parts.RATIO, parts.MODEL))
    for request, ratio, model in zip(requests, cycle(ratios or [""]), cycle(models or [""]), strict=False):
        shape = [choice_feature(parts.RATIO, ratio)] if ratio else []
        named = [choice_feature(parts.MODEL, model)] if model and request.name != Label.UNWATCHED else []
        yield replace(request, features=(*request.features, *shape, *named))


def _options(operation: Operation, name: str) -> Sequence[str]:
    field = parts.choice(operation, name)
    return field.options.value if field else ()


def _options_left(operation: Operation, requests: Sequence[ValidRequest]) -> Iterator[Feature]:
    """The ratios and models that no request has."""
    brought = {(feature.about, feature.tag) for request in requests for feature in request.features}
    for name in (parts.RATIO, parts.MODEL):
        for option in _options(operation, name):
            feature = choice_feature(name, option)
            if (feature.about, feature.tag) not in brought:
                yield feature


def _spread(
    operation: Operation, requests: Sequence[ValidRequest], further: Iterable[Feature]
) -> Sequence[ValidRequest]:
    """The requests with each feature in the first that can bring it besides, or in one of its own."""
    found = list(requests)
    for feature in further:
        at = next((at for at, request in enumerate(found) if _fits(operation, request, feature)), None)
        if at is None:
            found.append(ValidRequest(name=f"{feature.about}, {feature.tag}", features=(feature,)))
        else:
            found[at] = replace(found[at], features=(*found[at].features, feature))
    return found


def _fits(operation: Operation, request: ValidRequest, feature: Feature) -> bool:
    """Whether a request can bring a feature: no other one has its fields, and all together are valid."""
    if any(each.fields.keys() & feature.fields.keys() for each in request.features):
        return False
    brought = (*request.features, feature)
    body = body_of(operation, brought)
    kept = all(body.get(name) is value for each in brought for name, value in each.fields.items())
    return kept and not operation.read(body).violations


def body_of(operation: Operation, brought: Iterable[Feature]) -> Body:
    """The body that brings some features, and is minimal otherwise."""
    body = minimal(operation)
    for feature in brought:
        for name, value in feature.fields.items():
            body = operation.completed(body | {name: value}, minimal_value, keep=name)
    return body


def _most_results(operation: Operation) -> Iterator[ValidRequest]:
    number = parts.number_of_results(operation)
    if number and number.maximum.value > 1:
        most = number.maximum
        limit = request_features.limit_feature(number, most)
        yield ValidRequest(name="most images", features=(limit,))


def _extra(operation: Operation) -> Iterator[ValidRequest]:
    """What a run without a tight budget sends besides."""
    pictures, listed = parts.pictures(operation), parts.picture_list(operation)
    if pictures:
        large = pictures[-1]
        oblong = [count_feature(operation, 2, broad_picture())] if listed else []
        yield ValidRequest(
            name="large picture",
            features=(
                Feature(large.too_large.id, f"{_LARGE} bytes", {large.name: bulky(_LARGE)}),
                *oblong,
                *request_features.long_text(operation, "joined"),
            ),
            required=False,
        )
    blanks = [*request_features.long_text(operation, "space")]
    if parts.calls_back(operation):
        blanks.append(Feature(CALLBACK, "a port", {parts.CALLBACK: "http://127.0.0.1:65535/nobody"}))
    if blanks:
        yield ValidRequest(name="blanks", features=tuple(blanks), required=False)
