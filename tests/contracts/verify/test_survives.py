"""For any responses of a server, a run ends with a report that can be rendered, recorded and judged again."""

import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast
from xml.etree import ElementTree as ET

import httpx
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from kling_contracts.gateways import COMETAPI, GATEWAYS, Gateway
from kling_contracts.registry import judge_recording
from kling_contracts.verify.recorder import write_recording
from kling_contracts.verify.reports import html_report, json_report, junit, terminal
from kling_contracts.verify.runner import Unreachable
from tests.contracts.verify.conftest import PLAIN_KEY, SECOND_KEY, SIGNING_KEY, Campaign, Outcome
from tests.contracts.verify.faulty_servers.base import Behind, Fault, FaultyServer
from tests.contracts.verify.faulty_servers.messages import Object, Request, Response, images_of
from tests.contracts.verify.faulty_servers.tasks import EveryTask
from tests.profiles import share
from tests.rows import some_rows

ODD_VALUES = cast(
    "tuple[object, ...]",
    (
        *(None, True, False, 0, -1, 2**63, 1e300, "", "succeed", "\ud800"),
        *("http://[::1", "h\N{FULLWIDTH COLON}/\0", "9" * 5000, float("nan")),
        *([], {}, [None], {"a": 1}, [[[]]]),
    ),
)
ODD_CONTENT = (
    b"",
    b"null",
    b"[]",
    b"\xff\xfe{",
    b"{" * 100_000,
    b'{"code":' + b"9" * 5000 + b"}",
    b'{"code":1e999}',
)
STATUSES = (200, 202, 204, 206, 299, 301, 400, 401, 403, 404, 422, 429, 500, 503, 599)
BREAKS = (httpx.ReadError, httpx.RemoteProtocolError, httpx.ReadTimeout, httpx.ConnectError)


class Babbling(FaultyServer):
    """Changes a fraction of all responses at random: values, members, whole bodies, statuses, connections."""

    def __init__(self, behind: Behind, seed: int, part: float) -> None:
        super().__init__(behind)
        self._chance = random.Random(seed)
        self._part = part

    def _now(self, weight: float) -> bool:
        return self._chance.random() < self._part * weight

    def after(self, request: Request, response: Response) -> None:
        if self._now(0.5):
            raise self._chance.choice(BREAKS)("cut")
        if self._now(3):
            response.content = self._mutated(response.content)
        if self._now(1):
            response.status = self._chance.choice(STATUSES)
        if self._now(1):
            response.headers = {
                name: self._chance.choice([value, "", "x"]) for name, value in response.headers.items()
            }
        if self._now(0.3):
            response.content = self._chance.choice(ODD_CONTENT)

    def _mutated(self, content: bytes) -> bytes:
        try:
            return json.dumps(self._other(cast("object", json.loads(content)))).encode()
        except ValueError:
            return self._chance.randbytes(self._chance.randrange(400))

    def _other(self, value: object) -> object:
        if self._chance.random() < 0.15:
            return self._chance.choice(ODD_VALUES)
        if isinstance(value, dict):
            members = cast("dict[str, object]", value)
            kept = {name: each for name, each in members.items() if self._chance.random() > 0.15}
            return {name: self._other(each) for name, each in kept.items()}
        if isinstance(value, list):
            return [self._other(each) for each in cast("list[object]", value) if self._chance.random() > 0.15]
        return value


def babbling(seed: int, part: float) -> Fault:
    return Fault(
        name="babbling",
        catches="",
        description="Responses are changed at random.",
        make=lambda behind: Babbling(behind, seed, part),
    )


def shown(outcome: Outcome) -> str:
    """The text of all reports on a run; rendering must not fail."""
    narrow = io.BytesIO()
    out = io.TextIOWrapper(narrow, encoding="ascii")
    terminal.show_report(outcome.report, out=terminal.console(out))
    out.flush()
    xml = junit.render(outcome.report)
    ET.fromstring(xml)
    as_json = json_report.render(outcome.report)
    assert json.loads(as_json)
    return "\n".join((narrow.getvalue().decode("ascii"), xml, as_json, html_report.render(outcome.report)))


def judged_again(outcome: Outcome) -> set[str]:
    """The findings in the recording of a run."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.jsonl"
        write_recording(outcome.report, path)
        return {result.check.id for result in judge_recording(path, strict=True).findings}


@share(0.02, without=[HealthCheck.function_scoped_fixture])
@given(
    gateway=st.sampled_from(GATEWAYS),
    signed=st.booleans(),
    seed=st.integers(0, 2**32),
    part=st.sampled_from([0.002, 0.01, 0.05, 0.2, 0.5]),
)
def test_random_responses_do_not_break_a_run(
    light_campaign: Campaign, gateway: Gateway, signed: bool, seed: int, part: float
) -> None:
    try:
        outcome = light_campaign(gateway, babbling(seed, part), signed=signed, httpx=True)
    except Unreachable:  # the first responses were changed
        return
    text = shown(outcome)
    assert not any(key in text for key in (PLAIN_KEY, SECOND_KEY, SIGNING_KEY, SIGNING_KEY.partition(":")[2]))
    assert judged_again(outcome) == outcome.found
    limit = outcome.report.run_info.limit
    assert limit is not None
    assert outcome.report.run_info.images <= limit


def _in_id(task: Object) -> None:
    task["task_id"] = f"{task['task_id']}\ud800"


def _in_url(task: Object) -> None:
    for image in images_of(task):
        image["url"] = "http://h\N{FULLWIDTH COLON}/\0"


@some_rows(
    ("mislead", "found"),
    [(_in_id, "responses.always"), (_in_url, "result_images.downloadable")],
    usual=2,
)
def test_an_unusable_id_or_url_is_a_finding(
    light_campaign: Campaign, mislead: Callable[[Object], None], found: str
) -> None:
    """Counterexamples: an id with a lone surrogate, and a URL with characters that ASCII lacks."""

    class Misleading(EveryTask):
        def mutate(self, task: Object) -> None:
            mislead(task)

    misleading = Fault(name="misleading", catches="", description="Tasks have odd strings.", make=Misleading)
    outcome = light_campaign(COMETAPI, misleading, httpx=True)
    assert found in outcome.found
    assert shown(outcome)
