"""From an adapter to a parametrised pytest test: one item for each property."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping

import pytest

from kling_contracts.client_suite.adapter import ClientAdapter
from kling_contracts.client_suite.addressing import addressing
from kling_contracts.client_suite.bench import Bench, Broken, Inconclusive, Property
from kling_contracts.client_suite.encoding import encoding
from kling_contracts.client_suite.manners import manners
from kling_contracts.client_suite.paying import paying
from kling_contracts.client_suite.place import Place
from kling_contracts.client_suite.reading import reading
from kling_contracts.client_suite.receipts import receipts
from kling_contracts.client_suite.refusals import refusals
from kling_contracts.client_suite.secrecy import secrecy
from kling_contracts.client_suite.tokens import KEY, SECRET_KEY
from kling_contracts.client_suite.validity import validity
from kling_contracts.client_suite.waiting import waiting
from kling_contracts.client_suite.ways_out import WAYS_OUT
from kling_contracts.gateways import COMETAPI, Gateway

DEFAULT_EXAMPLES = 20
_SHOWN = 1500
_CASE = 200

Test = Callable[[Property, pytest.FixtureRequest], None]


def client_suite(
    adapter: ClientAdapter,
    *,
    gateway: Gateway = COMETAPI,
    skip: Mapping[str, str] | None = None,
    examples: int = DEFAULT_EXAMPLES,
) -> Test:
    """A test to assign to a name that begins with `test_`; it has one item for each property.

    `skip` says why properties do not apply, by id, or by what is before the bracket for all of a name.
    `examples` is how many values are tried where a property is about many. Raises ValueError for ids that
    there are not, and for `fields` that the contract does not have.
    """
    reasons = dict(skip or {})
    cases = list(properties(adapter, gateway))
    known = {each.id for each in cases} | {each.name for each in cases}
    unknown = sorted(reasons.keys() - known)
    if unknown:
        raise ValueError(f"there is no property {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    if examples < 1:
        raise ValueError(f"examples must be at least 1, not {examples}")

    place = Place()

    def test(client_property: Property, request: pytest.FixtureRequest) -> None:
        request.config.add_cleanup(place.close)  # after the run: clients may keep what they opened until then
        try:
            report = look(client_property, Bench(adapter, gateway, place, request, examples))
        except Inconclusive as inconclusive:
            pytest.skip(str(inconclusive))
        if report:
            pytest.fail(report, pytrace=False)

    marked = [
        pytest.param(
            each,
            id=each.id,
            marks=[pytest.mark.skip(reason=reason)] if (reason := _reason(each, reasons)) else [],
        )
        for each in cases
    ]
    return pytest.mark.parametrize("client_property", marked)(test)


def properties(adapter: ClientAdapter, gateway: Gateway = COMETAPI) -> Iterator[Property]:
    """All properties that apply to a client, in the order of a task's life. Raises ValueError."""
    _check_fields(adapter, gateway)
    yield from validity(adapter, gateway)
    yield from encoding(adapter, gateway)
    yield from addressing(gateway)
    yield from receipts()
    yield from refusals(gateway)
    yield from reading()
    yield from waiting(adapter)
    yield from manners(adapter)
    yield from paying(adapter)
    yield from secrecy(adapter)


def judge(
    wanted: Property,
    adapter: ClientAdapter,
    gateway: Gateway,
    request: pytest.FixtureRequest,
    *,
    examples: int = DEFAULT_EXAMPLES,
) -> str:
    """What is wrong where one property does not hold, nothing where it does. Raises Inconclusive."""
    with Place() as place:
        return look(wanted, Bench(adapter, gateway, place, request, examples))


def look(wanted: Property, bench: Bench) -> str:
    """The same at a bench that is there."""
    try:
        with bench:
            wanted.check(bench)
    except Broken as broken:
        return render(wanted, broken)
    return ""


def render(wanted: Property, broken: Broken) -> str:
    """What is wrong, for somebody who has not read the suite."""
    rule = broken.rule
    source = rule.source if rule is not None else wanted.source
    rows = {
        "expected": broken.expected,
        "seen": broken.seen,
        "given": "" if broken.given is None else _shown(broken.given),
        "case": textwrap.shorten(broken.tag, _CASE, placeholder=" ..."),
        "rule": "" if rule is None else f"{rule.id}: {rule.sentence}",
        "source": f"{source} ({source.confidence} confidence)",
        "way out": WAYS_OUT[wanted.name],
    }
    lines = [f"{wanted.id}: {wanted.sentence}"]
    lines += [f"  {name:<9} {_indented(text)}" for name, text in rows.items() if text]
    return "\n".join(lines).replace(KEY, "<the key>").replace(SECRET_KEY, "<the secret key>")


def _reason(wanted: Property, reasons: Mapping[str, str]) -> str:
    return reasons.get(wanted.id) or reasons.get(wanted.name) or wanted.skip


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"


def _indented(text: str) -> str:
    return textwrap.indent(text, " " * 12).strip()


def _check_fields(adapter: ClientAdapter, gateway: Gateway) -> None:
    if adapter.fields is None:
        return
    operation = gateway.main
    names = [field.name for field in operation.fields]
    unknown = sorted(set(adapter.fields) - set(names))
    if unknown:
        raise ValueError(f"no such field: {', '.join(unknown)}; {gateway.title} has {', '.join(names)}")
    missing = [each.name for each in operation.fields if each.required and each.name not in adapter.fields]
    if missing:
        raise ValueError(f"fields lacks {', '.join(missing)}, without which there is no request")
