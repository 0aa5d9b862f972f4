"""What a witness is, and how it is put before a server."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import uuid4

import httpx

from kling_contracts.gateways import GATEWAYS, Gateway, RefusalReason
from kling_contracts.witnesses.message import Answer, Ask, Callback

Serve = Callable[[Ask], Answer]


class Behind(NamedTuple):
    """The right server behind a witness: what it speaks, how it answers, and its time in Unix seconds."""

    gateway: Gateway
    serve: Serve
    now: Callable[[], float]


class Faulty:
    """A server that is right until a subclass spoils it: what comes in, what goes out, or both.

    There is a new one for each run, so it may remember things. `right` is the server behind it.
    """

    def __init__(self, behind: Behind) -> None:
        self.gateway = behind.gateway
        self.right = behind.serve
        self.now = behind.now
        self.lock = threading.Lock()

    def serve(self, ask: Ask) -> Answer:
        """Answer a request, perhaps with the help of the right server."""
        self.before(ask)
        answer = self.right(ask)
        self.after(ask, answer)
        return answer

    def before(self, ask: Ask) -> None:
        """Change a request on its way in."""

    def after(self, ask: Ask, answer: Answer) -> None:
        """Change an answer on its way out."""

    def call_back(self, callback: Callback) -> Iterable[Callback]:
        """What becomes of a callback: usually just that one."""
        yield callback

    def knows(self, ask: Ask) -> bool:
        """Whether the key of a request is good: a query with it is refused for other reasons."""
        path = f"{self.gateway.create_path}/nobody"
        query = Ask(gateway=self.gateway, method="GET", path=path, host=ask.host, headers=dict(ask.headers))
        return self.right(query).status != 401

    def refuse(self, reason: RefusalReason, **values: object) -> Answer:
        """A refusal as the gateway has it."""
        refusal = self.gateway.refusals[reason]
        known = {"message": "value is invalid", "id": "", "model": "", "method": "", "path": "", "parts": 0}
        answer = Answer(status=refusal.status)
        answer.json = refusal.body(str(uuid4()), **(known | values))
        return answer

    def success(self, data: object) -> Answer:
        """A success with something in it."""
        answer = Answer()
        word = self.gateway.main.success_word.value
        answer.json = {"code": 0, "message": word, "request_id": str(uuid4()), "data": data}
        return answer


@dataclass(frozen=True, kw_only=True)
class Witness:
    """A faulty server by name. `catches` is the check that must find it, `says` the fault in a sentence.

    `also` are checks that find it as well, where one fault truly breaks several properties.
    """

    name: str
    catches: str
    says: str
    make: Callable[[Behind], Faulty]
    gateways: tuple[Gateway, ...] = GATEWAYS
    also: frozenset[str] = frozenset()
    # How many images a run has to be allowed to show it.
    images: int = 20

    def __str__(self) -> str:
        return f"{self.catches}: {self.name}"


class Group:
    """A module's collection of witnesses, filled by decorators."""

    def __init__(self) -> None:
        self.witnesses: list[Witness] = []

    def add(  # noqa: PLR0913, PLR0917 -- what there is to say of a witness
        self,
        catches: str,
        name: str,
        says: str,
        make: Callable[[Behind], Faulty],
        gateways: tuple[Gateway, ...] = GATEWAYS,
        also: Iterable[str] = (),
        images: int = 20,
    ) -> None:
        self.witnesses.append(
            Witness(
                name=name.strip("_").replace("_", " "),
                catches=catches,
                says=says,
                make=make,
                gateways=gateways,
                also=frozenset(also),
                images=images,
            )
        )

    def server(
        self, catches: str, *gateways: Gateway, also: Iterable[str] = ()
    ) -> Callable[[type[Faulty]], type[Faulty]]:
        """A witness that is a class: its docstring says what is wrong."""

        def note(kind: type[Faulty]) -> type[Faulty]:
            self.add(catches, _words(kind.__name__), _said(kind), kind, gateways or GATEWAYS, also)
            return kind

        return note

    def before(
        self, catches: str, *gateways: Gateway, also: Iterable[str] = ()
    ) -> Callable[[Callable[[Ask], object]], Callable[[Ask], object]]:
        """A witness that is a function: it spoils requests on their way in."""

        def note(spoil: Callable[[Ask], object]) -> Callable[[Ask], object]:
            class Spoiling(Faulty):
                def before(self, ask: Ask) -> None:
                    spoil(ask)

            self.add(catches, spoil.__name__, _said(spoil), Spoiling, gateways or GATEWAYS, also)
            return spoil

        return note

    def after(
        self, catches: str, *gateways: Gateway, also: Iterable[str] = ()
    ) -> Callable[[Callable[[Ask, Answer], object]], Callable[[Ask, Answer], object]]:
        """A witness that is a function: it spoils answers on their way out."""

        def note(spoil: Callable[[Ask, Answer], object]) -> Callable[[Ask, Answer], object]:
            class Spoiling(Faulty):
                def after(self, ask: Ask, answer: Answer) -> None:
                    spoil(ask, answer)

            self.add(catches, spoil.__name__, _said(spoil), Spoiling, gateways or GATEWAYS, also)
            return spoil

        return note

    def refusing(
        self, catches: str, *gateways: Gateway, also: Iterable[str] = (), images: int = 20
    ) -> Callable[[Callable[[Ask], bool]], Callable[[Ask], bool]]:
        """A witness that is a predicate: such creates are refused as invalid, although they are not."""

        def note(refused: Callable[[Ask], bool]) -> Callable[[Ask], bool]:
            class Refusing(Faulty):
                def serve(self, ask: Ask) -> Answer:
                    operation = self.gateway.main
                    sound = ask.creates and not operation.read(ask.peek).violations
                    if sound and refused(ask) and self.knows(ask):
                        return self.refuse(RefusalReason.INVALID)
                    return self.right(ask)

            self.add(catches, refused.__name__, _said(refused), Refusing, gateways or GATEWAYS, also, images)
            return refused

        return note


