"""Hints for a finding: the probable cause of an unexpected answer, from its status, code and content type."""

from __future__ import annotations

from typing import Final

from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.model import Failure

_BY_CODE: Final = {
    "task_not_exist": "the server does not know this task id: it lost the task, serves it from another "
    "instance, or compares ids inexactly",
    "model_not_found": "no channel of the gateway offers this model",
}
_BY_STATUS: Final = {
    401: "the server did not accept the Authorization header",
    403: "the key is valid but not permitted to do this, or a firewall refused the request",
    404: "the server has no such route: compare the path of --base-url, --gateway and --operation with it",
    405: "the server has the path, but not for this method",
    413: "the server or a proxy before it limits the size of bodies",
    415: "the server did not accept the Content-Type of the request",
    429: "a limit of requests or concurrent tasks was reached: raise it for this key",
    502: "a proxy could not reach the server behind it",
    503: "the server or the gateway behind it is unavailable",
    504: "a proxy waited too long for the server behind it",
}
_SERVER_ERROR: Final = "an exception in the server: its log has the cause"
_HTML: Final = "an HTML page: a proxy or a web framework answered instead of the API"
_NO_ANSWER: Final = "the server closed the connection, crashed, or took too long"


_POLLS: Final = (
    "with --pace polls:N a kling-mock moves a task by each query; serve it with --pace seconds:0.3,0.5"
)


def hint(failure: Failure, check_id: str = "", *, mock: bool = False) -> str:
    """The probable cause of the last answer of a failure; empty if the answer suggests none.

    `mock`: the server is a kling-mock.
    """
    if mock and check_id == "polling.no_observer_effect":
        return _POLLS
    last = failure.shown[-1] if failure.shown else None
    if not isinstance(last, Exchange):
        return ""
    if not last.answered:
        return _NO_ANSWER
    if str(last.status) in failure.expected:
        return ""
    if last.content_type == "text/html":
        return _HTML
    code = last.error_code
    if isinstance(code, str) and code in _BY_CODE:
        return _BY_CODE[code]
    return _BY_STATUS.get(last.status, _SERVER_ERROR if last.status >= 500 else "")
