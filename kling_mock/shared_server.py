"""A server shared by the tests of a pytest worker: one socket, with a new fake for each test."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Generator
from contextlib import contextmanager
from typing import Self

from kling_mock.doors.asgi import ASGIApp
from kling_mock.doors.server import Server
from kling_mock.fake import Fake
from kling_mock.timing.clock import Clock

# Between tests no other key is valid, so late requests of the previous test get 401.
_UNUSED_KEY = "between-two-tests"


class ServedFake(Fake):
    """A fake with a server: `.url` is its address, `.api_key` an accepted key."""

    def __init__(self, url: str, *, clock: Clock | None = None, **switches: object) -> None:
        super().__init__(clock=clock, store=None, **switches)
        self._url = url

    @property
    def url(self) -> str:
        """The base URL of the server, without a slash at its end."""
        return self._url

    @property
    def api_key(self) -> str:
        """The first accepted key; `ACCESS:SECRET` if all keys are pairs."""
        return next(iter(self.settings.plain_keys), self.settings.keys[0])


class SharedServer:
    """A server that runs for a whole session and serves one fake at a time."""

    def __init__(self) -> None:
        self._app = ASGIApp(Fake(keys=[_UNUSED_KEY]))
        self.server = Server(self._app)
        self._numbers = itertools.count()

    def fresh_key(self, test: str) -> str:
        """A key that is unique to this test, and the same in each equal run."""
        return f"sk-mock-{hashlib.sha256(test.encode()).hexdigest()[:12]}-{next(self._numbers)}"

    @contextmanager
    def use(self, *, clock: Clock | None = None, **switches: object) -> Generator[ServedFake]:
        """Serve a new fake during the context. The setting `keys` must not be empty."""
        empty = self._app.fake
        fake = ServedFake(self.server.url, clock=clock, **switches)
        # Callbacks in progress are cancelled at the end, so that none arrives during another test.
        with self.server.running(fake.sender().run):
            self._app.fake = fake
            try:
                yield fake
            finally:
                self._app.fake = empty

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()
