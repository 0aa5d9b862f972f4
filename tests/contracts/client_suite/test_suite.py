"""Use of the client suite: ids, skipping, reports, and errors in its arguments."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from kling_contracts.client_suite import ClientAdapter, Outcome, Service, client_suite, list_properties
from kling_contracts.client_suite import harness as harness_module
from kling_contracts.client_suite.credentials import KEY
from kling_contracts.client_suite.harness import Inconclusive, Property
from kling_contracts.client_suite.properties import waiting as waiting_module
from kling_contracts.client_suite.suite import check_property
from kling_contracts.gateways import COMETAPI, KLING, Gateway
from tests.contracts.client_suite.plain_client import Body, Data, PlainClient, Refused
from tests.rows import thinned

test_a_plain_client_at_kling = thinned(client_suite(PlainClient(), gateway=KLING, examples=5), 4)


def cases(test: Any) -> dict[str, Any]:
    """The items of a suite, by id."""
    (mark,) = test.pytestmark
    return {case.id: case for case in mark.args[1]}


def one(name: str, adapter: ClientAdapter, gateway: Gateway = COMETAPI) -> Property:
    (found,) = (each for each in list_properties(adapter, gateway) if each.id == f"client.{name}")
    return found


def report(name: str, adapter: ClientAdapter, request: pytest.FixtureRequest) -> str:
    return check_property(one(name, adapter), adapter, COMETAPI, request, examples=5)


def test_ids_are_unique_and_have_a_common_prefix() -> None:
    for gateway in (COMETAPI, KLING):
        ids = [each.id for each in list_properties(PlainClient(), gateway)]
        assert len(ids) == len(set(ids)) > 100
        assert all(each.startswith("client.") for each in ids)


def test_properties_are_skipped_by_id_or_by_name_with_a_reason() -> None:
    skipped = {"client.pauses": "it hammers", "client.reads": "it is write-only"}
    items = cases(client_suite(PlainClient(), skip=skipped))
    reasons = {name: [mark.kwargs["reason"] for mark in item.marks] for name, item in items.items()}
    assert reasons["client.pauses[running]"] == ["it hammers"]
    assert reasons["client.reads[plain]"] == reasons["client.reads[null]"] == ["it is write-only"]
    assert reasons["client.reads_created[plain]"] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"skip": {"zzz": "reason"}}, "skip: unknown property 'zzz'; known: client.accepts_valid"),
        ({"skip": {"client.paus": "reason"}}, "unknown property 'client.paus'; did you mean 'client.pauses"),
        ({"skip": {"client.reads[nul]": "reason"}}, r"'client\.reads\[nul\]'; did you mean 'client\.reads"),
        ({"examples": 0}, "examples: must be at least 1, not 0"),
    ],
)
def test_invalid_arguments_are_refused(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        client_suite(PlainClient(), **options)


class SendsFew(PlainClient):
    """Supports two fields, and fails with any other."""

    fields = ("subject_image_list", "prompt")

    def encode(self, request: Body) -> Body:
        assert request.keys() <= set(self.fields)
        return request


def test_a_client_is_given_the_fields_that_it_can_send(request: pytest.FixtureRequest) -> None:
    found = {each.id: each for each in list_properties(SendsFew())}
    assert "client.sends_only_valid[prompt.max_length]" in found
    assert "client.sends_only_valid[subject_image.base64]" in found
    assert not [name for name in found if "aspect_ratio" in name or "body.unicode" in name]
    assert found["client.no_second_create[external_task_id]"].skip == (
        "the client does not send external_task_id"
    )
    for name in ("accepts_valid", "encodes_exactly", "omits_unset", "encodes_exactly[prompt]"):
        assert report(name, SendsFew(), request) == ""


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (("subject_image_list", "seed"), "unknown field 'seed'; known: subject_image_list, model_name"),
        (("subject_image_list", "promt"), r"unknown field 'promt'; did you mean 'prompt'\?"),
        (("prompt",), "fields: must include the required field subject_image_list"),
    ],
)
def test_fields_are_those_of_the_contract(fields: tuple[str, ...], message: str) -> None:
    adapter = PlainClient()
    adapter.fields = fields
    with pytest.raises(ValueError, match=message):
        client_suite(adapter)


class LetsTheServiceRefuse(PlainClient):
    validates_locally = False

    def check(self, service: Service, request: Body) -> None:
        pass


class SwallowsRefusals(LetsTheServiceRefuse):
    def create(self, service: Service, request: Body) -> Data:
        try:
            return super().create(service, request)
        except Refused:
            return {"task_id": "1"}


def test_without_local_validation_the_refusal_has_to_reach_the_caller(request: pytest.FixtureRequest) -> None:
    """This property replaces those of refusals before sending."""
    names = {each.name for each in list_properties(LetsTheServiceRefuse())}
    assert "client.sends_only_valid" not in names
    assert report("passes_refusals_on", LetsTheServiceRefuse(), request) == ""
    assert "expected  an error, since the service refused" in report(
        "passes_refusals_on", SwallowsRefusals(), request
    )


class SendsAnything(LetsTheServiceRefuse):
    validates_locally = True


def test_a_report_contains_example_expectation_request_and_rule(request: pytest.FixtureRequest) -> None:
    """The example is the smallest, and the key is replaced."""
    text = report("sends_only_valid[n.maximum]", SendsAnything(), request)
    lines = dict(line.split(maxsplit=1) for line in text.splitlines()[1:] if not line.startswith("   "))
    assert text.startswith("client.sends_only_valid[n.maximum]: a request that breaks this rule is refused")
    assert lines["expected"] == "an error, and no request"
    assert lines["seen"].startswith('POST /kling/v1/images/generations {"subject_image_list"')
    assert "'n': 10}" in lines["given"]
    assert lines["rule"].startswith("n.maximum: n ")
    assert lines["source"] == "official: Kling, Multi-Image to Image (high confidence)"
    assert KEY not in text


class Fickle(PlainClient):
    """Fails once."""

    used = False

    def encode(self, request: Body) -> Body:
        fails, self.used = not self.used, True
        return request | {"n": 3} if fails else request


def test_a_fault_that_occurs_once_is_reported_too(request: pytest.FixtureRequest) -> None:
    assert "not every time" in report("encodes_exactly[n]", Fickle(), request)


class ReturnsTheWire(PlainClient):
    def query(self, service: Service, task_id: str) -> Any:
        return self.ask(service, task_id)


def test_an_adapter_that_returns_another_type_is_reported(request: pytest.FixtureRequest) -> None:
    text = report("reads[plain]", ReturnsTheWire(), request)
    assert "expected  an Outcome, returned by the adapter's query" in text


class RefusesAll(PlainClient):
    def check(self, service: Service, request: Body) -> None:
        raise ValueError("no")

    def read(self, data: Data) -> Outcome:
        raise ValueError("no")


def test_a_property_that_depends_on_a_broken_one_is_inconclusive(request: pytest.FixtureRequest) -> None:
    """It neither passes nor fails; the broken property fails."""
    for name in ("encodes_exactly[n]", "omits_unset", "reads[null]", "reads_created[null]"):
        with pytest.raises(Inconclusive, match=r"see client\."):
            report(name, RefusesAll(), request)
    for broken in ("accepts_valid", "reads[plain]", "reads_created[plain]"):
        assert "ValueError: no" in report(broken, RefusesAll(), request)


class InRealTime(PlainClient):
    virtual_time = False
    pause = 0.01


class ForeverInRealTime(InRealTime):
    def wait(self, service: Service, task_id: str, deadline: float) -> Outcome:
        while True:
            self.look(service, task_id)


def test_a_client_in_real_time_is_held_to_its_deadline(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An endless client is stopped."""
    monkeypatch.setattr(waiting_module, "REAL_DEADLINE", 0.05)
    monkeypatch.setattr(harness_module, "MANY", 50)
    assert "client.keeps_deadline[slow-replies]" not in {each.id for each in list_properties(InRealTime())}
    assert report("keeps_deadline[held]", InRealTime(), request) == ""
    assert "a call that the suite stopped" in report("keeps_deadline[held]", ForeverInRealTime(), request)


