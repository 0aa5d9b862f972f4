"""Requests that a process of their own parses: the same commands, whatever happens to the process."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
from typing import Any

import pytest

from kling_contracts.gateways import COMETAPI, KLING, Gateway
from kling_contracts.image_files import encoded, png
from kling_mock import Fake, ManualClock, Request, Settings
from kling_mock.doors.asgi import ASGIApp
from kling_mock.header_facts import header_facts
from kling_mock.heavy_requests import DENSE_MARKS, PLAIN_BYTES, ParsingProcesses, needs_process
from kling_mock.routing import parse_request
from kling_mock.service import NOTES_KEPT
from tests.rows import some_rows
from tests.trial_operations import TRIAL

SUBJECTS = [{"subject_image": encoded(png(300, 300))}, {"subject_image": "https://example.com/a.png"}]
KEY = ("authorization", "Bearer sk-heavy")


def request(path: str = COMETAPI.create_path, method: str = "POST") -> Request:
    return Request(method, path, headers=(KEY, ("host", "localhost")), origin="http://localhost")


STRICT = {"thumbnails": True, "strict_fields": True, "keys": ["a:b", "sk-heavy"]}

BODIES: dict[str, bytes] = {
    "good": json.dumps({"subject_image_list": SUBJECTS, "prompt": "größe 猫", "n": 2}).encode(),
    "failing": json.dumps({"subject_image_list": [{"subject_image": encoded(png(200, 200))}] * 2}).encode(),
    "unknown model": json.dumps({"subject_image_list": SUBJECTS, "model_name": "x"}).encode(),
    "no JSON": b"{",
    "empty": b"",
    "a surrogate": b'{"prompt": "\\ud800"}',
    "ignored": json.dumps({"subject_image_list": SUBJECTS, "x": 1, "y": 2}).encode(),
}


@some_rows("body", BODIES.values(), usual=2, ids=BODIES)
@pytest.mark.parametrize(("gateway", "switches"), [(COMETAPI, {}), (KLING, STRICT)], ids=["plain", "strict"])
def test_a_process_parses_as_we_do(body: bytes, gateway: Gateway, switches: dict[str, Any]) -> None:
    settings = Settings.of(switches)
    asked = request(gateway.create_path)
    parsed = ParsingProcesses().parse(asked, body, settings, 1.0)
    whole = Request(asked.method, asked.path, "", asked.headers, body, asked.origin)
    assert parsed is not None
    assert (parsed.command, parsed.token) == parse_request(whole, header_facts(whole.headers), settings, 1.0)
    assert (parsed.path, parsed.headers, parsed.body) == (asked.path, asked.headers, b"")


def test_notes_are_cut_to_those_that_are_kept() -> None:
    fields = {f"x{number}": 1 for number in range(500)}
    body = json.dumps({"subject_image_list": SUBJECTS, **fields}).encode()
    parsed = ParsingProcesses().parse(request(), body, Settings(), 1.0)
    assert parsed is not None
    notes = parsed.command.notes  # type: ignore[union-attr]
    assert (len(notes), notes[-1]) == (NOTES_KEPT, "and 451 more")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"a" * PLAIN_BYTES, False),
        (b"a" * (PLAIN_BYTES + 1), True),
        (b"," * DENSE_MARKS, False),
        (b"," * (DENSE_MARKS // 2) + b"\\" * (DENSE_MARKS // 2) + b"[", True),
    ],
)
def test_bodies_that_need_a_process(body: bytes, *, expected: bool) -> None:
    assert needs_process(body, Settings()) == expected


def test_thumbnails_are_made_in_a_process() -> None:
    assert needs_process(b"{}", Settings(thumbnails=True))
    assert not needs_process(b"", Settings(thumbnails=True))


def test_a_process_that_ends_early_gives_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was killed, for lack of memory say; no exception, no zombie."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert ParsingProcesses().parse(request(), b" " * 10_000_000, Settings(), 1.0) is None


DENSE = BODIES["good"][:-1] + b', "x": [' + b"0," * DENSE_MARKS + b"0]}"


@pytest.mark.parametrize(("executable", "status"), [("/bin/false", 413), ("/nowhere/python", 200)])
def test_without_a_process_there_is_an_answer_all_the_same(
    monkeypatch: pytest.MonkeyPatch, executable: str, status: int
) -> None:
    """A process that ends is like a body that is too large; where none starts, a thread does the work."""
    monkeypatch.setattr(sys, "executable", executable)
    fake = Fake(clock=ManualClock())
    asked = Request("POST", COMETAPI.create_path, headers=(KEY,), length=len(DENSE) + 300_000)

    async def script() -> int:
        app = ASGIApp(fake)
        return (await app.answer(fake, asked, DENSE)).status

    assert asyncio.run(script()) == status
    assert len(fake.tasks) == (status == 200)
    fake.check()


def test_declared_gateways_are_parsed_in_a_thread() -> None:
    with pytest.raises(ValueError, match="known to this process only"):
        ParsingProcesses().parse(request(), b"{}", Settings(gateways=(TRIAL,)), 1.0)


def test_processes_are_killed_at_the_end() -> None:
    processes = ParsingProcesses()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as sleeping:
        processes._running.add(sleeping)
        del processes
        gc.collect()
        assert sleeping.wait(10) != 0
