"""Absolute http(s) URLs: their pattern in JSON Schema, and a function that agrees with it."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

_PORT: Final = (  # 0 to 65535
    r"0*(?:[0-9]{0,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
)
# Optional user, host name or bracketed address, optional port; the rest is not restricted. `(?!\n)$` since
# Python's `$`, unlike ECMA's, also matches before a final newline.
URL_PATTERN: Final = (
    r"^[hH][tT][tT][pP][sS]?://(?:[^\s/?#]*@)?(?:\[[0-9a-fA-F:.]+\]|[^\s/?#@:\[\]]+)"
    rf"(?::{_PORT})?(?:[/?#]|(?!\n)$)"
)
LOOKS_WEB: Final = re.compile(r"[hH][tT][tT][pP][sS]?://")
# Fast path: matches nearly every valid URL, and no other text of up to `AUTHORITY_MAXIMUM` characters.
PLAIN_URL: Final = re.compile(r"https?://[A-Za-z0-9.-]++(?:/[!-~]*+)?+")
# `urlsplit` silently drops tabs and newlines, and accepts blanks in a host name.
_BLANK_IN_HOST: Final = re.compile(r"[^/]*//[^/?#\s]*\s")

# Scheme, user, host and port together are shorter; parsing a "host" of 80 MB takes seconds.
_AUTHORITY: Final = re.compile(r"[hH][tT][tT][pP][sS]?://[^/?#]*")
AUTHORITY_MAXIMUM: Final = 8192


def is_web_url(text: str) -> bool:
    """Whether text is an absolute http(s) URL with a host. Path, query and fragment are not checked."""
    if len(text) > AUTHORITY_MAXIMUM:
        end = _AUTHORITY.match(text, 0, AUTHORITY_MAXIMUM)
        if end is None or end.end() == AUTHORITY_MAXIMUM:
            return False
        text = text[: end.end()]
    if PLAIN_URL.fullmatch(text):
        return True
    if not LOOKS_WEB.match(text) or _BLANK_IN_HOST.match(text):
        return False
    try:
        parts = urlsplit(text)
        _, host = parts.port, parts.hostname
    except ValueError:  # the port is not a number, or the IPv6 host is malformed
        return False
    return bool(host)
