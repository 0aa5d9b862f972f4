"""Writes the requests that reproduce a failure as a few lines of Python with httpx."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import Final, cast

from kling_contracts.verify.repro.placeholders import Placeholder
from kling_contracts.verify.repro.replay import Call, Listening, Replay, Result
from kling_contracts.verify.text import expression

# The number of lines that is easy to read.
_MOST: Final = 5
_JSON: Final = ("content-type", "application/json")
_MODULES: Final = {
    "concurrent.futures": r"\bconcurrent\.futures\.\w+\(",
    "httpx": "",
    "json": r"\bjson\.dumps\(",
    "jwt": r"\bjwt\.encode\(",
    "os": r"\bos\.(?:environ|urandom)\b",
    "time": r"\btime\.(?:sleep|time)\b",
    "kling_contracts.image_files as image_files": r"\bimage_files\.\w+\(",
    "kling_contracts.cases.images as images": r"\bimages\.\w+\(",
    "kling_contracts.verify.callback_server as callback_server": r"\bcallback_server\.CallbackServer\(",
}
_NAMES: Final = re.compile(r"\b(?:key|second_key|run)\b")
_SHOWS: Final = 'event_hooks={"response": [lambda it: print(it, it.headers, it.read()[:500])]}'


def lines(replay: Replay, base_url: str) -> list[str]:
    """The lines of the script."""
    counting = _Writer(replay, base_url)
    counting.lines()
    writer = _Writer(replay, base_url, once={name for name, count in counting.used.items() if count == 1})
    sent = writer.lines()
    set_first = {name: replay.placeholders.in_python(name) for name in sorted(set(writer.used) - writer.once)}
    if set_first:
        sent.insert(0, f"{', '.join(set_first)} = {', '.join(set_first.values())}")
    sent = list(_joined(sent, _MOST - 1))
    text = "\n".join(sent)
    modules = [name for name, used in _MODULES.items() if re.search(used, text)]
    return [f"import {', '.join(modules)}", *sent]


def _joined(lines: Sequence[str], most: int) -> Sequence[str]:
    """The lines, with the last simple ones joined by semicolons if there are more than `most`."""
    simple = 0
    while simple < len(lines) and not lines[~simple].startswith((" ", "for ", "while ", "with ")):
        simple += 1
    spare = min(len(lines) - most, simple - 1)
    if spare <= 0:
        return lines
    at = len(lines) - 1 - spare
    return [*lines[:at], "; ".join(lines[at:])]


def _listened(sent: Sequence[str], listening: Listening) -> Iterator[str]:
    """The lines inside a receiver of callbacks."""
    first = f"inbox.refuse_first({expression(listening.token)}); " if listening.refuses_first else ""
    last = f'time.sleep({listening.seconds}); print(*inbox.received(), sep="\\n")'
    yield "with callback_server.CallbackServer(time.time) as inbox:"
    if sent:
        yield f"    {first}{sent[0]}"
    yield "    " + "; ".join((*sent[1:], last))


def _shared_headers(calls: Sequence[Call]) -> tuple[tuple[str, str], ...]:
    """The most common Authorization header; empty if some call has none."""
    own = Counter(
        tuple(it for it in call.headers if it[0] == "Authorization") for call in calls if not call.fetches
    )
    return own.most_common(1)[0][0] if own and () not in own else ()


class _Writer:
    """Writes the calls of a replay.

    `used` counts the uses of each name. Names in `once` are replaced by their expressions.
    """

    def __init__(self, replay: Replay, base_url: str, once: Collection[str] = ()) -> None:
        self.used = Counter[str]()
        self.once = frozenset(once)
        self._replay = replay
        self._placeholders = replay.placeholders
        self._base_url = base_url
        calls = replay.calls
        repeated = any(call.repeated for call in calls)
        self._several = len(calls) > 1 or repeated or replay.listening is not None
        self._shared = _shared_headers(calls) if self._several else ()

    def lines(self) -> list[str]:
        """The lines that send and print, without imports and assignments."""
        calls = self._replay.calls
        sent = list(self._calls() if self._several else self._one(calls[0]) if calls else ())
        if self._replay.listening is not None:
            sent = list(_listened(sent, self._replay.listening))
        if self._several:
            default = f", headers={self._headers(self._shared)}" if self._shared else ""
            client = (
                f"http = httpx.Client(base_url={expression(self._base_url)}{default}, timeout=60, {_SHOWS})"
            )
            sent.insert(0, client)
        return sent

    def _one(self, call: Call) -> Iterator[str]:
        """A single call that prints the answer."""
        yield f"answer = {self._request(call)}"
        yield "print(answer, answer.headers, answer.text[:500])"

    def _calls(self) -> Iterator[str]:
        """Several calls in order; a hook of the client prints each answer."""
        for call in self._replay.calls:
            if call.fetches:
                yield from self._fetch(call.fetches, len(call.pauses))
                continue
            before = self.used.copy()
            request, pause = self._request(call), call.pauses[0]
            if call.repeated:  # a name in a loop must keep its value, so it counts as used twice
                self.used += self.used - before
            if len(call.pauses) > 1 and self._replay.listening is not None:
                # A comprehension, because this line is joined with others, which a loop cannot be.
                yield f"[(time.sleep(pause), {request}) for pause in {_listed(call.pauses)}]"
            elif len(call.pauses) > 1 and any(call.pauses):
                yield f"for pause in {_listed(call.pauses)}: time.sleep(pause); {request}"
            elif len(call.pauses) > 1:
                yield f"for _ in range({len(call.pauses)}): {request}"
            elif call.at_once > 1:
                yield f"with concurrent.futures.ThreadPoolExecutor({call.at_once}) as pool:"
                yield f"    list(pool.map(lambda _: {request}, range({call.at_once})))"
            else:
                made = f'{call.makes} = {request}.json()["data"]["task_id"]' if call.makes else request
                yield f"time.sleep({pause}); {made}" if pause else made

    def _fetch(self, result: Result, times: int) -> Iterator[str]:
        """Lines that poll a task, then download its result without the key."""
        path = f'"{self._placeholders.evidence.gateway.create_path}/" + {result.task}'
        query = f'http.get({path}).json()["data"]["task_result"]'
        kind = self._placeholders.evidence.operation.result
        yield f'while not ({kind} := {query}.get("{kind}")): time.sleep(1)'
        fetched = f'httpx.get({kind}[{result.position}]["url"])'
        seen = "image_files.read_header" if kind.drawn else "len"
        shown = f"print(answer, answer.headers, {seen}(answer.content), hash(answer.content))"
        yield f"for answer in [{fetched} for _ in range({times})]: {shown}"

    def _request(self, call: Call) -> str:
        exchange = call.exchange
        whole = not self._several and not exchange.target.startswith(("http://", "https://"))
        words = [self._text(self._base_url + exchange.target if whole else exchange.target)]
        headers = [it for it in call.headers if it not in self._shared]
        if call.has_body:
            body, typed = self._body(call)
            headers = [it for it in headers if not (typed and it == _JSON)]
            words.append(body)
        if headers:
            words.insert(1, f"headers={self._headers(headers)}")
        if self._several:
            return f"http.{exchange.method.lower()}({', '.join(words)})"
        return f"httpx.{exchange.method.lower()}({', '.join(words)}, timeout=60)"

    def _headers(self, headers: Sequence[tuple[str, str]]) -> str:
        pairs = [(expression(name), self._text(value)) for name, value in headers]
        if len({name for name, _ in headers}) == len(headers):
            return "{" + ", ".join(f"{name}: {value}" for name, value in pairs) + "}"
        return "[" + ", ".join(f"({name}, {value})" for name, value in pairs) + "]"

    def _body(self, call: Call) -> tuple[str, bool]:
        """The argument for the body, and whether httpx sets the JSON Content-Type for it."""
        body, value = call.exchange.body, call.value
        if value is not None:
            made = self._literal(self._placeholders.in_value(value))
            if body.isascii() and not _is_ascii(value):
                return f"content=json.dumps({made})", False
            return f"json={made}", True
        try:
            return f"content={self._text(body.decode('utf-8'))}", False
        except UnicodeDecodeError:
            return f"content={body!r}", False

    def _text(self, text: str) -> str:
        return self._marked(self._placeholders.marked(text))

    def _marked(self, text: str) -> str:
        parts = self._placeholders.split(text)
        return (
            " + ".join(
                self._placeholder(it) if isinstance(it, Placeholder) else expression(it) for it in parts
            )
            or '""'
        )

    def _placeholder(self, placeholder: Placeholder) -> str:
        """The expression of a placeholder, with names that are used once replaced by their expressions."""
        self.used.update(_NAMES.findall(placeholder.python))
        written = {name: self._placeholders.in_python(name) for name in self.once}
        return _NAMES.sub(lambda found: written.get(found[0], found[0]), placeholder.python)

    def _literal(self, value: object) -> str:
        """A JSON value with marked texts."""
        match value:
            case dict():
                pairs = cast("dict[str, object]", value).items()
                return "{" + ", ".join(f"{expression(name)}: {self._literal(it)}" for name, it in pairs) + "}"
            case list():
                return self._list([self._literal(item) for item in cast("list[object]", value)])
            case str():
                return self._marked(value)
            case _:
                return repr(value)

    def _list(self, items: list[str]) -> str:
        if len(items) > 2 and len(set(items)) == 1:
            return f"[{items[0]}] * {len(items)}"
        return f"[{', '.join(items)}]"


def _listed(pauses: Sequence[float]) -> str:
    """A list expression with equal neighbours as products."""
    groups = ((pause, len(list(group))) for pause, group in groupby(pauses))
    return " + ".join(f"[{pause}]" if times == 1 else f"[{pause}] * {times}" for pause, times in groups)


def _is_ascii(value: object) -> bool:
    match value:
        case str():
            return value.isascii()
        case dict():
            pairs = cast("dict[str, object]", value).items()
            return all(name.isascii() and _is_ascii(item) for name, item in pairs)
        case list():
            return all(map(_is_ascii, cast("list[object]", value)))
        case _:
            return True
