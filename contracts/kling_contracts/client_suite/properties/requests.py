"""Properties of requests: method, URL and headers, and exactly the given fields in the body."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, cast
from urllib.parse import unquote

from hypothesis import strategies as st

from kling_contracts.client_suite.adapter import ClientAdapter
from kling_contracts.client_suite.bodies import sent_body, smallest_body, submit, valid_bodies
from kling_contracts.client_suite.credentials import KEY, token_fault
from kling_contracts.client_suite.harness import Harness, Inconclusive, Property, fault, require_create
from kling_contracts.client_suite.replies import shown, task
from kling_contracts.composite_fields import AnyField
from kling_contracts.gateways import Gateway
from kling_contracts.rules import ValidationResult
from kling_contracts.strategies import Body
from kling_contracts.strategies.fields import valid_values
from kling_contracts.vocabulary import KLING_PAGE, SEED, TaskStatus

_ENCODES_EXACTLY_HINT: Final = (
    "send each field as given; list in `fields` the fields that the client can send"
)
_ADDRESSES_HINT: Final = "use service.create_url and service.task_url(id), or quote(id, safe='')"

# A repeated image must be sent twice.
_REPEATED: Final = [{"subject_image": f"https://example.com/{name}.png"} for name in ("cat", "dog", "cat")]


def encoding(adapter: ClientAdapter, gateway: Gateway) -> Iterator[Property]:
    """The properties of request bodies."""
    operation = gateway.main
    for field in operation.fields:
        if adapter.fields is None or field.name in adapter.fields:
            yield Property(
                id=f"client.encodes_exactly[{field.name}]",
                hint=_ENCODES_EXACTLY_HINT,
                sentence="this field is sent with the given value, and only if it was given",
                source=field.source,
                check=partial(_encodes_exactly, field),
            )
    yield Property(
        id="client.encodes_exactly",
        hint=_ENCODES_EXACTLY_HINT,
        sentence="no unknown field is sent that the caller did not give",
        source=SEED,
        check=_adds_nothing,
    )
    yield Property(
        id="client.omits_unset",
        hint="omit fields that were not given; 0, false and an empty list count as values",
        sentence='a field that was not given is omitted, or sent without effect: null, "" or its default',
        source=SEED,
        check=_omits_unset,
    )


def _encodes_exactly(field: AnyField, harness: Harness) -> None:
    """The field alone, beside the required one. Omitted and sent with its default are equivalent."""
    other: st.SearchStrategy[object] = st.just(_REPEATED) if field.required else st.none()
    values = other | valid_values(field)
    requests = values.map(lambda value: smallest_body(harness) | _unless_none(field.name, value))

    def judge(body: dict[str, object]) -> None:
        for reading in _readings(harness, body):
            wanted, got = (_meaning(field, each) for each in (harness.operation.read(body), reading))
            if wanted != got:
                fault(f"{field.name} as given ({_brief(wanted)})", _brief(got))

    _for_all_sent(harness, requests, judge)


def _for_all_sent(
    harness: Harness, bodies: st.SearchStrategy[dict[str, object]], check: Callable[[dict[str, object]], None]
) -> None:
    """Check the bodies sent. Raises Inconclusive if none was sent, which is another property."""
    before = harness.creates
    harness.for_all(bodies, check)
    if harness.creates == before:
        raise Inconclusive("no create was sent: see client.accepts_valid")


def _unless_none(name: str, value: object) -> dict[str, object]:
    return {} if value is None else {name: value}


def _readings(harness: Harness, body: dict[str, object]) -> list[ValidationResult]:
    """The validation result of each create that is sent."""
    return [harness.operation.read(sent_body(sent)) for sent in submit(harness, body).creates]


def _meaning(field: AnyField, reading: ValidationResult) -> object:
    """A field as the service interprets it: its value, or its images in order."""
    pictures = [
        (picture.field, picture.url, picture.data)
        for picture in reading.pictures
        if picture.field.partition("[")[0] in (field.name, *field.aliases)
    ]
    return pictures or reading.values.get(field.name, field.default)


def _is_left_out(field: AnyField, reading: ValidationResult) -> bool:
    """Whether a field has the same effect as if it were missing."""
    broken = any(violation.rule in field.rules for violation in reading.violations)
    return not broken and _meaning(field, reading) == field.default


def _brief(value: object) -> str:
    text = "no value" if value is None else repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _adds_nothing(harness: Harness) -> None:
    def judge(body: dict[str, object]) -> None:
        for reading in _readings(harness, body):
            if reading.ignored:
                names = ", ".join(path for path, *_ in reading.ignored)
                fault("the given fields and no others", f"also {names}")

    _for_all_sent(harness, valid_bodies(harness), judge)


def _omits_unset(harness: Harness) -> None:
    def judge(body: dict[str, object]) -> None:
        for sent in submit(harness, body).creates:
            wire = sent_body(sent)
            reading = harness.operation.read(wire)
            for field in harness.operation.fields:
                if field.name not in body and not _is_left_out(field, reading):
                    got = cast("Body", wire).get(field.name)
                    fault(
                        f"{field.name} omitted, since it was not given", f"{field.name} sent as {_brief(got)}"
                    )

    _for_all_sent(harness, valid_bodies(harness), judge)


# Opaque ids as issued by some gateways; external ids chosen by users, which need percent-encoding.
_PLAIN_IDS: Final = (task(TaskStatus.SUBMITTED).task_id, "CjNQtmctxFMAAAAAAGZ1Vw")
_ODD_IDS: Final = ("poster/1", "a b?c=d#e%41é")


def addressing(gateway: Gateway) -> Iterator[Property]:
    """The properties of methods, URLs and headers."""
    yield Property(
        id="client.addresses[create]",
        hint=_ADDRESSES_HINT,
        sentence="a create is a POST of JSON to the create path, with the key as a bearer token",
        source=gateway.source,
        check=_addresses_create,
    )
    for name, ids, sentence in (
        ("query", _PLAIN_IDS, "a query is a GET of the task's path, with the key as a bearer token"),
        ("odd-id", _ODD_IDS, "an id is one percent-encoded path segment, or is refused before sending"),
    ):
        yield Property(
            id=f"client.addresses[{name}]",
            hint=_ADDRESSES_HINT,
            sentence=sentence,
            source=KLING_PAGE,
            check=partial(_addresses_query, ids),
        )


def _addresses_create(harness: Harness) -> None:
    attempt = submit(harness, smallest_body(harness))
    require_create(attempt)
    wanted = harness.gateway.create_path
    for sent in attempt.creates:
        if sent.target != wanted:
            fault(f"POST {wanted}", f"POST {sent.target}")
        kind = sent.header("content-type").partition(";")[0].strip().lower()
        if kind != "application/json":
            fault("Content-Type: application/json", kind or "no Content-Type")
        sent_body(sent)
        _require_bearer(harness, sent.header("authorization"))


def _addresses_query(ids: tuple[str, ...], harness: Harness) -> None:
    for task_id in ids:
        harness.answer_with(queries=[shown(task(TaskStatus.PROCESSING, task_id=task_id))])
        attempt = harness.query(task_id)
        if not attempt.queries and (ids is _PLAIN_IDS or attempt.error is None):
            fault("a query on the wire", attempt)
        for sent in attempt.queries:
            place, _, last = sent.path.rpartition("/")
            if place != harness.gateway.create_path or unquote(last) != task_id:
                fault(
                    f"GET {harness.service.task_url(task_id).removeprefix(harness.origin)}", sent, tag=task_id
                )
            _require_bearer(harness, sent.header("authorization"))


def _require_bearer(harness: Harness, value: str) -> None:
    scheme, _, key = value.partition(" ")
    key = key.strip()
    if scheme.lower() == "bearer" and key == KEY:
        return
    if scheme.lower() != "bearer" or not harness.gateway.takes_tokens:
        fault("Authorization: Bearer <the key>", value.replace(KEY, "<the key>") or "no Authorization")
    # `time.time` of this thread includes the client's virtual sleeps.
    wrong = token_fault(key, time.time())
    if wrong:
        fault("Authorization: Bearer <the key, or a token signed with the pair of keys>", wrong)
