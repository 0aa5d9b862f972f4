"""Reading a reply in tests: its body, and the header with the rule that refused the request."""

from __future__ import annotations

import re
from typing import Any, cast

from kling_mock import Reply

HEADER = re.compile(
    r"(?P<rule>[a-z_]+(\.[a-z0-9_]+)?); "
    r"source=(?P<origin>seed|official|reseller|captured|assumed) \((?P<reference>[ -~]+)\); "
    r"relax=(?P<relax>[a-z0-9_,. ]+)"
)


def body_of(reply: Reply) -> dict[str, Any]:
    return cast("dict[str, Any]", reply.json())


def header(reply: Reply) -> dict[str, str]:
    given = dict(reply.headers)["x-kling-mock-rule"]
    found = HEADER.fullmatch(given)
    assert found is not None, given
    return found.groupdict()
