"""An example of a finding as something to paste: curl lines for a shell, a few lines of httpx.

What belongs to the run is made anew: the ids of tasks, which the creates of the sequence give, and external
ids, which may be used once. Keys are variables of the environment.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

from contracts.verify.check import Example, Shown
from contracts.verify.evidence import Evidence
from contracts.verify.exchange import Delivery, Exchange
from contracts.verify.pasting import RUN, Names, in_python, in_shell, literal
from contracts.verify.printable import printable
from contracts.verify.session import encode
from contracts.verify.shorthand import expression, in_texts, is_shortened, lengthen

# Larger bodies go by file.
LARGEST_INLINE: Final = 2048
_PAUSE: Final = 0.05
_TASK_ID: Final = r"""sed -E 's/.*"task_id": ?"([^"]+)".*/\1/'"""
_JSON_TYPE: Final = "application/json"


@dataclass(frozen=True)
class Reproduction:
    """`curl` and `httpx` are whole scripts. `lengths` tells of the text at fault, empty if there is none."""

    curl: str
    httpx: str
    lengths: str


def reproduce(example: Example, evidence: Evidence, base_url: str) -> Reproduction:
    """What shows an example once more."""
    seen = _with_creates(example.shown, evidence)
    names = Names.of(seen, evidence)
    requests = [_Request(each, names, base_url.rstrip("/")) for each in seen if isinstance(each, Exchange)]
    called = [each for each in seen if isinstance(each, Delivery)]
    return Reproduction(
        printable("\n".join(_curl(requests, called, names))),
        printable("\n".join(_httpx(requests, called, names, base_url.rstrip("/")))),
        lengths(example.shown[0]) if len(example.shown) == 1 else "",
    )


def lengths(shown: Shown) -> str:
    """How long the value at fault is, or the prompt: in code points, UTF-16 units, bytes of UTF-8."""
    if not isinstance(shown, Exchange):
        return ""
    asked = shown.asked_object
    for name in (shown.probe.about.partition(".")[0], "prompt"):
        value = asked.get(name)
        if isinstance(value, str):
            text = lengthen(value)
            units, size = (len(text.encode(it, "surrogatepass")) for it in ("utf-16-le", "utf-8"))
            return f"{name}: {len(text)} code points, {units // 2} UTF-16 units, {size} bytes of UTF-8"
    return ""


def _with_creates(shown: Sequence[Shown], evidence: Evidence) -> list[Shown]:
    """The sequence with the creates that made the tasks in it, in the order of time."""
    needed = {
        trace.created.number: trace.created
        for trace in evidence.traces()
        for each in shown
        if isinstance(each, Exchange) and trace.id in each.target.rpartition("/")[2].split("?")
    }
    own = {each.number: each for each in shown if isinstance(each, Exchange)}
    exchanges = [exchange for _, exchange in sorted((needed | own).items())]
    return [*exchanges, *(each for each in shown if isinstance(each, Delivery))]


@dataclass(frozen=True)
class _Request:
    exchange: Exchange
    names: Names
    base_url: str

    @property
    def makes(self) -> str | None:
        """The variable for the id of the task that it creates, if later requests need it."""
        return self.names.tasks.get(self.exchange.number)

    @property
    def url(self) -> str:
        target = self.exchange.target
        return target if target.startswith(("http://", "https://")) else self.base_url + target

    @cached_property
    def value(self) -> object:
        """The JSON value of the body as it was sent; None if it is not what our encoder makes."""
        body = self.exchange.body
        asked = self.exchange.asked
        escaped = body.isascii()
        return (
            in_texts(asked, lengthen)
            if asked is not None and encode(asked, escaped=escaped) == body
            else None
        )

    @property
    def has_body(self) -> bool:
        return bool(self.exchange.body) or self.exchange.method in ("POST", "PUT", "PATCH")

    @property
    def headers(self) -> Iterator[tuple[str, str]]:
        """Without what a client sets by itself."""
        for name, value in self.exchange.headers:
            yield ("Authorization" if name == "authorization" else name), value

    @property
    def alike(self) -> tuple[object, ...]:
        return (self.exchange.probe, self.exchange.method, self.exchange.target, self.exchange.body)


def _at_once(requests: Sequence[_Request]) -> Iterator[list[_Request]]:
    """The requests in order; creates that are alike were sent at once."""
    groups: list[list[_Request]] = []
    for request in requests:
        same = bool(groups) and groups[-1][0].alike == request.alike and request.exchange.method == "POST"
        if same and RUN in request.names.used and "external_task_id" in request.exchange.asked_object:
            groups[-1].append(request)
        else:
            groups.append([request])
    yield from groups


def _pause(before: _Request | None, after: _Request) -> float:
    """How long to wait where a task goes on meanwhile, in seconds, rounded up."""
    if before is None or not after.names.tasks:
        return 0.0
    gap = after.exchange.sent_at - before.exchange.received_at
    return math.ceil(gap * 10) / 10 if gap >= _PAUSE else 0.0


def _curl(requests: Sequence[_Request], called: Sequence[Delivery], names: Names) -> Iterator[str]:
    if RUN in names.used:
        yield "export RUN=$(date +%s)"
    before: _Request | None = None
    for group in _at_once(requests):
        request = group[0]
        pause = _pause(before, request)
        if pause:
            yield f"sleep {pause}"
        yield from _body_file(request)
        line = _curl_line(request)
        if len(group) > 1:
            yield f"for i in $(seq {len(group)}); do {line} & done; wait"
        else:
            yield f"{request.makes}=$({line} | {_TASK_ID})" if request.makes else line
        before = group[-1]
    yield from (f"# then came: {each.shown}".replace("\n", " ") for each in called)


def _by_file(request: _Request) -> bool:
    body = request.exchange.body
    if len(body) > LARGEST_INLINE or b"\0" in body or is_shortened(body):
        return True
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def _body_file(request: _Request) -> Iterator[str]:
    if not _by_file(request):
        return
    if request.value is None:
        made = f'({expression(request.exchange.body.decode("latin-1"))}).encode("latin-1")'
        code = f"import sys; sys.stdout.buffer.write({made})"
    else:
        value = literal(request.value, request.names, 'os.environ["RUN"]')
        ascii_only = "" if request.exchange.body.isascii() else ", ensure_ascii=False"
        code = f"import json, os, sys; sys.stdout.buffer.write(json.dumps({value}{ascii_only}).encode())"
    yield f"python3 -c {shlex.quote(code)} > body.json"


def _curl_line(request: _Request) -> str:
    exchange, names = request.exchange, request.names
    words = ["curl", "-sS"]
    if request.makes is None:
        words.append("-i")
    if any(sign in request.url for sign in "[]{}"):
        words.append("-g")
    if any(part in (".", "..") for part in request.url.split("/")):
        words.append("--path-as-is")
    if exchange.method != ("POST" if request.has_body else "GET"):
        words += ["-X", exchange.method]
    words.append(in_shell(request.url, names))
    for name, value in request.headers:
        # `Name;` is how curl sends a header without a value.
        words += ["-H", in_shell(f"{name}: {value}", names) if value else shlex.quote(f"{name};")]
    if request.has_body:
        words += (
            ["--data-binary", "@body.json"]
            if _by_file(request)
            else ["--data-raw", in_shell(exchange.body.decode(), names)]
        )
    return " ".join(words)


def _httpx(
    requests: Sequence[_Request], called: Sequence[Delivery], names: Names, base_url: str
) -> Iterator[str]:
    groups = list(_at_once(requests))
    pauses = [_pause(before[-1], after[0]) for before, after in pairwise(groups)]
    modules = {"httpx"}
    calls = [_call(group[0]) for group in groups]
    modules |= {"json"} if any("json.dumps(" in call for call in calls) else set()
    modules |= {"os"} if any("key" in call for call in calls) else set()
    modules |= {"secrets"} if RUN in names.used else set()
    modules |= {"time"} if any(pauses) else set()
    yield "import " + ", ".join(sorted(modules))
    if any(len(group) > 1 for group in groups):
        yield "from concurrent.futures import ThreadPoolExecutor"
    yield from names.in_python_before(calls)
    yield f"http = httpx.Client(base_url={expression(base_url)}, timeout=60)"
    for at, (group, call) in enumerate(zip(groups, calls, strict=True)):
        if at and pauses[at - 1]:
            yield f"time.sleep({pauses[at - 1]})"
        if len(group) > 1:
            yield f"with ThreadPoolExecutor({len(group)}) as pool:"
            yield f"    answers = list(pool.map(lambda _: {call}, range({len(group)})))"
            yield "print([(answer.status_code, answer.text) for answer in answers])"
            continue
        yield f"answer = {call}"
        yield "print(answer.status_code, answer.text[:500])"
        if group[0].makes:
            yield f'{group[0].makes} = answer.json()["data"]["task_id"]'
    yield from (f"# then came: {each.shown}".replace("\n", " ") for each in called)


def _call(request: _Request) -> str:
    exchange, names = request.exchange, request.names
    target = exchange.target
    words = [expression(exchange.method), in_python(target, names)]
    headers = list(request.headers)
    if request.has_body:
        escapes = exchange.body.isascii()
        if request.value is None:
            words.append(f'content=({expression(exchange.body.decode("latin-1"))}).encode("latin-1")')
        elif escapes:
            words.append(f"content=json.dumps({literal(request.value, names, RUN)})")
        else:
            words.append(f"json={literal(request.value, names, RUN)}")
            headers = [(name, value) for name, value in headers if value != _JSON_TYPE]
    if headers:
        shown = ", ".join(f"({expression(name)}, {in_python(value, names)})" for name, value in headers)
        words.insert(2, f"headers=[{shown}]")
    return f"http.request({', '.join(words)})"


__all__ = ["LARGEST_INLINE", "Reproduction", "lengths", "reproduce"]