def test_in_pytest_an_item_fails_skips_or_passes(pytester: pytest.Pytester) -> None:
    """A failure shows the report only, without a traceback."""
    pytester.makepyfile(
        """
        from kling_contracts.client_suite import client_suite
        from tests.contracts.client_suite.plain_client import PlainClient

        class Mine(PlainClient):
            pause = 0.01
            def query(self, service, task_id):
                raise ValueError("no")

        test_mine = client_suite(Mine(), skip={"client.reads[null]": "not yet"})
        """
    )
    run = pytester.runpytest_inprocess(
        *("--disable-plugin-autoload", "-p", "no:cacheprovider"), "-rs", "-k", "reads[ or pauses or ends_at"
    )
    outcome = run.parseoutcomes()
    assert outcome["failed"] == 3
    assert outcome["passed"] == 4
    run.stdout.fnmatch_lines(
        ["*client.pauses?running?: waiting for a running task sends at most 10 queries*"]
    )
    run.stdout.fnmatch_lines(["SKIPPED*not yet"])
    run.stdout.fnmatch_lines(["SKIPPED*the usual response is not parsed: see client.reads?plain?"])
    assert "def test" not in run.stdout.str()


def test_the_key_is_found_in_the_output_of_the_process(request: pytest.FixtureRequest) -> None:
    """Also in output that does not use `sys.stdout` or `sys.stderr`."""

    class WritesToTheDescriptor(PlainClient):
        def headers(self, service: Service) -> dict[str, str]:
            headers = super().headers(service)
            os.write(2, str(headers).encode())
            return headers

    text = report("key_stays_secret[output]", WritesToTheDescriptor(), request)
    assert "<the key>" in text
    assert KEY not in text


def test_the_time_functions_are_restored(request: pytest.FixtureRequest) -> None:
    before = (time.sleep, time.time, time.monotonic)
    report("keeps_deadline[held]", PlainClient(), request)
    assert (time.sleep, time.time, time.monotonic) == before


class IgnoresTheBaseUrl(PlainClient):
    def create(self, service: Service, request: Body) -> Data:
        return self.call(service, "POST", "http://api.cometapi.com/kling/v1/images/generations", b"{}")


def test_a_client_that_ignores_the_base_url_does_not_reach_the_service(
    request: pytest.FixtureRequest,
) -> None:
    """The host names of the paid service do not resolve during a test."""
    text = report("accepts_valid", IgnoresTheBaseUrl(), request)
    assert "api.cometapi.com is the real service, which bills tasks; the client must use" in text


def test_no_proxy_is_used_for_loopback(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    class RecordsTheVariable(PlainClient):
        def create(self, service: Service, request: Body) -> Data:
            seen.append(os.environ["NO_PROXY"])
            return super().create(service, request)

    monkeypatch.setenv("NO_PROXY", "example.com")
    assert report("accepts_valid", RecordsTheVariable(), request) == ""
    assert set(seen) == {"127.0.0.1,localhost,example.com"}
    assert os.environ["NO_PROXY"] == "example.com"
