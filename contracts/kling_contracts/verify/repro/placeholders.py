"""Placeholders for values that a script must not copy literally: keys, task ids, callback URLs, large images.

Each has a form for a shell and one for Python.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from kling_contracts.cases.images import bulky
from kling_contracts.image_files import encoded, jpeg, png, read_header
from kling_contracts.verify.credentials import MUTATED_KEYS, MUTATED_TOKENS, RIGHT_TOKEN, token_expression
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import KEY_MARK, SECOND_KEY_MARK
from kling_contracts.verify.text import in_texts, lengthen, percent_encoded, word
from kling_contracts.vocabulary import (
    ACCESS_KEY_VARIABLE,
    API_KEY_VARIABLE,
    INPUT_SIDE_MINIMUM,
    KLING_API_KEY_VARIABLE,
    SECOND_API_KEY_VARIABLE,
    SECRET_KEY_VARIABLE,
)

# Marks a placeholder within a text until the script is written; no text of a run contains this pattern.
_PLACE: Final = "@@{}@@"
_PLACES: Final = re.compile(r"@@(\d+)@@")
_PICTURE: Final = re.compile(r"(?:iVBORw0KGgo|/9j/)[A-Za-z0-9+/]{80,}={0,2}")
_OWN_CALLBACK: Final = re.compile(r"https?://[^/\s\"]+/callback/([\w-]+)")
_PAIR: Final = (f'os.environ["{ACCESS_KEY_VARIABLE}"]', f'os.environ["{SECRET_KEY_VARIABLE}"]')
# The address of the receiver in a shell script.
RECEIVER: Final = "127.0.0.1:8899"


@dataclass(frozen=True)
class Placeholder:
    """A value of a script.

    `shell` is valid within double quotes, `python` is an expression. `length` is that of the value, if it is
    long. `variable` is a shell variable that `line` must set first.
    """

    shell: str
    python: str
    length: int = 0
    variable: str = ""
    line: str = ""


def key_variable(evidence: Evidence) -> str:
    """The environment variable of the first key."""
    return KLING_API_KEY_VARIABLE if evidence.gateway.takes_tokens else API_KEY_VARIABLE


def variables_of(evidence: Evidence) -> tuple[str, ...]:
    """The environment variables that scripts read: the first key, or its two parts, and the second key."""
    pair = (ACCESS_KEY_VARIABLE, SECRET_KEY_VARIABLE)
    first = pair if "first" in evidence.signed else (key_variable(evidence),)
    return (*first, SECOND_API_KEY_VARIABLE)


@dataclass
class Placeholders:
    """The placeholders of one script.

    `tasks` maps task ids to variable names. `fresh`: external ids are new in each execution. `receives`:
    the script receives callbacks.
    """

    evidence: Evidence
    tasks: Mapping[str, str]
    fresh: bool = False
    receives: bool = False
    _known: list[Placeholder] = field(default_factory=list[Placeholder], init=False)

    @property
    def key_variable(self) -> str:
        return key_variable(self.evidence)

    def marked(self, text: str) -> str:
        """A text with values replaced by the marks of their placeholders."""
        text = _PICTURE.sub(lambda found: self._picture(found[0]), lengthen(text))
        for mark, placeholder in self._keys.items():
            if mark in text:
                text = text.replace(mark, self._place(placeholder))
        run = self.evidence.run
        if self.fresh and f"kc-{run}-" in text:
            made = Placeholder("$RUN", "run", 0, "RUN", "RUN=$(date +%s)")
            text = re.sub(f"(?<=kc-){re.escape(run)}(?=-)", lambda _: self._place(made), text)
        for task, name in self.tasks.items():
            for form, placeholder in _forms(task, name):
                # An id may be short, so only a whole segment of a path is replaced.
                if f"/{form}" in text:
                    text = re.sub(f"(?<=/){re.escape(form)}(?=[/?]|$)", self._place(placeholder), text)
        if self.receives:
            text = _OWN_CALLBACK.sub(lambda found: self._place(_address(found[1])), text)
        return text

    def in_value(self, value: object) -> object:
        """A JSON value with all its strings marked."""
        return in_texts(value, self.marked)

    def split(self, marked: str) -> Iterator[str | Placeholder]:
        """Split a marked text into literal texts and placeholders, in order."""
        for at, part in enumerate(_PLACES.split(marked)):
            if at % 2:
                yield self._known[int(part)]
            elif part:
                yield part

    def needed(self, lines: Iterable[str]) -> Iterator[str]:
        """The shell lines that set the variables used in these lines."""
        text = "\n".join(lines)
        for variable, line in dict.fromkeys((it.variable, it.line) for it in self._known if it.variable):
            if re.search(rf"\$(?:{variable}\b|\{{#?{variable}\b)", text):
                yield line

    def _place(self, placeholder: Placeholder) -> str:
        if placeholder not in self._known:
            self._known.append(placeholder)
        return _PLACE.format(self._known.index(placeholder))

    def in_python(self, name: str) -> str:
        """The Python expression for `key`, `second_key` or `run`."""
        if name == "run":
            return "os.urandom(4).hex()"
        second = name == "second_key"
        variable = SECOND_API_KEY_VARIABLE if second else self.key_variable
        if ("second" if second else "first") not in self.evidence.signed:
            return f'os.environ["{variable}"]'
        parts = f'os.environ["{variable}"].partition(":")'
        return token_expression(RIGHT_TOKEN, *((f"{parts}[0]", f"{parts}[2]") if second else _PAIR))

    @cached_property
    def _keys(self) -> Mapping[str, Placeholder]:
        key = self._key("key", self.key_variable)
        placeholders = {SECOND_KEY_MARK: self._key("second_key", SECOND_API_KEY_VARIABLE), KEY_MARK: key}
        for mutated in MUTATED_KEYS:
            shell = mutated.shell.replace(KLING_API_KEY_VARIABLE, self.key_variable)
            placeholders[mutated.mark] = replace(key, shell=shell, python=f"({mutated.python})")
        for token in MUTATED_TOKENS:
            made = token_expression(token, *_PAIR)
            placeholders[token.mark] = Placeholder("$TOKEN", made, 0, "TOKEN", _printed("TOKEN", made))
        return placeholders

    def _key(self, name: str, variable: str) -> Placeholder:
        made = self.in_python(name)
        if not made.startswith("jwt."):
            return Placeholder(f"${variable}", name)
        return Placeholder(f"${variable}", name, 0, variable, _printed(variable, made))

    def _picture(self, text: str) -> str:
        """The mark of an image that the toolkit generates; any other text unchanged."""
        try:
            data = base64.b64decode(text, validate=True)
        except ValueError:
            return text
        made = _made_by(data, text)
        if made is None:
            return text
        kind = "JPG" if made.startswith("photograph") else "PNG"
        same = [it for it in self._known if it.python == f"images.{made}"]
        if same:
            return self._place(same[0])
        count = sum(it.variable.startswith(kind) for it in self._known)
        variable = f"{kind}{count + 1}" if count else kind
        return self._place(
            Placeholder(f"${variable}", f"images.{made}", len(text), variable, f"{variable}={word(text)}")
        )


def _made_by(data: bytes, text: str) -> str | None:
    """The call of `kling_contracts.cases.images` that generates an image, or None."""
    header = read_header(data)
    if header is None:
        return None
    width, height = header.width, header.height
    if header.format == "png" and encoded(png(width, height)) != text:
        try:
            return f"bulky({len(data)})" if bulky(len(data)) == text else None
        except ValueError:
            return None
    if header.format != "png" and encoded(jpeg(width, height)) != text:
        return None
    name = "picture" if header.format == "png" else "photograph"
    usual = INPUT_SIDE_MINIMUM.value
    both = f"{width}, {height}" if height != usual else f"{width}"
    return f"{name}({'' if (width, height) == (usual, usual) else both})"


def _forms(task: str, name: str) -> Iterator[tuple[str, Placeholder]]:
    """The forms of a task id in a path, each with the expression that makes it from the variable `name`."""
    yield task, Placeholder(f"${name}", name)
    first, rest = f'$(printf %%%02X "\'${name}")', f"${{{name}#?}}"
    yield percent_encoded(task), Placeholder(first + rest, f'f"%{{ord({name}[0]):02X}}" + {name}[1:]')


def _address(token: str) -> Placeholder:
    return Placeholder(f"http://{RECEIVER}/callback/{token}", f'inbox.url("{token}")')


def _printed(variable: str, expression: str) -> str:
    return f"{variable}=$(python3 -c 'import jwt, os, time; print({expression})')"
