"""The environment variables of a test: no real key, no other address of the service, no proxy in between."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from kling_contracts import vocabulary as names
from kling_contracts.gateways import INTERCEPTED_HOSTS
from kling_mock.settings import Settings

# Names by which projects keep keys and addresses of the service, beside those that our client reads.
_PREFIX: Final = r"(?:\w+_)?(?:COMET|COMETAPI|COMET_API|KLING|KLINGAI|KLING_AI)_(?:\w+_)?"
_ACCESS: Final = re.compile(_PREFIX + r"(?:ACCESS_KEY|ACCESS_KEY_ID|AK)", re.IGNORECASE)
_SECRET: Final = re.compile(_PREFIX + r"(?:SECRET|SECRET_KEY|SECRET_ACCESS_KEY|SK)", re.IGNORECASE)
_KEY: Final = re.compile(_PREFIX + r"(?:KEY|APIKEY|TOKEN|JWT)S?", re.IGNORECASE)
_ADDRESS: Final = re.compile(
    _PREFIX + r"(?:URL|URI|BASE|API_BASE|HOST|ENDPOINT|DOMAIN|ORIGIN|ADDRESS)", re.IGNORECASE
)
_OPENAI_KEY: Final = "OPENAI_API_KEY"
_OPENAI_ADDRESS: Final = "OPENAI_BASE_URL"
_NO_PROXY: Final = ("NO_PROXY", "no_proxy")
_DIRECT: Final = ("localhost", "127.0.0.1", "::1", *INTERCEPTED_HOSTS)

DEFAULT_KEY: Final = "sk-mock"


def variables(present: Mapping[str, str], settings: Settings, base_url: str | None) -> dict[str, str | None]:
    """The values of variables during a test, by name; None: the variable is removed.

    Our own variables are set. Others of the service that are present get the same keys, or are removed if
    the fake has none; addresses of the service are removed. Without `base_url` each gateway has its own
    address. Names of the service bypass proxies, so that this process resolves them, which is refused.
    """
    key = next(iter(settings.plain_keys), DEFAULT_KEY)
    access, secret = next(iter(settings.secrets.items()), (None, None))
    given: dict[str, str | None] = {}
    for name in present.keys() - {names.MOCK_URL_VARIABLE, names.MOCK_TOKEN_VARIABLE}:
        for pattern, value in ((_ACCESS, access), (_SECRET, secret), (_KEY, key), (_ADDRESS, None)):
            if pattern.fullmatch(name):
                given[name] = value
                break
    if any(host in present.get(_OPENAI_ADDRESS, "").lower() for host in INTERCEPTED_HOSTS):
        given[_OPENAI_KEY] = key
    for name in _NO_PROXY:
        given[name] = ",".join(dict.fromkeys((*filter(None, present.get(name, "").split(",")), *_DIRECT)))
    return given | {
        names.API_KEY_VARIABLE: key,
        names.ACCESS_KEY_VARIABLE: access,
        names.SECRET_KEY_VARIABLE: secret,
        names.KLING_API_KEY_VARIABLE: key if access is None else None,
        names.BASE_URL_VARIABLE: base_url,
    }
