"""Properties of how a client sends: exactly what was given, where it belongs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import cast

from hypothesis import strategies as st

from contracts.client_suite.adapter import ClientAdapter
from contracts.client_suite.bench import KEY, Bench, Inconclusive, Property, fault
from contracts.client_suite.bodies import smallest_body, submit, valid_bodies
from contracts.client_suite.scripts import shown, task
from contracts.field_strategies import valid_values
from contracts.fields import Field
from contracts.gateways import Gateway
from contracts.rules import Reading
from contracts.strategies import Body
from contracts.vocabulary import KLING_PAGE, SEED, TaskStatus


def encoding(adapter: ClientAdapter, gateway: Gateway) -> Iterator[Property]:
    """The properties of requests as they arrive."""
    operation = gateway.routes[0].operations[0]
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
    return [bench.operation.read(sent.json()) for sent in submit(bench, body).creates]


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
        for sent in submit(bench, body).creates:
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
    attempt = submit(bench, smallest_body(bench))
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
