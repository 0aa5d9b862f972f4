"""The HTTP part: calls of the control API with typed parameters and results, and errors for its refusals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from kling_contracts.explained_error import ExplainedError
from kling_contracts.redaction import hide_in_urls
from kling_contracts.vocabulary import TOKEN_HEADER
from kling_mock.control_api.parameters import PAGE_MAXIMUM
from kling_mock.control_api.problems import ErrorBody
from kling_mock.setting_checks import check_token

if TYPE_CHECKING:
    import httpx

R = TypeVar("R")
SECONDS = 30.0


class RemoteError(ExplainedError):
    """A call of a server's control API that failed; `status` is that of the response, 0 without one."""

    def __init__(self, message: str, status: int = 0, pointer: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.pointer = pointer


class RemoteMissing(RemoteError, LookupError):
    """The id or the path does not exist."""


class RemoteInvalid(RemoteError, ValueError):
    """The server refuses a value, or the change in its present state; `pointer` is the place of the value."""


class RemoteDenied(RemoteError, PermissionError):
    """The server does not serve this client; a token may be needed."""


class RemoteUnreachable(RemoteError, ConnectionError):
    """No server answers at the URL, or one that is not a kling-mock."""


_ERRORS: Mapping[int, type[RemoteError]] = {
    400: RemoteInvalid,
    401: RemoteDenied,
    403: RemoteDenied,
    404: RemoteMissing,
    409: RemoteInvalid,
    413: RemoteInvalid,
    422: RemoteInvalid,
}


class ControlConnection:
    """Calls of the control API of the server at a URL. Thread-safe.

    `name` is the URL without user and password, for messages. Raises RemoteInvalid for a URL or a token that
    cannot be sent.
    """

    def __init__(self, url: str, token: str | None, transport: httpx.BaseTransport | None = None) -> None:
        __tracebackhide__ = True  # pytest would print the arguments, and so the token
        import httpx

        self.url = url.rstrip("/")
        self.name = hide_in_urls(self.url)
        if not url.startswith(("http://", "https://")):
            raise RemoteInvalid(f"url: must begin with http:// or https://; got {self.name!r}")
        try:
            check_token("token", token)
        except ValueError as error:
            raise RemoteInvalid(str(error)) from None
        try:
            self._http = httpx.Client(
                base_url=f"{self.url}/_mock/",
                headers={} if token is None else {TOKEN_HEADER: token},
                timeout=SECONDS,
                trust_env=False,  # a proxy would make this machine a foreign one
                transport=transport,
            )
        except httpx.InvalidURL as error:
            raise RemoteInvalid(f"url: {error}; got {self.name!r}") from None

    def call(
        self,
        method: str,
        path: str,
        result: type[R],
        *,
        body: object = None,
        query: Mapping[str, str | int | None] | None = None,
    ) -> R:
        """The result of a call. Raises RemoteError."""
        content = self.send(method, path, None if body is None else msgspec.json.encode(body), query)
        try:
            return msgspec.json.decode(content, type=result)
        except msgspec.DecodeError as error:
            raise RemoteUnreachable(f"{self.name} is not a kling-mock of this version: {error}") from error

    def send(
        self,
        method: str,
        path: str,
        content: bytes | None = None,
        query: Mapping[str, str | int | None] | None = None,
    ) -> bytes:
        """The body of the response to a call. Raises RemoteError."""
        import httpx

        given = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            response = self._http.request(method, path, content=content, params=given)
        except httpx.TransportError as error:
            why = f"{type(error).__name__}: {error}"
            raise RemoteUnreachable(
                f"no answer from {self.name} ({why}); start it with: kling-mock serve"
            ) from error
        if response.status_code != 200:
            raise self._error(response)
        return response.content

    def pages(self, path: str, result: type[R], **query: str | int | None) -> Iterator[R]:
        """The pages of a list."""
        after: str | None = None
        while True:
            page: Any = self.call("GET", path, result, query={**query, "after": after, "limit": PAGE_MAXIMUM})
            yield page
            after = page.next
            if after is None:
                return

    def _error(self, response: httpx.Response) -> RemoteError:
        status = response.status_code
        try:
            info = msgspec.json.decode(response.content, type=ErrorBody).error
        except msgspec.DecodeError:  # an error of another server, or of the imitated service
            message = (
                f"url: {self.name} is not the base URL of a kling-mock, such as http://127.0.0.1:8000; "
                f"{response.request.url.path} is answered with {status}"
            )
            return RemoteUnreachable(message, status)
        return _ERRORS.get(status, RemoteError)(info.message, status, info.pointer)

    def close(self) -> None:
        self._http.close()
