"""A valid create of a run: the features that it combines, and its body."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from kling_contracts.cases.invalid import minimal_value
from kling_contracts.checks.invalid_requests import refused_id
from kling_contracts.operations import Operation
from kling_contracts.verify.bodies import Body, Feature, minimal
from kling_contracts.verify.probes import Label
from kling_contracts.verify.session import Session

FREE_AFTER_REFUSAL: Final = "external_ids.free_after_refusal"
EXACT: Final = "external_ids.exact"
EXTERNAL_ID: Final = "external_task_id.type"
CALLBACK: Final = "callback_url.url"
# Properties of their own that the acceptance of an external id proves.
_SPECIAL: Final[dict[str, str]] = {
    Label.REFUSED: FREE_AFTER_REFUSAL,
    Label.OTHER_CASE: EXACT,
    Label.ALPHABETS: "external_task_id.characters",
}
# The query of one callback URL, which a server must keep.
_QUERY: Final = "?kc=1&text=a%20b"


@dataclass(frozen=True, kw_only=True)
class ValidRequest:
    """One create of a run, with the features that it combines.

    `external` is the label of its external id; `callback` is the label of its callback URL, used if the run
    has a receiver.
    """

    name: str
    features: tuple[Feature, ...]
    external: str = ""
    callback: str = ""
    images: int = 1
    # The number of concurrent creates with the same external id, exactly one of which must be accepted.
    racers: int = 1
    # Whether the body is ASCII with escapes instead of UTF-8.
    escaped: bool = False
    required: bool = True
    # Whether it is sent only if --max-images leaves images after everything else.
    spare: bool = False

    @property
    def step_name(self) -> str:
        return f"accepted: {self.name}"

    @property
    def abouts(self) -> frozenset[str]:
        """The subjects of its features; each is the rest of the id of a check `accepts.*` or a whole id."""
        found = {feature.about for feature in self.features}
        if self.external:
            found.add(_SPECIAL.get(self.external, EXTERNAL_ID))
        return frozenset(found | {CALLBACK} if self.callback else found)

    def features_in(self, session: Session) -> tuple[Feature, ...]:
        """The features, including the external id and the callback URL of the run."""
        features = list(self.features)
        if self.external:
            about = _SPECIAL.get(self.external, EXTERNAL_ID)
            reused = self.external == Label.REFUSED
            given = {
                "external_task_id": refused_id(session) if reused else session.external_id(self.external)
            }
            features.append(Feature(about, f"external id {str(self.external)!r}", given))
        if self.callback and session.inbox is not None:
            url = session.inbox.url(self.callback) + (_QUERY if self.callback == Label.PLAIN else "")
            features.append(Feature(CALLBACK, "a receiver", {"callback_url": url}))
        return tuple(features)


def fits(operation: Operation, request: ValidRequest, feature: Feature) -> bool:
    """Whether a feature can be added: its fields are unused, and the combination is valid."""
    if any(each.fields.keys() & feature.fields.keys() for each in request.features):
        return False
    features = (*request.features, feature)
    body = body_of(operation, features)
    kept = all(body.get(name) is value for each in features for name, value in each.fields.items())
    return kept and not operation.read(body).violations


def body_of(operation: Operation, features: Iterable[Feature]) -> Body:
    """The smallest body with the given features."""
    body = minimal(operation)
    for feature in features:
        for name, value in feature.fields.items():
            body = operation.completed(body | {name: value}, minimal_value, keep=name)
    return body
