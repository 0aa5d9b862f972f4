"""The story of a task as a test for pytest, formatted as the usual formatters do it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from kling_mock.documents import SUBJECTS, methods_of
from kling_mock.exports.literals import LINE, python_text, python_value
from kling_mock.exports.request_body import pictures_in
from kling_mock.exports.task_story import ANY, StoryEvent, TaskStory
from kling_mock.scripts.signatures import arguments_of

_SEEN: Final = '''\
def seen(client, url):
    """The status of a task; of a reply without one its status, None without a reply."""
    try:
        reply = client.get(url)
    except httpx.TransportError:
        return None
    try:
        body = reply.json()
        return (body.get("data") or body)["task_status"]
    except (AttributeError, KeyError, ValueError):
        return reply.status_code


'''


def pytest_story(story: TaskStory) -> str:
    """A module with one test, which uses the fixture `kling`."""
    pictures = list(pictures_in(dict(story.body)))
    lines = [f'"""{story.title}. Exported from kling-mock."""', ""]
    imports = ["from contextlib import suppress"] if any(map(_is_open, story.events)) else []
    if any(each.shown == ANY and each.picture is None for each in story.events):
        imports.append("from unittest.mock import ANY")
    lines += [*imports, ""] if imports else []
    lines += ["import httpx"]
    if story.created is None:
        lines += ["import pytest"]
    if pictures:
        lines += ["from kling_contracts.cases.images import picture"]
    lines += ["", "", *([] if _is_plain(story) else _SEEN.splitlines()), "def test_task(kling):"]
    lines += [f"    {line}" if line else "" for line in _statements(story)]
    return "\n".join(lines) + "\n"


def _is_plain(story: TaskStory) -> bool:
    """Whether the reply to each query is one of the service, with a task status."""
    shown = [each.shown for each in story.events if each.picture is None]
    odd = any("changes_shape" in each for each in story.scripts)
    return not odd and all(isinstance(each, str) and each != ANY for each in shown)


def _is_open(event: StoryEvent) -> bool:
    """Whether it is a download of which a fault decides the outcome."""
    return event.picture is not None and event.shown in (None, ANY)


def _statements(story: TaskStory) -> Iterator[str]:
    yield "kling.clock.freeze()"
    if story.settings:
        yield from _assigned("settings", dict(story.settings))
        yield "kling.change_settings(**settings)"
    for document in story.scripts:
        yield from _script(document)
    if story.replies:
        yield from _receiver(story)
    yield ""
    yield from _assigned("client", "httpx.Client()", raw=True)
    yield from _assigned('client.headers["Authorization"]', f"Bearer {story.key}")
    yield from _assigned("url", story.gateway.base_url + story.path)
    pictures = list(pictures_in(dict(story.body)))
    if pictures:
        yield "# The bytes of pictures that were sent inline are not kept."
        yield from (f"{each.name} = picture()" for each in pictures)
    yield from _assigned("body", dict(story.body))
    if story.created is None:
        yield "with pytest.raises(httpx.TransportError):"
        yield "    client.post(url, json=body)"
    else:
        yield "reply = client.post(url, json=body)"
        yield f"assert reply.status_code == {story.created}"
    if story.status is None:
        yield from _refused(story)
        return
    yield "task = kling.task"
    yield from _events(story)
    if story.rest:
        yield f"kling.clock.advance({story.rest:g})"
    yield f"assert task.status == {python_text(story.status)}"
    if story.failure is not None:
        yield from _assigned("failure", story.failure)
        yield "assert task.failure == failure"
    if story.replies:
        yield from _assigned("expected", list(story.delivered))
        yield "assert delivered == expected"


def _refused(story: TaskStory) -> Iterator[str]:
    if story.rule is not None and story.created is not None:
        yield f'assert reply.headers["x-kling-mock-rule"].startswith({python_text(story.rule + ";")})'
    yield "assert len(kling.tasks) == 0"


def _script(document: Mapping[str, Any]) -> Iterator[str]:
    """A script: on one line if it has one method, else one method a line."""
    (subject,) = document.keys() & SUBJECTS.keys()
    methods = methods_of(SUBJECTS[subject].script)
    criteria = document[subject]
    call = "" if criteria is True else f"({', '.join(f'{key}={each!r}' for key, each in criteria.items())})"
    calls = {name: _arguments(methods[name], value) for name, value in document.items() if name != subject}
    if len(calls) == 1:
        ((name, arguments),) = calls.items()
        line = list(_call(f"kling.{subject}{call}.{name}", *arguments))
        if len(line) == 1:
            yield from line
            return
    yield f"script = kling.{subject}{call}"
    for name, arguments in calls.items():
        yield from _call(f"script.{name}", *arguments)


def _arguments(method: Callable[..., object], value: object) -> tuple[list[Any], dict[str, Any]]:
    positional, named = arguments_of(method, value)
    if len(named) == 1 and not positional and not isinstance(value, dict):
        return list(named.values()), {}
    return positional, named


def _call(function: str, positional: list[Any], named: dict[str, Any]) -> Iterator[str]:
    """A call; its arguments are variables before it if the line is too long."""
    given = [("", each) for each in positional] + [(f"{name}=", each) for name, each in named.items()]
    line = f"{function}({', '.join(f'{name}{_flat(each)}' for name, each in given)})"
    if len(line) + 4 <= LINE:
        yield line
        return
    names: list[str] = []
    for number, (name, each) in enumerate(given, 1):
        variable = name.rstrip("=") or ("value" if len(given) == 1 else f"value{number}")
        yield from _assigned(variable, each)
        names.append(f"{name}{variable}")
    yield f"{function}({', '.join(names)})"


def _flat(value: object) -> str:
    return repr(value) if isinstance(value, bytes) else python_value(value, before=-(10**9))


def _receiver(story: TaskStory) -> Iterator[str]:
    yield "delivered = []"
    yield from _assigned("statuses", list(story.replies))
    yield ""
    yield "def receive(callback):"
    yield f"    status = statuses.pop(0) if statuses else {_AFTER}"
    yield "    if status < 300:"
    yield "        delivered.append(str(callback.status))"
    yield "    return status"
    yield ""
    yield "kling.callbacks.deliver_to(receive)"


# The status of attempts after those of the story.
_AFTER: Final = 503


def _events(story: TaskStory) -> Iterator[str]:
    """Queries and downloads: consecutive queries are one loop."""
    queries: list[tuple[float, object]] = []
    for each in story.events:
        if each.picture is None:
            queries.append((each.seconds, each.shown))
            continue
        yield from _loop(queries, plain=_is_plain(story))
        queries = []
        if each.seconds:
            yield f"kling.clock.advance({each.seconds:g})"
        yield from _download(each.picture, each.shown)
    yield from _loop(queries, plain=_is_plain(story))


def _loop(queries: list[tuple[float, object]], *, plain: bool) -> Iterator[str]:
    """Queries with their expected statuses; `plain`: each reply is one of the service."""
    if not queries:
        return
    lines = ["kling.clock.advance(seconds)", 'assert seen(client, f"{url}/{task.id}") == expected']
    if plain:
        lines[1:] = [
            'reply = client.get(f"{url}/{task.id}")',
            'assert reply.json()["data"]["task_status"] == expected',
        ]
    yield ""
    yield from _assigned("queries", [_Pair(each) for each in queries])
    yield "for seconds, expected in queries:"
    yield from (f"    {line}" for line in lines)
    yield ""


def _download(index: int, shown: object) -> Iterator[str]:
    if shown is None or shown == ANY:
        yield "with suppress(httpx.TransportError):"
        yield f"    client.get(task.images[{index}])"
        return
    yield f"assert client.get(task.images[{index}]).status_code == {shown}"


class _Pair(tuple[float, object]):
    """The seconds before a query, and the expected status."""

    __slots__ = ()

    def __repr__(self) -> str:
        seconds, shown = self
        text = str(shown) if not isinstance(shown, str) or shown == ANY else python_text(shown)
        return f"({seconds:g}, {text})"


def _assigned(name: str, value: object, *, raw: bool = False) -> Iterator[str]:
    """An assignment; a text that is too long for the line is in parentheses, if it fits then."""
    if raw or not isinstance(value, str):
        text = str(value) if raw else python_value(value, "    ", len(name) + 3)
        first, *rest = f"{name} = {text}".split("\n")
        yield first
        yield from (line.removeprefix("    ") for line in rest)
        return
    text = python_text(value)
    if 4 + len(name) + 3 + len(text) > LINE >= 8 + len(text):
        yield f"{name} = ("
        yield f"    {text}"
        yield ")"
    else:
        yield f"{name} = {text}"
