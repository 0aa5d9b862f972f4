"""One socket for many tests: a stage on which fresh fakes take turns."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from kling_mock.doors.asgi import ASGIApp
from kling_mock.doors.server import Server
from kling_mock.fake import Fake
from kling_mock.timing.clock import Clock

# Between two tests nobody has a good key: what comes late from the last one is told so with a 401.
_NOBODY = "between-two-tests"


class ServedFake(Fake):
    """A fake behind a socket: `.url` is where, `.api_key` what it accepts."""

    def __init__(self, url: str, *, clock: Clock | None = None, **switches: object) -> None:
        super().__init__(clock=clock, store=None, **switches)
        self.url = url
        self.api_key = next(iter(self.settings.plain_keys), self.settings.keys[0])


class SharedServer:
    """A server that lives long, for fakes that live as long as a test."""

    def __init__(self) -> None:
        self._app = ASGIApp(Fake(keys=[_NOBODY]))
        self.server = Server(self._app)
        self._numbers = itertools.count()

    def fresh_key(self, test: str) -> str:
        """A key that no other test has; the same run gives the same keys."""
        return f"sk-mock-{hashlib.sha256(test.encode()).hexdigest()[:12]}-{next(self._numbers)}"

    @contextmanager
    def use(self, *, clock: Clock | None = None, **switches: object) -> Generator[ServedFake]:
        """Put a fresh fake behind the socket for a while. The switches have to name one key or more."""
        empty = self._app.fake
        fake = ServedFake(self.server.url, clock=clock, **switches)
        # What is on its way when the test ends is not sent to the end: it would come in another test.
        with self.server.beside(fake.sender().run):
            self._app.fake = fake
            try:
                yield fake
            finally:
                self._app.fake = empty

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.server.stop()
