"""Properties of what a client sends: only what is valid, all that is valid, exactly what was given."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Final, cast

from hypothesis import strategies as st

from contracts.client_suite.adapter import ClientAdapter
from contracts.client_suite.bench import KEY, Attempt, Bench, Inconclusive, Property, fault
from contracts.client_suite.scripts import created, refused, shown, task
from contracts.field_strategies import valid_values
from contracts.fields import Field
from contracts.gateways import Gateway, Situation
from contracts.operations import Operation, validate
from contracts.rules import Reading, Rule
from contracts.strategies import (
    Body,
    BoundaryRequest,
    InvalidRequest,
    boundary_classes,
    invalid_classes,
    valid_requests,
)
from contracts.vocabulary import KLING_ERRORS, KLING_PAGE, SEED, TaskStatus

# One of a hundred bodies of 14 MB would take longer than all the others.
_FEW: Final = 1
_PER_CLASS: Final = 2
_BULKY: Final = "max_bytes"

Invalid = st.SearchStrategy[InvalidRequest]
Boundary = st.SearchStrategy[BoundaryRequest]


def sending(adapter: ClientAdapter, gateway: Gateway) -> Iterator[Property]:
    """The properties of requests, for what the client can send."""
    operation = gateway.routes[0].operations[0]
    if adapter.validates_locally:
        for rule_id, invalid in _by_rule(_invalid(gateway), operation, adapter.fields).items():
            yield Property(
                id=f"client.sends_only_valid[{rule_id}]",
                sentence="what breaks this rule is refused before anything is sent",
                source=operation.rules[rule_id].source,
                check=partial(_sends_only_valid, invalid),
            )
    else:
        yield Property(
            id="client.passes_refusals_on",
            sentence="what the service refuses as invalid reaches the caller as an error",
            source=KLING_ERRORS,
            check=_passes_refusals_on,
        )
    for rule_id, edges in _by_rule(_boundary(operation), operation, adapter.fields).items():
        yield Property(
            id=f"client.accepts_valid[{rule_id}]",
            sentence="what lies exactly on the limit of this rule is sent",
            source=operation.rules[rule_id].source,
            check=partial(_accepts_edges, edges),
        )
    yield Property(
        id="client.accepts_valid",
        sentence="whatever the contract allows is sent",
        source=SEED,
        check=_accepts_valid,
    )
    for field in operation.fields:
        if adapter.fields is None or field.name in adapter.fields:
            yield Property(
                id=f"client.encodes_exactly[{field.name}]",
                sentence="this field arrives with the value given, and only if it was given",
                source=field.source,
                check=partial(_encodes_exactly, field),
            )
    yield Property(
        id="client.encodes_exactly",
        sentence="nothing is sent that the contract does not know and nobody gave",
        source=SEED,
        check=_adds_nothing,
    )
    yield Property(
        id="client.omits_unset",
        sentence="a field that was not given is left out, not sent as null or empty text",
        source=SEED,
        check=_omits_unset,
    )
    yield Property(
        id="client.addresses[create]",
        sentence="a create is a POST of JSON to the create path, with the key as a bearer",
        source=gateway.source,
        check=_addresses_create,
    )
    yield Property(
        id="client.addresses[query]",
        sentence="a query is a GET of the task's path, with the key as a bearer",
        source=KLING_PAGE,
        check=_addresses_query,
    )


def _invalid(gateway: Gateway) -> Mapping[str, Invalid]:
    return invalid_classes(gateway.routes[0].operations[0], gateway=gateway, run="suite")


def _boundary(operation: Operation) -> Mapping[str, Boundary]:
    return boundary_classes(operation, run="suite")


def _by_rule(
    classes: Mapping[str, st.SearchStrategy[object]], operation: Operation, fields: Collection[str] | None
) -> dict[str, dict[str, st.SearchStrategy[object]]]:
    """The classes about what the client can send, by rule. A body that is no object is not given to it."""
    found: dict[str, dict[str, st.SearchStrategy[object]]] = {}
    for label, values in classes.items():
        rule_id = label.partition(": ")[0]
        if rule_id != "body.type" and _concerns(rule_id, operation, fields):
            found.setdefault(rule_id, {})[label] = values
    return found


def _concerns(rule_id: str, operation: Operation, fields: Collection[str] | None) -> bool:
    if fields is None:
        return True
    return any(
        rule_id == rule.id for field in operation.fields if field.name in fields for rule in field.rules
    )


def given_body(bench: Bench, body: object) -> dict[str, object]:
    """A drawn body under the declared names, and with what the client can send only."""
    given = dict(cast("Mapping[str, object]", body))
    for field in bench.operation.fields:
        for alias in field.aliases:
            if alias in given and field.name not in given:
                given[field.name] = given.pop(alias)
    fields = bench.adapter.fields
    return given if fields is None else {name: value for name, value in given.items() if name in fields}


def valid_bodies(bench: Bench) -> st.SearchStrategy[dict[str, object]]:
    """Valid requests that the client can send."""
    return valid_requests(bench.operation, run="suite").map(partial(given_body, bench))


def smallest_body(bench: Bench, **more: object) -> dict[str, object]:
    """The request with the required field only, and what is named."""
    name = bench.operation.fields[0].name
    item = {"subject_image": "https://example.com/cat.png"}
    return {name: [dict(item), dict(item)], **more}


def _submit(bench: Bench, body: dict[str, object]) -> Attempt:
    bench.play(creates=[created(task(TaskStatus.SUBMITTED))])
    return bench.submit(body)


def _sends_only_valid(classes: Mapping[str, Invalid], bench: Bench) -> None:
    def judge(request: InvalidRequest) -> None:
        body = given_body(bench, request.body)
        attempt = _submit(bench, body)
        rule = bench.operation.rules[request.rule_id]
        for sent in attempt.creates:
            violations = _violations(sent.json(), bench.operation)
            if violations:
                fault("an error, and nothing sent", f"{sent}\n({violations})", rule=rule, tag=request.tag)

    for label, requests in classes.items():
        bench.for_all(requests, judge, _FEW if _BULKY in label else _PER_CLASS)


def _violations(body: object, operation: Operation) -> str:
    return "; ".join(map(str, validate(body, operation)))


def _accepts_edges(classes: Mapping[str, Boundary], bench: Bench) -> None:
    def judge(request: BoundaryRequest) -> None:
        rule = bench.operation.rules[request.rule_id]
        _require_create(bench, given_body(bench, request.body), rule, request.tag)

    for label, requests in classes.items():
        bench.for_all(requests, judge, _FEW if _BULKY in label else _PER_CLASS)


def _accepts_valid(bench: Bench) -> None:
    """Within the limits: what lies on them has properties of its own."""
    plain: Mapping[str, object] = {"prompt": "two cats at sea, é漢😀", "n": 2, "aspect_ratio": "3:2"}
    for name in (None, *plain):
        given = {} if name is None else {name: plain[name]}
        body = given_body(bench, smallest_body(bench, **given))
        _require_create(bench, body)


def _require_create(bench: Bench, body: dict[str, object], rule: Rule | None = None, tag: str = "") -> None:
    attempt = _submit(bench, body)
    if not attempt.creates:
        fault("a create on the wire", attempt, rule=rule, tag=tag)


def _passes_refusals_on(bench: Bench) -> None:
    def judge(request: InvalidRequest) -> None:
        bench.play(creates=[refused(bench.gateway, Situation.INVALID)], accepts=False)
        attempt = bench.submit(given_body(bench, request.body))
        if attempt.error is None or attempt.overdue:
            fault("an error, as the service refused the request", attempt)

    for classes in _by_rule(_invalid(bench.gateway), bench.operation, bench.adapter.fields).values():
        for label, requests in classes.items():
            if _BULKY not in label:
                bench.for_all(requests, judge, _FEW)


def _encodes_exactly(field: Field, bench: Bench) -> None:
    """The field alone, beside the required one; and left out."""
    values = st.just(None) if field.required else st.none() | valid_values(field)
    if field.required:
        requests = valid_values(field).map(lambda value: smallest_body(bench) | {field.name: value})
    else:
        requests = values.map(lambda value: smallest_body(bench) | _unless_none(field.name, value))

    def judge(body: dict[str, object]) -> None:
        for reading in _readings(bench, body):
            wanted, got = (_meaning(field, each) for each in (bench.operation.read(body), reading))
            if wanted != got:
                fault(f"{field.name} as it was given ({_brief(wanted)})", _brief(got))

    _for_all_sent(bench, requests, judge)


def _for_all_sent(
    bench: Bench, bodies: st.SearchStrategy[dict[str, object]], check: Callable[[dict[str, object]], None]
) -> None:
    """Check bodies that are sent. That valid ones are is another property, and this one is void without."""
    before = bench.creates
    bench.for_all(bodies, check)
    if bench.creates == before:
        raise Inconclusive("no create was sent: see client.accepts_valid")


def _unless_none(name: str, value: object) -> dict[str, object]:
    return {} if value is None else {name: value}


def _readings(bench: Bench, body: dict[str, object]) -> list[Reading]:
    """What the service reads in each create."""
    return [bench.operation.read(sent.json()) for sent in _submit(bench, body).creates]


def _meaning(field: Field, reading: Reading) -> object:
    """What the service takes a field for: its value, or its pictures in order."""
    pictures = [
        (picture.field, picture.url, picture.data)
        for picture in reading.pictures
        if picture.field.partition("[")[0] in (field.name, *field.aliases)
    ]
    return pictures or reading.values.get(field.name)


def _brief(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _adds_nothing(bench: Bench) -> None:
    def judge(body: dict[str, object]) -> None:
        for reading in _readings(bench, body):
            if reading.ignored:
                names = ", ".join(path for path, *_ in reading.ignored)
                fault("the fields given and no others", f"also {names}")

    _for_all_sent(bench, valid_bodies(bench), judge)


def _omits_unset(bench: Bench) -> None:
    def judge(body: dict[str, object]) -> None:
        for sent in _submit(bench, body).creates:
            wire = cast("Body", sent.json())
            aliases = {alias: each.name for each in bench.operation.fields for alias in each.aliases}
            empty = [
                name for name, value in wire.items()
                if (value is None or value == "") and aliases.get(name, name) not in body
            ]  # fmt: skip
            if empty:
                fault("what was not given to be left out", f"{empty[0]} sent as {wire[empty[0]]!r}")

    _for_all_sent(bench, valid_bodies(bench), judge)


def _addresses_create(bench: Bench) -> None:
    attempt = _submit(bench, smallest_body(bench))
    if not attempt.creates:
        fault("a create on the wire", attempt)
    wanted = bench.gateway.create_path
    for sent in attempt.creates:
        if sent.target != wanted:
            fault(f"POST {wanted}", f"POST {sent.target}")
        kind = sent.header("content-type").partition(";")[0].strip().lower()
        if kind != "application/json":
            fault("Content-Type: application/json", kind or "no Content-Type")
        _require_bearer(sent.header("authorization"))


def _addresses_query(bench: Bench) -> None:
    for task_id in (task(TaskStatus.SUBMITTED).task_id, "CjNQtmctxFMAAAAAAGZ1Vw"):
        bench.play(queries=[shown(task(TaskStatus.PROCESSING, task_id=task_id))])
        attempt = bench.query(task_id)
        if not attempt.queries:
            fault("a query on the wire", attempt)
        wanted = f"{bench.gateway.create_path}/{task_id}"
        for sent in attempt.queries:
            if sent.path != wanted:
                fault(f"GET {wanted}", f"GET {sent.path}")
            _require_bearer(sent.header("authorization"))


def _require_bearer(value: str) -> None:
    scheme, _, key = value.partition(" ")
    if scheme.lower() != "bearer" or key.strip() != KEY:
        fault("Authorization: Bearer <the key>", value.replace(KEY, "<the key>") or "no Authorization")

