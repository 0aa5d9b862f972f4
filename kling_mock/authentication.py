"""Who speaks: the bearer of a request, and whether its key is good.

On Kling's gateway the bearer may also be a token (JWT, HS256) that is signed with the secret of an access
key; then the access key is the account.
"""

from __future__ import annotations

import hmac

from contracts.gateways import Gateway, Situation
from kling_mock.accounts import Credential, Denied, account_name
from kling_mock.replies import Request
from kling_mock.settings import Settings


def credential_of(
    request: Request, settings: Settings, gateway: Gateway, system: float
) -> Credential | Denied:
    """The account a request speaks for, or why it speaks for none.

    The scheme is taken in any case. Two Authorization headers are ambiguous: proxies differ in which one
    they read, so neither counts. `system` is system time in Unix seconds.
    """
    given = [value for name, value in request.headers if name == "authorization"]
    bearer = given[0].strip() if given else ""
    if not bearer:
        return Denied(Situation.NO_KEY)
    scheme, _, key = bearer.partition(" ")
    key = key.strip()
    if len(given) > 1 or scheme.lower() != "bearer" or not key:
        return Denied(Situation.MALFORMED_KEY)
    if settings.keys and accepts(settings, key):
        return Credential(account_name(key))
    if gateway.takes_tokens and key.count(".") == 2:
        from kling_mock.tokens import read_token

        return read_token(key, settings, gateway, system)
    if not settings.keys:
        return Credential(account_name(key))
    return Denied(Situation.MALFORMED_KEY if gateway.takes_tokens else Situation.BAD_KEY, _parts(key))


def _parts(key: str) -> str:
    """How the service counts: it looks for the first dot, then for the second."""
    dots = key.count(".")
    return "0" if dots == 0 else "2" if dots == 1 else "> 3"


def accepts(settings: Settings, key: str) -> bool:
    """Whether a plain key is good. Takes as long for a key that is nearly right as for any other."""
    good = False
    for known in settings.plain_keys:
        prefix = known.endswith("*")
        wanted = known[:-1] if prefix else known
        shown = key[: len(wanted)] if prefix else key
        good |= hmac.compare_digest(wanted.encode(), shown.encode("utf-8", "surrogatepass"))
    return good
