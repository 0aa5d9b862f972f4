"""Rules of the contract, violations of a rule, and the result of validating one request body."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias, cast

from kling_contracts.image_files import PictureHeader
from kling_contracts.vocabulary import ASSUMED, KLING_LIVE, Source

SHORT: Final = 40


class Effect(StrEnum):
    """Effect of breaking a rule."""

    REFUSED = "refused"  # the create call answers with an error; nothing is created
    FAILS = "fails"  # the task is created and ends `failed`


class Wording(NamedTuple):
    """Template of an error message or `task_status_msg`; placeholders: `{path}`, `{value}`, `{limit}`."""

    template: str
    source: Source


EMPTY: Final = Wording("{path} cannot be empty", KLING_LIVE)
WRONG_TYPE: Final = Wording("{path} value type is invalid, expected {limit}", KLING_LIVE)
WRONG_VALUE: Final = Wording("{path} value '{value}' is invalid", KLING_LIVE)
TOO_LONG: Final = Wording("{path} value length exceeds {limit}", ASSUMED)
WRONG_SIZE: Final = Wording("{path} size must be between {limit}", ASSUMED)
NOT_BASE64: Final = Wording("File is not in a valid base64 format", KLING_LIVE)
FILE_TOO_LARGE: Final = Wording("{path} file size exceeds {limit}", ASSUMED)
MODEL_UNKNOWN: Final = Wording("model is not supported", KLING_LIVE)
NOT_TEXT: Final = Wording("{path} value '{value}' is not valid Unicode text", ASSUMED)


class Rule(NamedTuple):
    """A requirement of the contract on a request.

    `id` is stable (`prompt.max_length`). `sentence` states the rule (`prompt has at most 2500 characters`),
    `requirement` is its form in local error messages (`must have at most 2500 characters`). `source` is the
    evidence for the rule, `wording.source` for the text of the error message. `status` and `code` are those
    of Kling's error envelope; a gateway may use its own error shape.
    """

    id: str
    sentence: str
    requirement: str
    source: Source
    wording: Wording
    limit: str = ""
    effect: Effect = Effect.REFUSED
    status: int = 400
    code: int = 1201


BODY_UNICODE: Final = Rule(
    id="body.unicode",
    sentence="every string in the body is valid Unicode text",
    requirement="must be valid Unicode text",
    source=ASSUMED,
    wording=NOT_TEXT,
)


class Violation(NamedTuple):
    """One value of a request that breaks a rule.

    `field` is its path (`subject_image_list[2].subject_image`), `value` the value itself, shortened to at
    most 43 printable characters. `message` is the text on the wire: `message` of the error response, or
    `task_status_msg` where the effect is `fails`. `received` is the end of the local error message: the
    length, type or size of the value (`got 2501`), by default its short form.
    """

    field: str
    rule: Rule
    value: str
    message: str
    received: str = ""

    @property
    def effect(self) -> Effect:
        """The effect on the request: it is refused, or its task fails."""
        return self.rule.effect

    @property
    def status(self) -> int:
        """HTTP status of the create response."""
        return self.rule.status if self.rule.effect is Effect.REFUSED else 200

    @property
    def code(self) -> int:
        """`code` in the envelope of the create response."""
        return self.rule.code if self.rule.effect is Effect.REFUSED else 0

    def __str__(self) -> str:
        return f"{self.field}: {self.rule.requirement}; {self.received or f'got {self.value}'}"


class InputPicture(NamedTuple):
    """A picture in a request: a URL, or inline bytes with their header (None if the format is unknown)."""

    field: str
    url: str | None
    data: bytes | None
    header: PictureHeader | None


# The bytes of strict base64; None if the text is invalid.
DecodeBase64: TypeAlias = Callable[[str], bytes | None]


class ValidationResult:
    """Result of validating one body: normalised values, pictures and violations in order, and notes.

    `values` holds the given fields only, under their declared names: an alias is resolved, an integral float
    is an int, null and the empty string are absent. `violations` are in order of declaration. `notes` list
    ignored keys, resolved aliases and clamped numbers. `lifted` are the ids of limits that the caller
    does not enforce: a list is then read beyond its maximum. `decode_base64` is used instead of the function
    in `image_fields`.
    """

    __slots__ = (
        "decode_base64",
        "ignored",
        "lifted",
        "notes",
        "null_is_absent",
        "pictures",
        "values",
        "violations",
    )

    def __init__(
        self,
        *,
        null_is_absent: bool = True,
        lifted: Collection[str] = (),
        decode_base64: DecodeBase64 | None = None,
    ) -> None:
        self.null_is_absent = null_is_absent
        self.lifted = lifted
        self.decode_base64 = decode_base64
        self.values: dict[str, object] = {}
        self.pictures: list[InputPicture] = []
        self.violations: list[Violation] = []
        self.notes: list[str] = []
        self.ignored: list[tuple[str, str, object]] = []

    def absent(self, value: object) -> bool:
        """Whether the value means that an optional field was not given."""
        return value == "" or (value is None and self.null_is_absent)

    def violate(self, rule: Rule, path: str, value: object, received: str = "") -> None:
        """Record a violation; `received` as in `Violation`."""
        shown = shorten(value)
        message = rule.wording.template.format(path=path, value=shown, limit=rule.limit)
        self.violations.append(Violation(path, rule, shown, message, received))

    def ignore(self, path: str, key: str, value: object, note: str) -> None:
        """Record a key that has no effect, for `finish` to check."""
        self.notes.append(note)
        self.ignored.append((path, key, value))

    def ignore_unknown(self, given: Mapping[str, object], known: Collection[str], path: str = "") -> None:
        """Record the keys of an object that are not in `known`. `path` is that of the object."""
        for key, value in given.items():
            if key not in known:
                name = ascii(key[:60])
                place = f"{path}[{name}]" if path else name
                self.ignore(place, key, value, f"unknown field ignored: {place}")

    def finish(self) -> None:
        """Check that ignored keys and values are Unicode text; last, since that rule is declared last."""
        for path, key, value in self.ignored:
            if not (is_text(key) and all_text(value)):
                self.violate(BODY_UNICODE, path, value)


def is_text(value: str) -> bool:
    """Whether a string has no lone surrogates, so that it can be encoded as UTF-8."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def all_text(value: object) -> bool:
    """Whether every string in a JSON value is text (see `is_text`). Iterative: the depth is not limited."""
    pending = [value]
    while pending:
        value = pending.pop()
        match value:
            case str() if not is_text(value):
                return False
            case list():
                pending += cast("list[object]", value)
            case dict():
                for pair in cast("dict[str, object]", value).items():
                    pending += pair
            case _:
                pass
    return True


