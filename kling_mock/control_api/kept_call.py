"""The request of a call, as far as it is kept: to show it as code, and to send it again."""

from __future__ import annotations

import re
from typing import Any, Final

from kling_contracts.gateways import COMETAPI, INTERCEPTED_HOSTS, Gateway, gateway_of
from kling_contracts.vocabulary import API_KEY_VARIABLE, KLING_API_KEY_VARIABLE
from kling_mock.auth import account_name
from kling_mock.control_api.problems import Problem
from kling_mock.exports.request_body import body_of
from kling_mock.exports.request_code import ShownKey
from kling_mock.fake import Fake
from kling_mock.keys import is_public
from kling_mock.records import CallRecord
from kling_mock.timing.client_time import client_time

# A header of requests that are sent again; its value is the id of a question to the control API.
AGAIN: Final = "x-kling-mock-again"
# Headers that belong to a connection or to a library, not to the request.
_OF_CONNECTION: Final = frozenset(
    {
        AGAIN,
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_TRUNCATED: Final = re.compile(r"\.\.\. \(\d+ characters\)$")


def kept_path(call: CallRecord) -> str:
    """The path of a call. Raises a problem (409) if only its beginning is kept."""
    if _TRUNCATED.search(call.path):
        raise Problem(409, "the path of this call is too long: only its beginning is kept")
    return call.path


def kept_headers(call: CallRecord) -> tuple[tuple[str, str], ...]:
    """The headers of a call that belong to the request. Credentials are not kept."""
    return tuple([each for each in call.headers if each[0] not in _OF_CONNECTION])


def kept_body(call: CallRecord) -> dict[str, Any] | None:
    """The JSON body of a call, or None if it has none. Raises a problem (409) if it is not kept."""
    if call.request is None:
        length = dict(call.headers).get("content-length", "")
        if call.method in ("POST", "PUT", "PATCH") or length.strip("0"):
            why = f": it was refused by {call.rule}" if call.rule else ""
            raise Problem(409, f"the body of this call is not kept{why}; give a body")
        return None
    try:
        return body_of(call.request)
    except ValueError as error:
        raise Problem(409, str(error)) from None


def kept_host(call: CallRecord) -> str:
    return dict(call.headers).get("host", "")


def gateway_of_call(fake: Fake, call: CallRecord) -> Gateway:
    return gateway_of(call.path, kept_host(call), fake.gateways)


def shown_key(fake: Fake, call: CallRecord) -> ShownKey | None:
    """The key for code: that of a mock, or a variable for a secret one; None for a request without a key."""
    account = call.account
    if account is not None and is_public(account):
        return ShownKey(account)
    if account is None and (
        call.rule is None or not call.rule.startswith("auth.") or call.rule == "auth.missing"
    ):
        return None
    variable = API_KEY_VARIABLE if gateway_of_call(fake, call) is COMETAPI else KLING_API_KEY_VARIABLE
    return ShownKey(variable=variable)


def key_of(fake: Fake, call: CallRecord) -> str | None:
    """The key with which to send a call again; None for a request without a key.

    Raises a problem (409) for a key that is not known: only those of mocks and of the setting `keys` are.
    """
    key = shown_key(fake, call)
    if key is None or key.text:
        return None if key is None else key.text
    settings, account = fake.settings, call.account
    for plain in settings.plain_keys:
        if account_name(plain) == account:
            return plain
    for access, secret in settings.secrets.items():
        if account_name(access) == account:
            from kling_mock.tokens import sign_token

            return sign_token(access, secret, client_time())
    raise Problem(409, "the key of this call is not kept; send the request with your client")


def base_url_of(call: CallRecord) -> str:
    """The URL of the server, as the client named it; the usual one for a request in process."""
    host = kept_host(call)
    if not host or host.partition(":")[0] in INTERCEPTED_HOSTS:
        return "http://127.0.0.1:8000"
    return f"http://{host}"
