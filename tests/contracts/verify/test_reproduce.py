"""The scripts of a report, curl and httpx, send the requests of the run."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kling_contracts.cases.images import bulky
from kling_contracts.gateways import COMETAPI
from kling_contracts.registry import checks_of
from kling_contracts.verify.bodies import minimal, subjects
from kling_contracts.verify.credentials import MUTATED_KEYS
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import KEY_MARK, SECOND_KEY_MARK, Exchange
from kling_contracts.verify.model import Failure
from kling_contracts.verify.probes import Probe, ProbeKind
from kling_contracts.verify.repro import Reproduction, lengths, reproduce
from kling_contracts.verify.session import KEPT_BYTES, _cut, encode
from kling_contracts.vocabulary import API_KEY_VARIABLE, SECOND_API_KEY_VARIABLE
from kling_mock import Fake
from tests.rows import some_rows

KEY, SECOND = "sk-One-secret", "sk-two-secret"
OPERATION = COMETAPI.main
CREATE = COMETAPI.create_path


class Heard(NamedTuple):
    method: str
    path: str
    key: str | None
    body: bytes


@pytest.fixture(scope="module")
def listener() -> Iterator[tuple[str, list[Heard]]]:
    heard: list[Heard] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            heard.append(Heard(self.command, self.path, self.headers.get("authorization"), body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        do_POST = do_DELETE = do_GET  # noqa: N815 -- the names that the library requires

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", heard
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(API_KEY_VARIABLE, KEY)
    monkeypatch.setenv(SECOND_API_KEY_VARIABLE, SECOND)
    monkeypatch.chdir(tmp_path)


def exchange(
    method: str, target: str, body: bytes = b"", key: str | None = f"Bearer {KEY_MARK}", about: str = ""
) -> Exchange:
    headers = () if key is None else (("authorization", key),)
    return Exchange(
        number=0,
        probe=Probe(ProbeKind.REFUSE, about),
        credential="first",
        method=method,
        target=target,
        headers=(*headers, ("content-type", "application/json")) if method == "POST" else headers,
        body=body if len(body) <= KEPT_BYTES else encode(_cut(json.loads(body))),
        sent_at=0.0,
        received_at=0.0,
        status=400,
    )


def pasted(shown: Exchange, base_url: str) -> Reproduction:
    return reproduce(
        checks_of(COMETAPI)[0], Failure("", "", "", (shown,)), Evidence(exchanges=[shown]), base_url
    )


def in_python(code: str) -> str:
    with redirect_stdout(StringIO()) as printed:
        scope: dict[str, Any] = {}
        exec(code, scope)
        if "http" in scope:
            scope["http"].close()  # in a user's process, the exit closes it
    return printed.getvalue()


def in_shell(lines: str) -> str:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    done = subprocess.run(["sh", "-euc", lines], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


BODIES = {
    "long prompt": encode(minimal(OPERATION) | {"prompt": "a" * 2501}),
    "quotes": encode({"prompt": 'it\'s "$HOME" `ls` \\ !'}),
    "astral": encode({"prompt": "🚀" * 9}),
    "escapes": encode({"prompt": "🚀é"}, escaped=True),
    "hidden": encode({"prompt": "a\x7f\u200f\ufeff\uffff"}),
    "surrogate": encode({"prompt": "\ud800"}),
    "10 MB": encode({"subject_image_list": subjects(OPERATION, bulky(10_485_761))}),
    "invalid UTF-8": b'{"prompt": "\xff\x00"}',
    "nesting": b"[" * 50_000,
    "nothing": b"",
    "words": b"@file=a+boat",
}


@some_rows("tag", BODIES, usual=BODIES.keys() - {"10 MB"})
def test_bodies_are_sent_unchanged(tag: str, listener: tuple[str, list[Heard]]) -> None:
    base_url, heard = listener
    both = pasted(exchange("POST", CREATE, BODIES[tag]), base_url)
    for run, code in ((in_shell, both.curl), (in_python, both.httpx)):
        heard.clear()
        run(code)
        ((method, path, key, body),) = heard
        assert (method, path, key) == ("POST", CREATE, f"Bearer {KEY}")
        # The httpx script has other blanks in JSON, the curl script escapes hidden characters.
        same = run is in_python or tag == "hidden"
        assert body == BODIES[tag] or (same and json.loads(body) == json.loads(BODIES[tag]))


TARGETS = (f"{CREATE}/..%2F..", f"{CREATE}/a%0D%0Ab", f"{CREATE}?pageNum=1&pageSize=2", f"{CREATE}/%27%20OR")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_targets_are_sent_unchanged(method: str, target: str, listener: tuple[str, list[Heard]]) -> None:
    base_url, heard = listener
    both = pasted(exchange(method, target), base_url)
    for run, code in ((in_shell, both.curl), (in_python, both.httpx)):
        heard.clear()
        run(code)
        assert [each[:2] for each in heard] == [(method, target)]


KEYS = {
    "none": (None, None),
    "empty": ("", ""),
    "no scheme": (KEY_MARK, KEY),
    "second": (f"Bearer {SECOND_KEY_MARK}", f"Bearer {SECOND}"),
    **{it.name: (f"Bearer {it.mark}", f"Bearer {it.make(KEY)}") for it in MUTATED_KEYS},
}


@pytest.mark.parametrize("name", KEYS)
def test_mutated_keys_are_derived_from_the_valid_one(name: str, listener: tuple[str, list[Heard]]) -> None:
    base_url, heard = listener
    mark, sent = KEYS[name]
    both = pasted(exchange("GET", f"{CREATE}/1", key=mark), base_url)
    for run, code in ((in_shell, both.curl), (in_python, both.httpx)):
        assert KEY not in code
        heard.clear()
        run(code)
        assert [each.key for each in heard] == [sent]


@pytest.mark.parametrize("form", ["1", "%31", "1?_=1"])
def test_a_script_creates_its_own_task(form: str) -> None:
    """The script repeats the create with another external id, and queries its task in the same form."""
    body = encode(minimal(OPERATION) | {"external_task_id": "kc-r1-first"})
    created = exchange("POST", CREATE, body)
    answer = json.dumps({"data": {"task_id": "1", "task_status": "submitted"}}).encode()
    created = replace(created, status=200, answer=answer)
    query = replace(exchange("GET", f"{CREATE}/{form}"), number=1, sent_at=0.142)
    evidence = Evidence(run="r1", exchanges=[created, query])
    with Fake(keys=[KEY], pace="instant").serve() as served:
        both = reproduce(checks_of(COMETAPI)[0], Failure("", "", "", (query,)), evidence, served.url)
        for run, code in ((in_shell, both.curl), (in_python, both.httpx)):
            assert "0.15" in code  # rounded up
            assert '"task_status":"succeed"' in run(code)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a", "prompt: 1 code points, 1 UTF-16 units, 1 bytes of UTF-8"),
        ("🚀", "prompt: 1 code points, 2 UTF-16 units, 4 bytes of UTF-8"),
        ("é" * 2501, "prompt: 2501 code points, 2501 UTF-16 units, 5002 bytes of UTF-8"),
    ],
)
def test_lengths_are_in_three_units(prompt: str, expected: str) -> None:
    shown = exchange("POST", CREATE, encode({"prompt": prompt}), about="prompt.max_length")
    assert lengths(shown, OPERATION) == expected