def shorten(value: object) -> str:
    """Any value as one line of at most 43 printable characters. Never raises."""
    match value:
        case None:
            text = "null"
        case bool():
            text = "true" if value else "false"
        case str():
            # Encoding first would copy a picture of 13 MB to show 40 characters of it.
            text = value[: SHORT + 1].encode("utf-8", "backslashreplace").decode()
            text = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
        case int():
            digits = int(abs(value).bit_length() * math.log10(2)) + 1
            text = str(value) if digits < SHORT else f"integer of about {digits} digits"
        case float():
            text = repr(value)
        case list():
            text = f"array of {len(cast('list[object]', value))}"
        case dict():
            text = f"object of {len(cast('dict[str, object]', value))}"
        case _:
            text = type(value).__name__
    return text if len(text) <= SHORT else text[:SHORT] + "..."


def typed(value: object) -> str:
    """A value with its JSON type, for error messages: `the string 'x'`, `an array of length 2`."""
    match value:
        case str():
            return f"the string '{shorten(value)}'"
        case bool():
            return f"the boolean {shorten(value)}"
        case int():
            return f"the integer {shorten(value)}"
        case float():
            return f"the number {shorten(value)}"
        case list():
            return f"an array of length {len(cast('list[object]', value))}"
        case dict():
            return "an object"
        case _:
            return shorten(value)
