"""A run's connection to the server: every request is counted, budgeted, scrubbed and kept."""

from __future__ import annotations

import hashlib
import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol

from kling_contracts.image_files import read_header
from kling_contracts.operations import Operation
from kling_contracts.verify.budget import Budget, images_in, images_of
from kling_contracts.verify.callback_server import CallbackInbox
from kling_contracts.verify.credentials import NOBODY, Credential, Keys
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Delivery, Exchange, Headers
from kling_contracts.verify.probes import Probe, ProbeKind
from kling_contracts.verify.text import in_texts, shorten

JSON_TYPE: Final = ("content-type", "application/json")
# Larger bodies are kept in short, of pictures what tells their size and the end: a recording is to be read.
KEPT_BYTES: Final = 256 * 1024
# Some write notes behind the end of a picture.
KEPT_END: Final = 4096
_KEPT_TEXT: Final = 4096


class Answer(NamedTuple):
    """`status` 0 and `failure` where nothing came. `arrived`: the request may have reached the server."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    failure: str = ""
    arrived: bool = True


class Transport(Protocol):
    """Sends one request. `target` is path and query as they go on the transport, or a whole URL."""

    def send(self, method: str, target: str, headers: Headers, body: bytes | None) -> Answer: ...


class Waiter(Protocol):
    """The time that a run goes by; tests bring one that does not really wait."""

    def now(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


class SystemWaiter:
    """System time."""

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class OutOfTime(Exception):
    """A request was not sent, or not answered in time: the deadline of the run is over."""


class Session:
    """One run against one server. Raises OverBudget instead of sending what could cost too much.

    After `until`, a time of the waiter, it raises OutOfTime: slow responses cannot prolong a run.
    `seen` is called whenever there is more evidence, never by two threads at once.
    """

    def __init__(  # noqa: PLR0913 -- all that a run goes by
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

    def create(
        self,
        probe: Probe,
        body: Mapping[str, object],
        key: Credential | None = None,
        *,
        escaped: bool = False,
    ) -> Exchange:
        """Send a create request: in UTF-8, or in ASCII with escapes, as a half of all clients does."""
        credential = self.keys.first if key is None else key
        content = encode(body, escaped=escaped)
        kept = content if len(content) <= KEPT_BYTES else encode(_cut(body))
        return self._send(probe, "POST", self.create_path, content, credential, (), images_in(body), kept)

    def query(self, kind: ProbeKind, task_id: str, tag: str = "", key: Credential | None = None) -> Exchange:
        """Ask for a task. The probe is about the id."""
        return self.send(Probe(kind, task_id, tag), "GET", f"{self.create_path}/{task_id}", key=key)

    def send(  # noqa: PLR0913 -- a request has that many parts
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

        What a JSON object could cost is known; `images` says it of a body that only a lenient server reads.
        """
        credential = self.keys.first if key is None else key
        images = max(images, images_of(body or b"")) if method == "POST" else 0
        return self._send(probe, method, target, body, credential, headers, images, body or b"")

    def _send(  # noqa: PLR0913, PLR0917 -- a request has that many parts
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
        self._require_time()  # before anything is set aside for what is not sent
        at_stake = images if credential.good else 0
        self.budget.reserve(at_stake)
        kept = True
        try:
            exchange, answer = self._exchange(
                probe, method, target, body, credential, headers, kept_body=kept_body
            )
            kept = answer.arrived and not exchange.proves_refusal
        finally:
            self.budget.settle(at_stake, kept=kept)
        return exchange

    def fetch(self, probe: Probe, url: str, headers: Headers = ()) -> tuple[Exchange, bytes]:
        """Get a result picture, without a key, and all its bytes."""
        self._require_time()
        exchange, answer = self._exchange(probe, "GET", url, None, NOBODY, headers, abridged=True)
        return exchange, answer.body

    def _require_time(self) -> None:
        if self.time_left <= 0:
            raise OutOfTime

    def collect(self) -> None:
        """Take over the callbacks that have come."""
        if self.inbox is None:
            return
        raw = self.inbox.taken()
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
                    )
                )
            self._tell()

    def _tell(self) -> None:
        """Say that there is more evidence, one at a time."""
        if self._seen is not None:
            self._seen(self.evidence)

    def _exchange(  # noqa: PLR0913, PLR0917 -- a request has that many parts
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
    ) -> tuple[Exchange, Answer]:
        typed = (*headers, JSON_TYPE) if body is not None and not _typed(headers) else headers
        sent = (*credential.headers, *typed)
        sent_at = self.waiter.now()
        answer = self._transport.send(method, target, sent, body)
        if answer.status == 0 and self.time_left <= 0:
            raise OutOfTime  # it had less time than it should have, so nothing is said against it
        received_at = self.waiter.now()
        with self._lock:
            exchange = Exchange(
                number=len(self.evidence.exchanges),
                probe=probe,
                who=credential.who,
                method=method,
                target=self.keys.scrub(target),
                headers=self.keys.scrub_headers(sent),
                body=self.keys.scrub_bytes(kept_body),
                sent_at=sent_at,
                received_at=received_at,
                status=answer.status,
                answer_headers=self.keys.scrub_headers(answer.headers),
                answer=self.keys.scrub_bytes(_abridged(answer.body) if abridged else answer.body),
                failure=self.keys.scrub(answer.failure),
                size=len(answer.body) if abridged else 0,
                digest=hashlib.sha256(answer.body).hexdigest() if abridged else "",
            )
            self.evidence.exchanges.append(exchange)
            self._tell()
        return exchange, answer


def encode(body: object, *, escaped: bool = False) -> bytes:
    """JSON as it is sent. Lone surrogates can be sent as escapes only."""
    if not escaped:
        try:
            return json.dumps(body, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            pass
    return json.dumps(body).encode()


def _typed(headers: Headers) -> bool:
    return any(name.lower() == "content-type" for name, _ in headers)


def _cut(body: object) -> object:
    """A large body with the long texts in it told in short."""
    return in_texts(body, lambda text: shorten(text) if len(text) > _KEPT_TEXT else text)


def _abridged(picture: bytes) -> bytes:
    """As much of the beginning of a picture as tells its size, and its end."""
    header = read_header(picture)
    for size in (1024, 1 << 16):
        if len(picture) > size + KEPT_END and read_header(picture[:size]) == header:
            return picture[:size] + picture[-KEPT_END:]
    return picture
