"""Writes the requests that reproduce a failure as a shell script with curl and a receiver of callbacks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Final

from kling_contracts.verify.repro.placeholders import RECEIVER, Placeholder, Placeholders
from kling_contracts.verify.repro.replay import Call, Listening, Replay, Result
from kling_contracts.verify.session import encode
from kling_contracts.verify.text import octal, printable, word

# A longer argument may exceed the limit of a command line.
_LONGEST: Final = 100_000
_PLAIN: Final = re.compile(r"[^\"\\$`!]*")
# Texts that need no quotes; values of the script's variables contain no blanks.
_UNQUOTED: Final = re.compile(r"(?:\$\w+|[\w:/.-])+")
_SHOW_AND_CUT: Final = r"""tee /dev/stderr | sed -E 's/.*"task_id": ?"([^"]+)".*/\1/'"""
_LISTEN: Final = """\
python3 -uc '
import http.server
class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        print(self.path, self.headers, self.rfile.read(int(self.headers["content-length"])).decode())
        self.send_response(REPLY); self.end_headers()
http.server.HTTPServer(ADDRESS, Receiver).serve_forever()' & RECEIVER=$!; sleep 1"""


def lines(replay: Replay, base_url: str) -> list[str]:
    """The lines of the script."""
    sent = [line for call in replay.calls for line in _call(call, replay.placeholders, base_url)]
    set_first = replay.placeholders.needed(sent)
    if replay.listening is None:
        return [*set_first, *sent]
    return [*set_first, _listen(replay.listening), *sent, f"sleep {replay.listening.seconds}; kill $RECEIVER"]


def _listen(listening: Listening) -> str:
    host, _, port = RECEIVER.partition(":")
    reply = "200"
    if listening.refuses_first:
        reply = "next(replies, 200)"
    made = _LISTEN.replace("REPLY", reply).replace("ADDRESS", f'("{host}", {port})')
    return made.replace("class", "replies = iter([500])\nclass", 1) if listening.refuses_first else made


def _call(call: Call, placeholders: Placeholders, base_url: str) -> Iterator[str]:
    if call.fetches:
        yield from _fetch(call.fetches, len(call.pauses), placeholders, base_url)
        return
    line = _curl(call, placeholders, base_url)
    if len(call.pauses) > 1:
        yield f"for pause in {' '.join(map(str, call.pauses))}; do sleep $pause; {line}; done"
        return
    for pause in filter(None, call.pauses):
        yield f"sleep {pause}"
    if call.at_once > 1:
        yield f"for i in $(seq {call.at_once}); do {line} & done; wait"
    elif call.makes:
        yield f"{call.makes}=$({line} | {_SHOW_AND_CUT})"
    else:
        yield line


def _fetch(result: Result, times: int, placeholders: Placeholders, base_url: str) -> Iterator[str]:
    """Lines that poll a task, then download and describe its result."""
    query = f'"{base_url}{placeholders.evidence.gateway.create_path}/${result.task}"'
    key = f'-H "Authorization: Bearer ${placeholders.key_variable}"'
    cut = f"grep -o 'https*://[^\"]*' | sed -n {result.position + 1}p"
    yield f'for i in $(seq 60); do url=$(curl -sS {query} {key} | {cut}); [ "$url" ] && break; sleep 1; done'
    look = 'curl -sS -D - -o picture "$url"; file picture; cksum picture'
    yield look if times == 1 else f"for i in $(seq {times}); do {look}; done"


def _curl(call: Call, placeholders: Placeholders, base_url: str) -> str:
    exchange = call.exchange
    url = (
        exchange.target if exchange.target.startswith(("http://", "https://")) else base_url + exchange.target
    )
    words = ["curl", "-sS"]
    if not call.makes:
        words.append("-i")
    if any(sign in url for sign in "[]{}"):
        words.append("-g")
    if any(part in (".", "..") for part in url.split("/")):
        words.append("--path-as-is")
    if exchange.method != ("POST" if call.has_body else "GET"):
        words += ["-X", exchange.method]
    words.append(_quoted(url, placeholders))
    for name, value in call.headers:
        # `Name;` is how curl sends a header without a value.
        words += ["-H", _quoted(f"{name}: {value}", placeholders) if value else shlex.quote(f"{name};")]
    if not call.has_body:
        return " ".join(words)
    made, short = _body(call, placeholders)
    if short:
        return " ".join((*words, "--data-raw", made))
    return f"printf {made} | {' '.join(words)} --data-binary @-"


def _body(call: Call, placeholders: Placeholders) -> tuple[str, bool]:
    """The body as a shell word, and whether it fits as an argument of curl; else arguments of `printf`."""
    try:
        text = call.exchange.body.decode("utf-8")
    except UnicodeDecodeError:
        return octal(call.exchange.body), False
    if "\0" in text:
        return octal(call.exchange.body), False
    if call.value is not None:
        text = encode(placeholders.in_value(call.value), escaped=call.exchange.body.isascii()).decode()
        text = "".join(map(_visible, text)) if printable(text) != text else text
    else:
        text = placeholders.marked(text)
    parts = list(placeholders.split(text))
    made = "".join(_in_data(part) for part in parts) or "''"
    longest = sum(len(it) if isinstance(it, str) else it.length for it in parts)
    return (made, True) if longest <= _LONGEST else (f"%s {made}", False)


def _visible(sign: str) -> str:
    """A character of a JSON text; as an equivalent JSON escape if a terminal cannot show it."""
    return sign if printable(sign) == sign else f"\\u{ord(sign):04x}" if sign <= "\uffff" else sign


def _in_data(part: str | Placeholder) -> str:
    """A part of a body as a shell word, without quotes where they are not needed."""
    if isinstance(part, str):
        return word(part)
    return part.shell if _UNQUOTED.fullmatch(part.shell) else f'"{part.shell}"'


def _quoted(text: str, placeholders: Placeholders) -> str:
    """A URL or a header as a shell word, in double quotes if it has variables and nothing to escape."""
    parts = list(placeholders.split(placeholders.marked(text)))
    if any(isinstance(it, Placeholder) for it in parts) and all(
        isinstance(it, Placeholder) or _PLAIN.fullmatch(it) for it in parts
    ):
        return '"' + "".join(it.shell if isinstance(it, Placeholder) else it for it in parts) + '"'
    return "".join(f'"{it.shell}"' if isinstance(it, Placeholder) else word(it) for it in parts) or "''"
