"""Makes a parametrised pytest test from an adapter: one item for each property."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping

import pytest

from kling_contracts.client_suite.adapter import ClientAdapter
from kling_contracts.client_suite.credentials import KEY, SECRET_KEY
from kling_contracts.client_suite.environment import Environment
from kling_contracts.client_suite.harness import Broken, Harness, Inconclusive, Property
from kling_contracts.client_suite.properties.billing import billing
from kling_contracts.client_suite.properties.errors import refusals
from kling_contracts.client_suite.properties.etiquette import etiquette
from kling_contracts.client_suite.properties.requests import addressing, encoding
from kling_contracts.client_suite.properties.responses import reading, receipts
from kling_contracts.client_suite.properties.secrets import secrets
from kling_contracts.client_suite.properties.validation import validation
from kling_contracts.client_suite.properties.waiting import waiting
from kling_contracts.gateways import COMETAPI, Gateway
from kling_contracts.suggestions import did_you_mean

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
    """A test function with one item for each property; assign it to a name that begins with `test_`.

    - `skip`: reasons to skip properties, by id, or by name (the id before the bracket) for all of that name.
    - `examples`: the number of values tried for a property that holds for many values.

    Raises ValueError for an unknown id in `skip` and for an unknown field in `adapter.fields`.
    """
    reasons = dict(skip or {})
    cases = list(list_properties(adapter, gateway))
    known = {each.id for each in cases} | {each.name for each in cases}
    for name in reasons.keys() - known:
        raise ValueError(f"skip: unknown property {name!r}; {did_you_mean(name, sorted(known))}")
    if examples < 1:
        raise ValueError(f"examples: must be at least 1, not {examples}")

    environment = Environment()

    def test(client_property: Property, request: pytest.FixtureRequest) -> None:
        # At the end of the run, because clients may keep connections open between tests.
        request.config.add_cleanup(environment.close)
        try:
            report = report_on(client_property, Harness(adapter, gateway, environment, request, examples))
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


def list_properties(adapter: ClientAdapter, gateway: Gateway = COMETAPI) -> Iterator[Property]:
    """All properties that apply to a client, from creating a task to its end.

    Raises ValueError for an unknown field in `adapter.fields`.
    """
    _check_fields(adapter, gateway)
    yield from validation(adapter, gateway)
    yield from encoding(adapter, gateway)
    yield from addressing(gateway)
    yield from receipts()
    yield from refusals(gateway)
    yield from reading()
    yield from waiting(adapter)
    yield from etiquette(adapter)
    yield from billing(adapter)
    yield from secrets(adapter)


def check_property(
    wanted: Property,
    adapter: ClientAdapter,
    gateway: Gateway,
    request: pytest.FixtureRequest,
    *,
    examples: int = DEFAULT_EXAMPLES,
) -> str:
    """Check one property in a new environment; see `report_on`."""
    with Environment() as environment:
        return report_on(wanted, Harness(adapter, gateway, environment, request, examples))


def report_on(wanted: Property, harness: Harness) -> str:
    """Check one property; return a report, empty if it holds. Raises Inconclusive."""
    try:
        with harness:
            wanted.check(harness)
    except Broken as broken:
        return render(wanted, broken)
    return ""


def render(wanted: Property, broken: Broken) -> str:
    """The report about a broken property, understandable without knowledge of the suite."""
    rule = broken.rule
    source = rule.source if rule is not None else wanted.source
    rows = {
        "expected": broken.expected,
        "seen": broken.seen,
        "given": "" if broken.given is None else _shown(broken.given),
        "case": textwrap.shorten(broken.tag, _CASE, placeholder=" ..."),
        "rule": "" if rule is None else f"{rule.id}: {rule.sentence}",
        "source": f"{source} ({source.confidence} confidence)",
        "hint": wanted.hint,
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
    for name in set(adapter.fields) - set(names):
        raise ValueError(f"fields: unknown field {name!r}; {did_you_mean(name, names)}")
    missing = [each.name for each in operation.fields if each.required and each.name not in adapter.fields]
    if missing:
        raise ValueError(f"fields: must include the required field {', '.join(missing)}")