def _said(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _words(name: str) -> str:
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()


# What httpx sets by itself, from the content and the URL.
_OF_THE_WIRE: Final = frozenset({"content-length", "transfer-encoding", "host"})


class WitnessTransport(httpx.BaseTransport):
    """A witness before a server that is reached through another transport.

    Callbacks do not pass here: whoever delivers them asks `deliver` what becomes of them.
    """

    def __init__(
        self,
        witness: Witness,
        gateway: Gateway,
        inner: httpx.BaseTransport,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._gateway = gateway
        self._inner = inner
        self._faulty = witness.make(Behind(gateway, self._pass_on, now))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        ask = Ask(
            raw=request.read(),
            gateway=self._gateway,
            method=request.method,
            path=path,
            query=query,
            host=f"{request.url.scheme}://{request.url.netloc.decode('ascii')}",
            headers=dict(request.headers),
        )
        answer = self._faulty.serve(ask)
        content = answer.content
        headers = answer.headers | {"content-length": str(len(content))}
        return httpx.Response(answer.status, headers=headers, content=content, request=request)

    def deliver(self, callback: Callback) -> Iterable[Callback]:
        """What is sent instead of a callback."""
        return self._faulty.call_back(callback)

    def _pass_on(self, ask: Ask) -> Answer:
        target = f"{ask.path}?{ask.query}" if ask.query else ask.path
        url = httpx.URL(ask.host).copy_with(raw_path=target.encode("ascii"))
        headers = {name: value for name, value in ask.headers.items() if name not in _OF_THE_WIRE}
        request = httpx.Request(ask.method, url, headers=headers, content=ask.content)
        response = self._inner.handle_request(request)
        return Answer(raw=response.read(), status=response.status_code, headers=dict(response.headers))

    def close(self) -> None:
        self._inner.close()
