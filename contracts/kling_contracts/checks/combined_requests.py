"""The valid creates of a run, each of which combines several features and an aspect ratio.

Each create costs an image, so eight requests cover all features, and one more has the largest `n`. Features
that an operation lacks are dropped; features of its further fields are distributed over the requests, as far
as they may be combined.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import cycle
from typing import Final

from kling_contracts.cases.images import bulky
from kling_contracts.checks import request_features
from kling_contracts.checks.request_combinations import with_combinations
from kling_contracts.checks.request_features import features_of
from kling_contracts.checks.valid_request import CALLBACK, ValidRequest, body_of, fits
from kling_contracts.composite_fields import AnyField
from kling_contracts.gateways import Gateway
from kling_contracts.operations import Operation
from kling_contracts.verify import parts
from kling_contracts.verify.bodies import Feature, broad_picture, choice_feature, count_feature
from kling_contracts.verify.budget import images_in
from kling_contracts.verify.probes import Label

RACERS: Final = 5
# No source settles whether 10 MB are decimal or binary; this size is legal either way.
_LARGE: Final = 10_000_000


@cache
def requests_of(gateway: Gateway) -> tuple[ValidRequest, ...]:
    """The valid creates of a run, the optional ones last."""
    operation = gateway.main
    usual = list(_usual(operation))
    shaped = list(_with_choices(operation, [_possible(operation, request) for request in usual]))
    rest = [
        *_options_left(operation, shaped),
        *(feature for field in _further_fields(operation) for feature in features_of(field)),
    ]
    requests = (*_spread(operation, shaped, rest), *_most_results(operation), *_extra(operation))
    return tuple(
        replace(request, images=images_in(body_of(operation, request.features)))
        for request in with_combinations(operation, requests)
    )


def _possible(operation: Operation, request: ValidRequest) -> ValidRequest:
    """The request without features that cannot be combined with the earlier ones."""
    possible = replace(request, features=())
    for feature in request.features:
        if fits(operation, possible, feature):
            possible = replace(possible, features=(*possible.features, feature))
    return possible


def _further_fields(operation: Operation) -> list[AnyField]:
    """The fields that the usual requests do not cover."""
    named = (parts.MODEL, parts.RATIO, parts.EXTERNAL_ID, parts.CALLBACK)
    usual = (
        parts.picture_list(operation),
        parts.main_text(operation),
        parts.number_of_results(operation),
        *request_features.scene_and_style(operation),
    )
    return [field for field in operation.fields if field not in usual and field.name not in named]


def _usual(operation: Operation) -> Iterator[ValidRequest]:
    """Requests for errors that servers often make, restricted to the fields of the operation."""
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
            callback=Label.RETRIED if called else "",
        ),
        ValidRequest(
            name="most subjects" if listed else "an external id in another case",
            features=(*counts[-1:], *request_features.long_text(operation, "accented")),
            external=Label.OTHER_CASE if named else "",
        ),
        ValidRequest(
            name="forms of pictures",
            features=(
                *request_features.forms_of_pictures(operation, listed),
                *request_features.long_text(operation, "han"),
            ),
            external=Label.ALPHABETS if named else "",
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
        ValidRequest(name=Label.UNPOLLED, features=request_features.nulls(operation)),
        ValidRequest(
            name="unknown fields",
            features=(
                request_features.unknown_fields(operation, listed),
                *request_features.long_text(operation, "combining"),
            ),
            escaped=True,
        ),
    )
    # The unpolled task needs no features.
    return (it for it in requests if it.features or it.external or it.callback or it.name == Label.UNPOLLED)


def _with_choices(operation: Operation, requests: Sequence[ValidRequest]) -> Iterator[ValidRequest]:
    """The requests with one aspect ratio and one model each, if the operation has these fields."""
    ratios, models = (_options(operation, name) for name in (parts.RATIO, parts.MODEL))
    for request, ratio, model in zip(requests, cycle(ratios or [""]), cycle(models or [""]), strict=False):
        shape = [choice_feature(parts.RATIO, ratio)] if ratio else []
        named = [choice_feature(parts.MODEL, model)] if model and request.name != Label.UNPOLLED else []
        yield replace(request, features=(*request.features, *shape, *named))


def _options(operation: Operation, name: str) -> Sequence[str]:
    field = parts.choice(operation, name)
    return field.options.value if field else ()


def _options_left(operation: Operation, requests: Sequence[ValidRequest]) -> Iterator[Feature]:
    """The aspect ratios and models that no request covers."""
    covered = {(feature.about, feature.tag) for request in requests for feature in request.features}
    for name in (parts.RATIO, parts.MODEL):
        for option in _options(operation, name):
            feature = choice_feature(name, option)
            if (feature.about, feature.tag) not in covered:
                yield feature


def _spread(
    operation: Operation, requests: Sequence[ValidRequest], further: Iterable[Feature]
) -> Sequence[ValidRequest]:
    """The requests with each further feature added to the first that allows it, or in a new request."""
    found = list(requests)
    for feature in further:
        at = next((at for at, request in enumerate(found) if fits(operation, request, feature)), None)
        if at is None:
            found.append(ValidRequest(name=f"{feature.about}, {feature.tag}", features=(feature,)))
        else:
            found[at] = replace(found[at], features=(*found[at].features, feature))
    return found


def _most_results(operation: Operation) -> Iterator[ValidRequest]:
    number = parts.number_of_results(operation)
    if number and number.maximum.value > 1:
        most = number.maximum
        limit = request_features.limit_feature(number, most)
        yield ValidRequest(name="most images", features=(limit,))


def _extra(operation: Operation) -> Iterator[ValidRequest]:
    """Optional requests for runs with a larger budget."""
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
        blanks.append(Feature(CALLBACK, "a port", {parts.CALLBACK: "http://127.0.0.1:65535/unused"}))
    if blanks:
        yield ValidRequest(name="blanks", features=tuple(blanks), required=False)
