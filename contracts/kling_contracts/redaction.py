"""Makes texts safe to show: removes keys, whole or in part and in any usual encoding, and secrets in URLs.

Also escapes control characters, so that a text of a server or of a user cannot control a terminal.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple
from urllib.parse import quote

HIDDEN: Final = "[hidden]"
# A run of this many characters of a key counts as a part of it. Gateways show fewer: `sk-abc***xyz`.
PART: Final = 8
# Parts of shorter keys are ordinary words, such as `sk-mock-`; only the whole key is removed.
SHORTEST_DIVISIBLE: Final = 16

# Every run of PART characters contains a gram of this length that begins at a multiple of the stride.
_GRAM: Final = 4
_STRIDE: Final = PART - _GRAM + 1
# Bytes for each form of a secret. In larger contents a search for each form is faster than one for the grams.
_SMALL: Final = 20
# Tokens signed with one key share their first characters, which the latest forms suffice to recognize.
_FORMS: Final = 50
# Short texts, such as headers, repeat in every request of a run: their results are kept, up to this number.
_KEPT: Final = 2048
_KEPT_LENGTH: Final = 256

# Texts come from servers and users: each of these patterns takes linear time for every text.
_URL: Final = re.compile(r"\b([a-z][a-z0-9+.-]{0,40}://)([^\s'\"<>]+)", re.IGNORECASE)
_PARAMETER: Final = re.compile(r"[?&#;]([\w.-]*+)=(?=[^&#\s'\"<>])")
_SECRET_NAME: Final = re.compile(
    r"token|key|secret|signature|sig|password|passwd|auth|credential", re.IGNORECASE
)
_VALUE: Final = re.compile(r"[^&#\s'\"<>]+")


class _Form(NamedTuple):
    """An encoding of a secret. `least`: the length of an encoded part that is removed."""

    content: bytes
    least: int


class Redactor:
    """Replaces registered secrets in texts. Thread-safe: a registration replaces the tables."""

    def __init__(self, part_mark: str = "[part of a key]") -> None:
        """`part_mark` replaces a part of a secret: a run of 8 characters or more."""
        self._part_mark = part_mark.encode()
        self._whole: dict[bytes, bytes] = {}
        self._grams: dict[bytes, tuple[tuple[_Form, int], ...]] = {}
        # The grams of all forms: a text without them has no secret. Additions before the tables are replaced
        # are harmless. Forms that are too short for a gram at the stride are counted.
        self._marks: set[bytes] = set()
        self._short = 0
        self._kept: dict[str, str] = {}

    def add(self, marks: Mapping[str, str], *, encoded: bool = True, parts: bool = True) -> None:
        """Register secrets and the marks that replace them; a registered secret keeps its mark.

        With `encoded`, also their JSON, percent, base64, hexadecimal and HTML encodings; with `parts`, also
        parts of them.
        """
        found: dict[bytes, bytes] = {}
        grams: dict[bytes, tuple[tuple[_Form, int], ...]] = dict(self._grams)
        for secret, mark in marks.items():
            for form in {*_encodings(secret)} if encoded else {_plain(secret)}:
                if form.content in self._whole:
                    continue
                found.setdefault(form.content, mark.encode())
                self._short += len(form.content) < PART
                self._marks.update(
                    form.content[at : at + _GRAM] for at in range(len(form.content) - _GRAM + 1)
                )
                if parts and len(secret) >= SHORTEST_DIVISIBLE:
                    for at in range(len(form.content) - _GRAM + 1):
                        gram = form.content[at : at + _GRAM]
                        grams[gram] = (*grams.get(gram, ())[-_FORMS:], (form, at))
        # The longest first: one secret may be the beginning of another.
        self._whole = dict(sorted({**found, **self._whole}.items(), key=lambda item: -len(item[0])))
        self._grams = grams
        self._kept = {}

    def text(self, text: str) -> str:
        """The text with every secret, and every part of one, replaced."""
        kept = self._kept  # before the work: a registration meanwhile starts another one
        if (result := kept.get(text)) is None:
            result = _decoded(self.content(text.encode("utf-8", "surrogatepass")))
            if len(text) <= _KEPT_LENGTH and len(kept) < _KEPT:
                kept[text] = result
        return result

    def content(self, content: bytes) -> bytes:
        """`text` for bytes."""
        return content if self._is_clean(content) else self._without_parts(self._replaced(content))

    def whole(self, content: bytes) -> bytes:
        """The bytes with every whole secret replaced; parts remain. Fast, for large contents."""
        small = len(content) <= _SMALL * len(self._whole)
        return content if small and self._is_clean(content) else self._replaced(content)

    def _is_clean(self, content: bytes) -> bool:
        """Whether the content has no gram of a secret at the stride, hence no secret and no part of one."""
        last = len(content) - _GRAM
        return not self._short and self._marks.isdisjoint(
            [content[at : at + _GRAM] for at in range(0, last + 1, _STRIDE)]
        )

    def _replaced(self, content: bytes) -> bytes:
        for secret, mark in self._whole.items():
            content = content.replace(secret, mark)
        return content

    def _without_parts(self, content: bytes) -> bytes:
        grams = self._grams
        if not grams:
            return content
        kept: list[bytes] = []
        done = 0
        for at in range(0, len(content) - _GRAM + 1, _STRIDE):
            found = grams.get(content[at : at + _GRAM])
            if found is None or at < done:
                continue
            begin, end = max((_run(content, at, form, place) for form, place in found), key=_length)
            if end > begin:
                kept += [content[done : max(begin, done)], self._part_mark]
                done = end
        return content if not kept else b"".join([*kept, content[done:]])


def _length(run: tuple[int, int]) -> int:
    return run[1] - run[0]


def _run(content: bytes, at: int, form: _Form, place: int) -> tuple[int, int]:
    """The part of a form around a gram; empty if it is shorter than the form's least length."""
    secret = form.content
    begin, end, left, right = at, at + _GRAM, place, place + _GRAM
    while begin and left and content[begin - 1] == secret[left - 1]:
        begin, left = begin - 1, left - 1
    while end < len(content) and right < len(secret) and content[end] == secret[right]:
        end, right = end + 1, right + 1
    return (begin, end) if end - begin >= form.least else (at, at)


