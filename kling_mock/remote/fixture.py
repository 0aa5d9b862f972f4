"""The account of one test on a shared server: the fixture `kling_remote`."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from hashlib import sha256
from secrets import token_hex
from typing import Final

from kling_contracts.vocabulary import MOCK_URL_VARIABLE
from kling_mock.auth import account_name
from kling_mock.control_api import models
from kling_mock.remote.connection import ControlConnection, RemoteError
from kling_mock.remote.view import RemoteView

_KEYS: Final = "start it with --keys 'sk-mock-*'"
_URL: Final = (
    f"set the ini option kling_mock_url or the variable {MOCK_URL_VARIABLE} to the URL of a running "
    "kling-mock, such as http://127.0.0.1:8000"
)


class RemoteAccount(RemoteView):
    """The view of one account of a server: `.url` is the address of the server, `.api_key` the key."""

    def __init__(self, connection: ControlConnection, key: str) -> None:
        super().__init__(connection, account_name(key))
        self.url = connection.url
        self.api_key = key


@contextmanager
def account_of_test(url: str, token: str | None, test: str) -> Generator[RemoteAccount]:
    """A new account for a test. At the end its scripts are removed, and the rest is kept for inspection.

    Raises RemoteError without a URL, or if the server does not accept keys that begin with `sk-mock-`.
    """
    __tracebackhide__ = True  # pytest would print the arguments, and so the token

    if not url:
        raise RemoteError(f"kling_remote: {_URL}")
    connection = ControlConnection(url, token)
    # Runs of a suite share a server too, so the name of the test alone is not unique.
    key = f"sk-mock-{sha256(test.encode()).hexdigest()[:8]}-{token_hex(4)}"
    try:
        keys = connection.call("GET", "settings", models.SettingsInfo).settings["keys"]
        if keys and not any(each.endswith("*") and key.startswith(each[:-1]) for each in keys):
            raise RemoteError(
                f"{connection.name} accepts only certain keys, and each test needs its own; {_KEYS}"
            )
        view = RemoteAccount(connection, key)
        try:
            yield view
        finally:
            connection.call("DELETE", "scripts", models.Done, query={"account": view.account_name})
    finally:
        connection.close()
