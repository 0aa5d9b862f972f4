"""A run's connection to the server: reserves images, sends requests, removes keys, collects evidence."""

from __future__ import annotations

import hashlib
import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple, Protocol

from kling_contracts.image_files import damage_of, read_header
from kling_contracts.operations import Operation
from kling_contracts.verify.budget import Budget, images_in, images_of
from kling_contracts.verify.busy import Patience, is_busy
from kling_contracts.verify.callback_server import CallbackInbox
from kling_contracts.verify.credentials import NO_CREDENTIAL, Credential, Keys
from kling_contracts.verify.evidence import Evidence, TaskHistory
from kling_contracts.verify.exchange import Delivery, Exchange, Headers
from kling_contracts.verify.lost_requests import REPETITIONS, is_lost, lost_probe, with_new_id
from kling_contracts.verify.probes import Label, Probe, ProbeKind
from kling_contracts.verify.text import in_texts, shorten

JSON_TYPE: Final = ("content-type", "application/json")
# Larger bodies are abridged, so that a recording stays readable.
KEPT_BYTES: Final = 256 * 1024
# The end of an image is kept because some servers append metadata there.
KEPT_END: Final = 4096
_KEPT_TEXT: Final = 4096


class Answer(NamedTuple):
    """An answer. Without one, `status` is 0.

    `arrived`: the request may have reached the server. `closed`: the server then closed the connection.
    """

    status: int
    headers: Headers = ()
    body: bytes = b""
    failure: str = ""
    arrived: bool = True
    closed: bool = False


class Transport(Protocol):
    """Sends one request. `target` is path and query as they go on the wire, or a whole URL."""

    def send(self, method: str, target: str, headers: Headers, body: bytes | None) -> Answer: ...


