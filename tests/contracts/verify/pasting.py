"""Executes the scripts of a report against the server of the run, and judges the responses."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from functools import partial
from io import StringIO
from typing import Any, NamedTuple

import httpx
import pytest

import kling_contracts.verify.callback_server
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Delivery, Exchange
from kling_contracts.verify.model import CheckContext, Result
from kling_contracts.verify.probes import Probe, ProbeKind
from kling_contracts.verify.report import Report
from kling_contracts.verify.repro import Reproduction, reproduce
from kling_contracts.verify.repro.replay import replay_of
from kling_contracts.vocabulary import (
    ACCESS_KEY_VARIABLE,
    API_KEY_VARIABLE,
    KLING_API_KEY_VARIABLE,
    SECOND_API_KEY_VARIABLE,
    SECRET_KEY_VARIABLE,
)
from tests.contracts.verify.conftest import Inbox, Outcome, Served
from tests.contracts.verify.faulty_servers.base import SERVER


class Passed(NamedTuple):
    """A request, its response or None, and the times of both."""

    request: httpx.Request
    response: httpx.Response | None
    sent_at: float
    received_at: float


@dataclass
class Tap(httpx.BaseTransport):
    """Records requests and responses with their times."""

    served: Served
    seen: list[Passed] = field(default_factory=list[Passed])

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        sent_at = self.served.clock.now()
        self.served.clock.advance(0.002)
        try:
            response = self.served.transport.handle_request(request)
        except httpx.TransportError:
            self.seen.append(Passed(request, None, sent_at, sent_at))
            raise
        response.read()
        self.served.clock.advance(0.002)
        self.seen.append(Passed(request, response, sent_at, self.served.clock.now()))
        return response


class CallbackServer:
    """Receives the callbacks of the server from now on, without a socket."""

    def __init__(self, served: Served, _now: object) -> None:
        self._served = served

    def __enter__(self) -> Inbox:
        self._served.inbox = Inbox()
        return self._served.inbox

    def __exit__(self, *_: object) -> None: ...


@contextmanager
def _in_process(served: Served, tap: Tap) -> Iterator[None]:
    first, second = served.keys.first_key, served.keys.second_key or ""
    access, _, secret = first.partition(":")
    keys = {
        API_KEY_VARIABLE: first,
        KLING_API_KEY_VARIABLE: first,
        SECOND_API_KEY_VARIABLE: second,
        ACCESS_KEY_VARIABLE: access,
        SECRET_KEY_VARIABLE: secret,
    }
    client = httpx.Client(transport=tap)
    with pytest.MonkeyPatch.context() as patch:
        for name, key in keys.items():
            patch.setenv(name, key)
        for method in ("get", "post", "put", "patch", "delete"):
            patch.setattr(httpx, method, getattr(client, method))
        patch.setattr(httpx, "Client", partial(httpx.Client, transport=tap))
        patch.setattr(time, "sleep", served.clock.advance)
        patch.setattr(
            kling_contracts.verify.callback_server, "CallbackServer", partial(CallbackServer, served)
        )
        yield


def paste(code: str, served: Served) -> Tap:
    """Execute a script in this process; returns the recorded requests."""
    tap = Tap(served)
    scope: dict[str, Any] = {}
    with _in_process(served, tap), redirect_stdout(StringIO()):
        try:
            exec(code, scope)
        except httpx.TransportError:
            assert tap.seen[-1][1] is None  # the script ends with the error, as for a user
    return tap


def scripts_of(result: Result, report: Report) -> Reproduction:
    """The scripts of a report for a finding."""
    return reproduce(result.check, result.failures[0], report.evidence, SERVER, report.steps)


def shown_again(outcome: Outcome, result: Result, script: str, served: Served | None = None) -> bool:
    """Whether the script of a finding reproduces it.

    The script runs against the server of the run or another one; its responses replace those of the run, and
    the check judges the result.
    """
    served = served or outcome.served
    failure, evidence = result.failures[0], outcome.report.evidence
    replay = replay_of(result.check, failure, evidence, outcome.report.steps)
    tap = paste(script, served)
    new = _instead(list(replay.exchanges), tap, served, evidence)
    received = _deliveries(served) if replay.listening else []
    tokens = {each.token for each in received} | {
        it.token for it in failure.shown if isinstance(it, Delivery)
    }
    polls = _polls(new, served, evidence)
    again = Evidence(
        gateway=evidence.gateway,
        run=evidence.run,
        seed=evidence.seed,
        exchanges=[*(new.get(each.number, each) for each in evidence.exchanges), *polls],
        deliveries=[*(each for each in evidence.deliveries if each.token not in tokens), *received],
    )
    context = CheckContext()
    result.check.judge(again, context)
    fresh = [*new.values(), *received]
    return any(each is it for failure in context.failures for each in failure.shown for it in fresh)


def _polls(new: dict[int, Exchange], served: Served, evidence: Evidence) -> list[Exchange]:
    """A poll of each created task that the script did not query; some checks need one for a verdict."""
    queried = {each.target.rpartition("/")[2] for each in new.values()}
    polls: list[Exchange] = []
    for each in new.values():
        if each.method == "POST" and each.task is not None and each.task.task_id not in queried:
            task, tap = each.task.task_id, Tap(served)
            target = f"{evidence.gateway.create_path}/{task}"
            httpx.Client(transport=tap).get(
                f"{SERVER}{target}", headers={"authorization": f"Bearer {served.keys.bearer()}"}
            )
            empty = replace(
                each, method="GET", probe=Probe(ProbeKind.POLL, task), credential="first", body=b""
            )
            number = len(evidence.exchanges) + len(polls)
            polls.append(replace(_exchange(empty, tap.seen[0], served), number=number))
    return polls


def _deliveries(served: Served) -> list[Delivery]:
    return [
        Delivery(
            number=10_000 + at,
            token=each.token,
            headers=served.keys.scrub_headers(each.headers),
            body=served.keys.scrub_bytes(each.body),
            received_at=each.received_at,
            replied=each.replied,
            query=each.query,
        )
        for at, each in enumerate(served.inbox.received())
    ]


def _instead(wanted: list[Exchange], tap: Tap, served: Served, evidence: Evidence) -> dict[int, Exchange]:
    """The exchanges of the script, by the number of the exchange of the run that they replace."""
    new: dict[int, Exchange] = {}
    names: dict[str, str] = {}
    for passed in tap.seen:
        old = next((each for each in wanted if _fits(each, passed.request, evidence)), None)
        if old is None:
            continue  # a query that waited for the end of a task
        wanted.remove(old)
        made = _exchange(old, passed, served)
        mark = re.search(rb'"kc-(\w+)-', made.body)
        if mark:
            names[f"kc-{evidence.run}-"] = f"kc-{mark[1].decode()}-"
        if old.task is not None and made.task is not None:
            names[old.task.task_id] = made.task.task_id
        new[old.number] = replace(made, probe=_renamed_probe(made.probe, names))
    return new


def _exchange(old: Exchange, passed: Passed, served: Served) -> Exchange:
    """A recorded request as an exchange of the evidence."""
    request, response = passed.request, passed.response
    made = replace(
        old,
        target=str(request.url).removeprefix(SERVER),
        body=request.read(),
        sent_at=passed.sent_at,
        received_at=passed.received_at,
    )
    if response is None:
        return replace(made, status=0, answer_headers=(), answer=b"", failure="gone")
    headers = tuple((name.lower(), value) for name, value in response.headers.multi_items())
    content = response.content
    return replace(
        made,
        status=response.status_code,
        answer_headers=served.keys.scrub_headers(headers),
        answer=served.keys.scrub_bytes(content),
        size=len(content) if old.digest else 0,
        digest=hashlib.sha256(content).hexdigest() if old.digest else "",
    )


def _fits(old: Exchange, request: httpx.Request, evidence: Evidence) -> bool:
    """Whether a request of the script replaces an exchange of the run; task ids may differ."""
    target = str(request.url).removeprefix(SERVER)
    elsewhere = target.startswith("http")
    if old.method != request.method or old.target.startswith("http") is not elsewhere:
        return False
    same_query = old.target.partition("?")[2] == target.partition("?")[2]
    return elsewhere or old.target == target or (same_query and _named(old, evidence))


def _named(exchange: Exchange, evidence: Evidence) -> bool:
    """Whether the target contains the id of a task of the run, which differs in the script."""
    last = exchange.last_segment
    return last in {history.id for history in evidence.histories()} or f"kc-{evidence.run}-" in last


def _renamed_probe(probe: Probe, names: dict[str, str]) -> Probe:
    return Probe(probe.kind, _renamed(probe.about, names), _renamed(probe.tag, names))


def _renamed(text: str, names: dict[str, str]) -> str:
    for old, new in names.items():
        text = text.replace(old, new)
    return text