def _plain(secret: str) -> _Form:
    return _Form(secret.encode("utf-8", "surrogatepass"), PART)


def _encodings(secret: str) -> Iterator[_Form]:
    """A secret as plain text, and encoded for JSON, URLs, HTML, base64 and hexadecimal."""
    from html import escape  # only here: commands without a registered secret do not need it

    plain = _plain(secret).content
    yield _Form(plain, PART)
    in_json, in_url = json.dumps(secret)[1:-1], quote(plain, safe="")
    for text in (in_json, in_json.replace("/", "\\/"), in_url, _lower_percent(in_url), escape(secret)):
        yield _Form(text.encode(), PART)
    hexadecimal = plain.hex()
    every = "".join(f"%{hexadecimal[at : at + 2]}" for at in range(0, len(hexadecimal), 2))
    for text in (every, every.upper()):
        yield _Form(text.encode(), 3 * PART)
    for text in (hexadecimal, hexadecimal.upper()):
        yield _Form(text.encode(), 2 * PART)
    # Base64 text depends on the position of the secret in the encoded bytes, such as `user:key`.
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + plain)
        # Only the characters that the secret determines alone.
        core = whole[-(-before * 8 // 6) : (before + len(plain)) * 8 // 6]
        for form in (core, core.translate(bytes.maketrans(b"+/", b"-_"))):
            yield _Form(form, PART * 8 // 6)


def _lower_percent(text: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), text)


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:  # a part of a non-ASCII secret ended within a character
        return content.decode("utf-8", "replace")


def hide_in_urls(text: str) -> str:
    """The text without secrets of the URLs in it: user, password, and values of the query and fragment.

    Elsewhere, values of parameters whose name is that of a secret (`?token=...`) are removed.
    """
    if "://" in text:
        text = _URL.sub(_hide, text)
    return _hide_parameters(text) if "=" in text else text


def _hide_parameters(text: str) -> str:
    kept: list[str] = []
    done = 0
    for found in _PARAMETER.finditer(text):
        if found.start() < done or not _SECRET_NAME.search(found[1]):
            continue
        value = _VALUE.match(text, found.end())
        if value is not None:
            kept += [text[done : value.start()], HIDDEN]
            done = value.end()
    return text if not kept else "".join([*kept, text[done:]])


def _hide(found: re.Match[str]) -> str:
    scheme, rest = found[1], found[2]
    end = min((at for at in map(rest.find, "?#") if at >= 0), default=len(rest))
    place, values = rest[:end], rest[end:]
    # Also in a URL within the path, as some proxies have it.
    bare = re.sub("(:/{1,2})[^/]*@", r"\1", scheme + place)
    shown = re.sub(r"=[^&;#]*", f"={HIDDEN}", values) if "=" in values else values[:1] + HIDDEN
    return bare + (shown if len(values) > 1 else values)


def escape_controls(text: str, keep: str = "") -> str:
    """The text with each unprintable character escaped: control characters, bidirectional marks, surrogates.

    `keep`: characters that are left as they are, such as newlines.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