class Waiter(Protocol):
    """The clock of a run; tests replace it by one that does not wait."""

    def now(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


class SystemWaiter:
    """System time."""

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class OutOfTime(Exception):
    """The deadline of the run has passed, so a request was not sent or not answered."""


class Session:
    """One run against one server.

    Raises OverBudget before a request that could exceed the budget, and OutOfTime after `until`, a time
    of the waiter. A request that is answered with 429 is repeated; raises Busy when it is given up. One
    whose connection was closed without a reply is sent again at most twice.
    `seen` is called after each addition to the evidence, never by two threads at once.
    """

    def __init__(  # noqa: PLR0913 -- the environment of a run
        self,
        *,
        transport: Transport,
        keys: Keys,
        budget: Budget,
        evidence: Evidence,
        waiter: Waiter,
        until: float,
        inbox: CallbackInbox | None = None,
        seen: Callable[[Evidence], None] | None = None,
    ) -> None:
        self.keys = keys
        self.budget = budget
        self.evidence = evidence
        self.waiter = waiter
        self.inbox = inbox
        self.random = random.Random(evidence.seed)  # noqa: S311 -- choices that a seed repeats
        self._transport = transport
        self._until = until
        self._seen = seen
        self._lock = threading.Lock()
        self._polling = False

    @property
    def operation(self) -> Operation:
        return self.evidence.operation

    @property
    def create_path(self) -> str:
        return self.evidence.gateway.create_path

    @property
    def time_left(self) -> float:
        return self._until - self.waiter.now()

    def external_id(self, tag: str) -> str:
        """An external id that no other run uses."""
        return f"kc-{self.evidence.run}-{tag}"

    @property
    def unknown_id(self) -> str:
        """An id of this run that belongs to no task."""
        return self.external_id("unknown")

    def key_of(self, history: TaskHistory) -> Credential | None:
        """The credential that a task was created with."""
        return self.keys.second if history.created.credential == "second" else self.keys.first

    def create(
        self,
        probe: Probe,
        body: Mapping[str, object],
        key: Credential | None = None,
        *,
        escaped: bool = False,
    ) -> Exchange:
        """Send a create request in UTF-8, or `escaped` in ASCII, as many clients do."""
        credential = self.keys.first if key is None else key
        content = encode(body, escaped=escaped)
        kept = content if len(content) <= KEPT_BYTES else encode(_cut(body))
        exchange = self._send(probe, "POST", self.create_path, content, credential, (), images_in(body), kept)
        changed = with_new_id(self.evidence, exchange, body)
        return exchange if changed is None else self.create(probe, changed, key, escaped=escaped)

    def query(self, kind: ProbeKind, task_id: str, tag: str = "", key: Credential | None = None) -> Exchange:
        """Query a task. The subject of the probe is the id."""
        return self.send(Probe(kind, task_id, tag), "GET", f"{self.create_path}/{task_id}", key=key)

    def send(  # noqa: PLR0913 -- the parts of a request
        self,
        probe: Probe,
        method: str,
        target: str,
        *,
        body: bytes | None = None,
        key: Credential | None = None,
        headers: Headers = (),
        images: int = 0,
    ) -> Exchange:
        """Send a request with the first key, or another credential. Raises OverBudget.

        The cost of a JSON object is computed; `images` is the cost of a body that only a lenient server
        accepts.
        """
        credential = self.keys.first if key is None else key
        images = max(images, images_of(body or b"")) if method == "POST" else 0
        return self._send(probe, method, target, body, credential, headers, images, body or b"")

    def _send(  # noqa: PLR0913, PLR0917 -- the parts of a request
        self,
        probe: Probe,
        method: str,
        target: str,
        body: bytes | None,
        credential: Credential,
        headers: Headers,
        images: int,
        kept_body: bytes,
    ) -> Exchange:
        at_stake = images if credential.good else 0
        patience = Patience(self.waiter.now())
        repetitions = REPETITIONS
        while True:
            self._require_time()  # before images are reserved
            self.budget.reserve(at_stake)
            kept = True
            try:
                exchange, answer = self._exchange(
                    probe,
                    method,
                    target,
                    body,
                    credential,
                    headers,
                    kept_body=kept_body,
                    repetitions=repetitions,
                )
                kept = answer.arrived and not exchange.proves_refusal
            finally:
                self.budget.settle(at_stake, kept=kept)
            if is_lost(exchange):
                repetitions -= 1
                continue
            if exchange.probe.kind != ProbeKind.BUSY or self._polling:
                return exchange
            pause = patience.pause(exchange, self.evidence, self.time_left)
            if method == "POST":
                self._poll_running()
            self.waiter.sleep(pause)

    def _poll_running(self) -> None:
        """Query the unfinished tasks while a create waits, so that their states are observed in time."""
        with self._lock:
            if self._polling:
                return
            self._polling = True
        try:
            for history in self.evidence.histories():
                if history.end is None and history.created.probe.about != Label.UNPOLLED:
                    self.query(ProbeKind.POLL, history.id, key=self.key_of(history))
        finally:
            self._polling = False

    def fetch(self, probe: Probe, url: str, headers: Headers = ()) -> tuple[Exchange, bytes]:
        """Fetch a result image without a key: the exchange, and all bytes of the image."""
        repetitions = REPETITIONS
        while True:
            self._require_time()
            exchange, answer = self._exchange(
                probe, "GET", url, None, NO_CREDENTIAL, headers, abridged=True, repetitions=repetitions
            )
            if not is_lost(exchange):
                return exchange, answer.body
            repetitions -= 1

    def _require_time(self) -> None:
        if self.time_left <= 0:
            raise OutOfTime

    def collect(self) -> None:
        """Add the callbacks received so far to the evidence."""
        if self.inbox is None:
            return
        raw = self.inbox.received()
        with self._lock:
            known = len(self.evidence.deliveries)
            for number, each in enumerate(raw[known:], start=known):
                self.evidence.deliveries.append(
                    Delivery(
                        number=number,
                        token=each.token,
                        headers=self.keys.scrub_headers(each.headers),
                        body=self.keys.scrub_bytes(each.body),
                        received_at=each.received_at,
                        replied=each.replied,
                        query=each.query,
                    )
                )
            self._notify()

    def _notify(self) -> None:
        """Report an addition to the evidence; the caller holds the lock."""
        if self._seen is not None:
            self._seen(self.evidence)

    def _exchange(  # noqa: PLR0913, PLR0917 -- the parts of a request
        self,
        probe: Probe,
        method: str,
        target: str,
        body: bytes | None,
        credential: Credential,
        headers: Headers,
        *,
        kept_body: bytes = b"",
        abridged: bool = False,
        repetitions: int = 0,
    ) -> tuple[Exchange, Answer]:
        typed = (*headers, JSON_TYPE) if body is not None and not _typed(headers) else headers
        sent = (*credential.headers, *typed)
        sent_at = self.waiter.now()
        answer = self._transport.send(method, target, sent, body)
        if answer.status == 0 and self.time_left <= 0:
            raise OutOfTime  # the server had less time than usual, so this is not a failure of the server
        received_at = self.waiter.now()
        with self._lock:
            exchange = Exchange(
                number=len(self.evidence.exchanges),
                probe=probe,
                credential=credential.name,
                method=method,
                target=self.keys.scrub(target),
                headers=self.keys.scrub_headers(sent),
                body=self.keys.scrub_sent(kept_body),
                sent_at=sent_at,
                received_at=received_at,
                status=answer.status,
                answer_headers=self.keys.scrub_headers(answer.headers),
                answer=self.keys.scrub_bytes(_abridged(answer.body) if abridged else answer.body),
                failure=self.keys.scrub(answer.failure),
                size=len(answer.body) if abridged else 0,
                digest=hashlib.sha256(answer.body).hexdigest() if abridged else "",
                damage=damage_of(answer.body) if abridged else "",
            )
            if is_busy(exchange):
                exchange = replace(exchange, probe=Probe(ProbeKind.BUSY, str(probe.kind), probe.about))
            if answer.closed and repetitions:
                exchange = replace(exchange, probe=lost_probe(probe))
            self.evidence.exchanges.append(exchange)
            self._notify()
        return exchange, answer


def encode(body: object, *, escaped: bool = False) -> bytes:
    """Encode a JSON body: UTF-8, or ASCII with escapes if asked or if it has lone surrogates."""
    if not escaped:
        try:
            return json.dumps(body, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            pass
    return json.dumps(body).encode()


def _typed(headers: Headers) -> bool:
    return any(name.lower() == "content-type" for name, _ in headers)


def _cut(body: object) -> object:
    """A large body with its long strings shortened."""
    return in_texts(body, lambda text: shorten(text) if len(text) > _KEPT_TEXT else text)


def _abridged(picture: bytes) -> bytes:
    """The beginning of an image, up to its dimensions, and its end."""
    header = read_header(picture)
    for size in (1024, 1 << 16):
        if len(picture) > size + KEPT_END and read_header(picture[:size]) == header:
            return picture[:size] + picture[-KEPT_END:]
    return picture
