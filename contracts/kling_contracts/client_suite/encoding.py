"""Properties of how a client sends: exactly what was given, where it belongs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, cast

from hypothesis import strategies as st

from kling_contracts.client_suite.adapter import ClientAdapter
from kling_contracts.client_suite.bench import Bench, Inconclusive, Property, fault
from kling_contracts.client_suite.bodies import sent_body, smallest_body, submit, valid_bodies
from kling_contracts.composite_fields import AnyField
from kling_contracts.gateways import Gateway
from kling_contracts.rules import Reading
from kling_contracts.strategies import Body
from kling_contracts.strategies.fields import valid_values
from kling_contracts.vocabulary import SEED

# The same picture twice is two pictures.
_REPEATED: Final = [{"subject_image": f"https://example.com/{name}.png"} for name in ("cat", "dog", "cat")]


def encoding(adapter: ClientAdapter, gateway: Gateway) -> Iterator[Property]:
    """The properties of requests as they arrive."""
    operation = gateway.main
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
        sentence="a field that was not given is left out, or says nothing: null, an empty text, its default",
        source=SEED,
        check=_omits_unset,
    )


def _encodes_exactly(field: AnyField, bench: Bench) -> None:
    """The field alone, beside the required one; and left out, or with its default, which say the same."""
    other: st.SearchStrategy[object] = st.just(_REPEATED) if field.required else st.none()
    values = other | valid_values(field)
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
    return [bench.operation.read(sent_body(sent)) for sent in submit(bench, body).creates]


def _meaning(field: AnyField, reading: Reading) -> object:
    """What the service takes a field for: its value, or its pictures in order."""
    pictures = [
        (picture.field, picture.url, picture.data)
        for picture in reading.pictures
        if picture.field.partition("[")[0] in (field.name, *field.aliases)
    ]
    return pictures or reading.values.get(field.name, field.default)


def _is_left_out(field: AnyField, reading: Reading) -> bool:
    """Whether to the service it is as if a field were not there."""
    broken = any(violation.rule in field.rules for violation in reading.violations)
    return not broken and _meaning(field, reading) == field.default


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
            wire = sent_body(sent)
            reading = bench.operation.read(wire)
            for field in bench.operation.fields:
                if field.name not in body and not _is_left_out(field, reading):
                    got = cast("Body", wire).get(field.name)
                    fault("what was not given to be left out", f"{field.name} sent as {_brief(got)}")

    _for_all_sent(bench, valid_bodies(bench), judge)
