"""How texts of a run are written into a script: what may not be repeated, and keys, stand in variables."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from contracts.verify.check import Shown
from contracts.verify.evidence import Evidence
from contracts.verify.exchange import KEY_MARK, SECOND_KEY_MARK, Exchange
from contracts.verify.shorthand import expression
from contracts.verify.spoilt import BY_MARK
from contracts.vocabulary import SECOND_API_KEY_VARIABLE

RUN: Final = "run"
_PLAIN: Final = re.compile(r"[^\"\\$`!]*")


@dataclass(frozen=True)
class Names:
    """What stands for what: pieces of text, each with its name in a shell and in Python.

    `tasks` are the variables for ids of tasks by the number of the create; `used` has `RUN` if it
    is needed.
    """

    pieces: Mapping[str, tuple[str, str]]
    tasks: Mapping[int, str]
    used: frozenset[str]

    @classmethod
    def of(cls, seen: Sequence[Shown], evidence: Evidence) -> Names:
        """The names that a sequence needs."""
        exchanges = [each for each in seen if isinstance(each, Exchange)]
        pieces = {
            SECOND_KEY_MARK: (f'"{SECOND_KEY_MARK}"', "second_key"),
            KEY_MARK: (f'"{KEY_MARK}"', "key"),
        }
        pieces |= {mark: (f'"{spoilt.shell}"', f"({spoilt.python})") for mark, spoilt in BY_MARK.items()}
        tasks: dict[int, str] = {}
        for trace in evidence.traces():
            later = [each for each in exchanges if trace.id in re.split("[/?]", each.target)]
            if later and trace.created in exchanges:
                tasks[trace.created.number] = name = f"task{len(tasks) + 1}" if tasks else "task"
                pieces[trace.id] = (f'"${name}"', name)
        run = f"kc-{evidence.run}-"
        external = any(run.encode() in each.body for each in exchanges) and bool(evidence.run)
        if external:
            pieces[evidence.run] = ('"$RUN"', RUN)
        return cls(pieces, tasks, frozenset({RUN} if external else ()))

    def split(self, text: str) -> Iterator[tuple[str, tuple[str, str] | None]]:
        """The parts of a text; None for what stands as it is."""
        ordered = sorted(self.pieces, key=len, reverse=True)
        for part in re.split(f"({'|'.join(map(self._pattern, ordered))})", text):
            if part:
                yield part, self.pieces.get(part)

    def _pattern(self, piece: str) -> str:
        """Where a piece is meant: an id may be short, so it counts as a whole part of a path only."""
        if piece[0] in "$<":
            return re.escape(piece)
        before, after = ("kc-", "-") if self.pieces[piece][1] == RUN else ("/", "(?:[/?]|$)")
        return f"(?<={before}){re.escape(piece)}(?={after})"

    def in_python_before(self, calls: Iterable[str]) -> Iterator[str]:
        """The lines that bring keys and the mark of the run."""
        text = "\n".join(calls)
        if re.search(r"\bkey\b", text):
            yield f'key = os.environ["{KEY_MARK[1:]}"]'
        if re.search(r"\bsecond_key\b", text):
            yield f'second_key = os.environ["{SECOND_API_KEY_VARIABLE}"]'
        if self.used:
            yield f"{RUN} = secrets.token_hex(4)"


def in_shell(text: str, names: Names) -> str:
    """A word of a POSIX shell."""
    parts = list(names.split(text))
    if all(name is not None or _PLAIN.fullmatch(part) for part, name in parts) and any(n for _, n in parts):
        return '"' + "".join(part if name is None else name[0][1:-1] for part, name in parts) + '"'
    return "".join(shlex.quote(part) if name is None else name[0] for part, name in parts) or "''"


def in_python(text: str, names: Names) -> str:
    """An expression of Python."""
    return (
        " + ".join(expression(part) if name is None else name[1] for part, name in names.split(text)) or '""'
    )


def literal(value: object, names: Names, run: str) -> str:
    """A JSON value in Python; `run` is what stands for the mark of the run."""
    match value:
        case dict():
            pairs = cast("dict[str, object]", value).items()
            return (
                "{"
                + ", ".join(f"{expression(key)}: {literal(item, names, run)}" for key, item in pairs)
                + "}"
            )
        case list():
            return "[" + ", ".join(literal(item, names, run) for item in cast("list[object]", value)) + "]"
        case str() if len(value) < 200:  # what repeats is looked for in long texts only
            parts = names.split(value)
            return (
                " + ".join(
                    expression(part) if name is None else (run if name[1] == RUN else name[1])
                    for part, name in parts
                )
                or '""'
            )
        case str():
            return expression(value)
        case _:
            return repr(value)
