"""Valid creates that cover pairs of values: those of every run with their free fields filled, then others.

The URLs of images stay in the creates that have some anyway, and in the further ones, because a service may
fail to download them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from kling_contracts.cases.images import WEB_PICTURE
from kling_contracts.checks.covering_array import UncoveredPairs
from kling_contracts.checks.field_values import GIVEN, Value, constrained, values_in, values_of
from kling_contracts.checks.valid_request import ValidRequest, body_of, fits
from kling_contracts.operations import Operation
from kling_contracts.verify import parts
from kling_contracts.verify.bodies import Body, Feature
from kling_contracts.verify.budget import images_in
from kling_contracts.verify.probes import Label


def body_in(operation: Operation, request: ValidRequest) -> Body:
    """The body of a request, with placeholders for the external id and the callback URL of a run."""
    marks: Body = {parts.EXTERNAL_ID: GIVEN} if request.external else {}
    marks |= {parts.CALLBACK: WEB_PICTURE} if request.callback else {}
    return body_of(operation, request.features) | marks


def with_combinations(operation: Operation, requests: Iterable[ValidRequest]) -> Iterator[ValidRequest]:
    """The requests with values in the fields that they leave free, then those that cover the other pairs."""
    pairs = UncoveredPairs(values_of(operation))
    for request in requests:
        whole = _filled(operation, request, pairs) if _may_be_filled(operation, request) else request
        pairs.cover(values_in(operation, body_in(operation, whole)))
        yield whole
    yield from _further(operation, pairs)


def _may_be_filled(operation: Operation, request: ValidRequest) -> bool:
    """Not the unpolled task, which is compared with the others, and no request with unknown fields.

    A server that reads another spelling of a field may prefer the field itself.
    """
    names = {name for feature in request.features for name in feature.fields}
    return request.name != Label.UNPOLLED and names <= operation.keys


def _filled(operation: Operation, request: ValidRequest, pairs: UncoveredPairs) -> ValidRequest:
    images = images_in(body_of(operation, request.features))
    taken = {name for feature in request.features for name in feature.fields}
    taken |= {parts.EXTERNAL_ID} if request.external else set()
    taken |= {parts.CALLBACK} if request.callback else set()
    free = {field.name for field in operation.fields if not taken & set(field.names)}
    web = any(_has_url(feature) for feature in request.features)
    candidates = [
        value
        for value, feature in values_of(operation).items()
        if value.field in free and images_in(feature.fields) <= images and (web or not _has_url(feature))
    ]
    present = [it for it in values_in(operation, body_in(operation, request)) if it.field not in free]

    def possible(chosen: Sequence[Value], value: Value) -> bool:
        return _fits(operation, _extended(operation, request, chosen[len(present) :]), value)

    chosen = pairs.extended(sorted(present), candidates, possible)
    return _extended(operation, request, chosen[len(present) :])


def _has_url(feature: Feature) -> bool:
    return parts.CALLBACK not in feature.fields and "'http" in repr(feature.fields)


def _further(operation: Operation, pairs: UncoveredPairs) -> Iterator[ValidRequest]:
    """Requests that cover the pairs left, in the order of the number of pairs that they add."""
    empty = ValidRequest(name="", features=(), required=False, spare=True)
    found: list[ValidRequest] = []
    while row := pairs.row(
        lambda chosen, value: _fits(operation, _extended(operation, empty, chosen), value)
    ):
        pairs.cover(row)
        found.append(_extended(operation, empty, row))
    for at, request in enumerate(found, start=1):
        label = f"{Label.COMBINED}-{at}"
        yield replace(
            request,
            name=f"combination {at} of {len(found)}",
            external=request.external and label,
            callback=request.callback and label,
        )


def _fits(operation: Operation, request: ValidRequest, value: Value) -> bool:
    """Whether a value can be added; that of a field without constraints always can."""
    free = value.field not in constrained(operation)
    return free or fits(operation, request, values_of(operation)[value])


def _extended(operation: Operation, request: ValidRequest, values: Iterable[Value]) -> ValidRequest:
    """The request with further values; an id and a URL of the run instead of their placeholders."""
    features = list(request.features)
    label = f"{Label.COMBINED}-{request.name.replace(' ', '-')}"
    for value in values:
        if value.tag == GIVEN and value.field == parts.EXTERNAL_ID:
            request = replace(request, external=label)
        elif value.tag == GIVEN and value.field == parts.CALLBACK:
            request = replace(request, callback=label)
        elif values_of(operation)[value].fields:
            features.append(values_of(operation)[value])
    return replace(request, features=tuple(features))
