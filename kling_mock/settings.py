"""The settings of the fake. Flags, marker arguments and the page docs/settings.md are generated from them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, Self, cast, get_args

from kling_contracts.gateways import GATEWAYS, Gateway, every_operation
from kling_contracts.redaction import hide_in_urls
from kling_contracts.vocabulary import BODY_MAXIMUM, MEGABYTE, RETENTION_DAYS
from kling_contracts.web_urls import is_web_url
from kling_mock.plan import Pace
from kling_mock.suggestions import unknown

# The last parts of the ids of rules that can be ignored: limits, not types, encodings or the range of `n`.
RELAXABLE: Final = frozenset(
    {"max_length", "enum", "min_items", "max_items", "url", "max_bytes", "format", "min_side", "shape"}
)

# The types of plain settings. Compared exactly, because True is an int too.
_KINDS: Final = {
    "pace": (Pace,),
    "seed": (int,),
    "null_is_absent": (bool,),
    "thumbnails": (bool,),
    "strict_fields": (bool,),
    "cors": (str,),
    "slots": (int, type(None)),
    "balance": (int, type(None)),
    "retention_days": (int, float),
    "token_leeway": (int, float),
    "body_cap": (int,),
    "journal_bytes": (int,),
}

# How messages name the types of settings.
_TYPE_NAMES: Final = {
    "Pace": "a pace such as 'polls:3'",
    "bool": "true or false",
    "int": "an integer",
    "int | None": "an integer or none",
    "float": "a number",
    "str": "text",
    "tuple[float, ...]": "a list of numbers (seconds)",
}

# Scheme, host and port, as browsers send them in the header Origin; or `null`, that of files.
_ORIGIN: Final = re.compile(r"null|[a-z][a-z0-9+.-]*://[^/\s?#@*,]+", re.IGNORECASE | re.ASCII)

ValidationShape = Literal["kling", "task", "comet"]
# The receivers to which a server sends callbacks.
Reach = Literal["off", "loopback", "any"]
# The effect of unused scripts at the end of a test.
UnusedScriptLevel = Literal["error", "warn", "ignore"]


def relaxable(rule: str) -> bool:
    """Whether the setting `ignore` accepts this rule id."""
    return rule.rpartition(".")[2] in RELAXABLE


def _switch(
    doc: str, flag: str | None = None, metavar: str | None = None, group: str = "tasks and results"
) -> dict[str, str | None]:
    """Metadata of a setting: a line for help and docs; its flag of `serve` with metavar and help group."""
    return {"doc": doc, "flag": flag, "metavar": metavar, "group": group}


def is_public(key: str) -> bool:
    """Whether a key is one for mocks, which is not secret."""
    return key.startswith("sk-mock") and ":" not in key


class AcceptedKeys(tuple[str, ...]):
    """API keys whose repr shows only those for mocks. A copy is the same object; pickling is refused."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(tuple([key if is_public(key) else "[key]" for key in self]))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> str | tuple[object, ...]:
        if all(map(is_public, self)):
            return type(self), (tuple(self),)
        raise TypeError("settings with API keys cannot be pickled; create them again from their source")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one fake; the repr hides API keys.

    Raises ValueError that names the setting, the rule and the value.
    """

    keys: tuple[str, ...] = field(
        default=(),
        metadata=_switch(
            "accepted API keys, each a separate account: a plain key, ACCESS:SECRET, "
            "or a prefix such as `sk-mock-*`; none: any key",
            "--keys",
            "KEY,...",
            "accounts and limits",
        ),
    )
    pace: Pace = field(
        default=Pace.polls(2),
        metadata=_switch(
            "how tasks progress: instant, polls:N, seconds:A,B, realistic[:SPEED] or held[:STATE]",
            "--pace",
            "PACE",
        ),
    )
    seed: int = field(
        default=0,
        metadata=_switch("seed of ids, durations and pictures; the same seed repeats them", "--seed", "N"),
    )
    base_url: str | None = field(
        default=None,
        metadata=_switch(
            "origin of result URLs; none: the origin to which the create request was sent",
            "--public-url",
            "URL",
            "server",
        ),
    )
    operations: tuple[str, ...] = field(
        default=(),
        metadata=_switch(
            "optional operations to enable: text-to-image, on the create path of CometAPI",
            "--operations",
            "NAME,...",
            "requests",
        ),
    )
    validation_errors: ValidationShape = field(
        default="kling",
        metadata=_switch(
            "body of a validation error: kling (documented envelope), task or comet (gateway shapes)",
            "--validation-errors",
            "SHAPE",
            "requests",
        ),
    )
    ignore: frozenset[str] = field(
        default=frozenset(),
        metadata=_switch(
            "ids of request rules that are not enforced, such as prompt.max_length",
            "--ignore",
            "RULE,...",
            "requests",
        ),
    )
    models: tuple[str, ...] = field(
        default=(),
        metadata=_switch(
            "model names accepted besides those of the contract", "--models", "NAME,...", "requests"
        ),
    )
    null_is_absent: bool = field(
        default=True,
        metadata=_switch(
            "whether null for an optional field counts as not given",
            "--null-is-absent",
            "true|false",
            "requests",
        ),
    )
    slots: int | None = field(
        default=None,
        metadata=_switch(
            "concurrency limit: number of images that an account may have unfinished at once; none: no limit",
            "--slots",
            "N",
            "accounts and limits",
        ),
    )
    balance: int | None = field(
        default=None,
        metadata=_switch(
            "units that an account may spend (16 per image; failed tasks are free); none: no limit",
            "--balance",
            "N",
            "accounts and limits",
        ),
    )
    token_leeway: float = field(
        default=0.0,
        metadata=_switch(
            "seconds by which a token may be early (nbf) or expired (exp); assumed: undocumented at Kling, "
            "whose sample code sets nbf back by 5 s",
            "--token-leeway",
            "SECONDS",
            "accounts and limits",
        ),
    )
    thumbnails: bool = field(
        default=False,
        metadata=_switch(
            "whether result pictures show the pictures sent inline (true) or a pattern for each (false)",
            "--thumbnails",
            "true|false",
        ),
    )
    retention_days: float = field(
        default=float(RETENTION_DAYS.value),
        metadata=_switch(
            "days for which tasks, external ids and result pictures are kept", "--retention-days", "DAYS"
        ),
    )
    body_cap: int = field(
        default=BODY_MAXIMUM.value,
        metadata=_switch(
            "size of the largest accepted request body, in bytes", "--body-cap", "BYTES", "requests"
        ),
    )
    callbacks: Reach = field(
        default="loopback",
        metadata=_switch(
            "receivers to which a server sends callbacks: off (none), loopback (on this machine) or any",
            "--callbacks",
            "off|loopback|any",
            "callbacks",
        ),
    )
    callback_retries: tuple[float, ...] = field(
        default=(1.0, 10.0, 60.0, 600.0),
        metadata=_switch(
            "pauses in seconds before each repeated attempt to deliver a callback",
            "--callback-retries",
            "SECONDS,...",
            "callbacks",
        ),
    )
    strict_fields: bool = field(
        default=False,
        metadata=_switch(
            "whether a request with a field that the operation does not have is refused",
            "--strict-fields",
            "true|false",
            "requests",
        ),
    )
    cors: str = field(
        default="loopback",
        metadata=_switch(
            "web pages that may call the API: loopback (pages of this machine), off, an origin, or * for all",
            "--cors",
            "ORIGIN",
            "server",
        ),
    )
    gateways: tuple[Gateway, ...] = field(
        default=GATEWAYS,
        metadata=_switch(
            "gateways to imitate: cometapi, kling or, in Python, other declared ones",
            "--gateways",
            "NAME,...",
            "requests",
        ),
    )
    journal_bytes: int = field(
        default=64 * MEGABYTE,
        metadata=_switch(
            "memory for the journal in bytes; the oldest entries are dropped first",
            "--journal-bytes",
            "BYTES",
            "server",
        ),
    )

    unused_scripts: UnusedScriptLevel = field(
        default="error",
        metadata=_switch(
            "effect of scripts that never applied, at the end of a test or in check(): error, warn or ignore"
        ),
    )

    def __post_init__(self) -> None:
        # Lists, and paces in text form, are accepted because markers and files have no other way to give
        # them.
        self._set("keys", AcceptedKeys(_texts("keys", self.keys)))
        self._set("models", _texts("models", self.models))
        self._set("operations", _texts("operations", self.operations))
        self._set("ignore", frozenset(_texts("ignore", self.ignore)))
        self._set("callback_retries", _pauses("callback_retries", self.callback_retries))
        if isinstance(cast("object", self.pace), str):
            self._set("pace", Pace.parse(cast("str", self.pace)))
        if self.base_url is not None:
            self._set("base_url", _origin("base_url", self.base_url))
        self._check_kinds()
        self._set("gateways", _gateways(self.gateways))
        self._check()
        self._check_cors()

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _check_kinds(self) -> None:
        for name, kinds in _KINDS.items():
            if type(getattr(self, name)) not in kinds:
                raise ValueError(f"{name} must be {_type_name(name)}, not {getattr(self, name)!r}")

    def _check(self) -> None:
        if not -(2**63) <= self.seed < 2**63:
            raise ValueError(f"seed must fit in 64 bits (signed); it has {self.seed.bit_length()} bits")
        self._check_keys()
        optional = {each.name for gate in self.gateways for route in gate.routes for each in route.optional}
        for name in set(self.operations) - optional:
            raise ValueError(f"operations: {unknown('optional operation', name, sorted(optional))}")
        self._check_ignored()
        words = {
            "validation_errors": ValidationShape,
            "callbacks": Reach,
            "unused_scripts": UnusedScriptLevel,
        }
        for name, kind in words.items():
            if getattr(self, name) not in get_args(kind):
                raise ValueError(f"{name} must be {_any_of(kind)}, not {getattr(self, name)!r}")
        for name in ("slots", "balance"):
            limit = getattr(self, name)
            if limit is not None and limit < 0:
                raise ValueError(f"{name} must be 0 or more, or none for no limit; got {limit}")
        if not 0 <= self.token_leeway < float("inf"):
            raise ValueError(
                f"token_leeway must be a number of seconds, 0 or more; got {self.token_leeway!r}"
            )
        for name in ("retention_days", "body_cap", "journal_bytes"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)!r}")

    def _check_ignored(self) -> None:
        rules = {rule: None for each in every_operation(self.gateways) for rule in each.rules}
        for rule in sorted(self.ignore):
            if rule not in rules:
                raise ValueError(f"ignore: {unknown('rule', rule, filter(relaxable, rules))}")
            if not relaxable(rule):
                raise ValueError(f"ignore: rule {rule!r} is always enforced; only limits can be ignored")

    def _check_cors(self) -> None:
        if self.cors not in ("loopback", "off", "*") and not _ORIGIN.fullmatch(self.cors):
            raise ValueError(
                f"cors: must be loopback, off, * or an origin such as https://app.example, not {self.cors!r}"
            )

    def _check_keys(self) -> None:
        if "" in self.keys:
            raise ValueError("keys must not contain an empty key; a request cannot send it")
        for key in self.keys:
            access, colon, secret = key.partition(":")
            if colon and not (access and secret):
                raise ValueError(
                    "keys: an access key is given with its secret, as ACCESS:SECRET; one of the two is empty"
                )

    @property
    def plain_keys(self) -> tuple[str, ...]:
        """The accepted keys without a secret."""
        return tuple(key for key in self.keys if ":" not in key)

    @property
    def secrets(self) -> Mapping[str, str]:
        """The secrets by access key, for verifying tokens."""
        pairs = (key.partition(":") for key in self.keys if ":" in key)
        return {access: secret for access, _, secret in pairs}

    @classmethod
    def of(cls, switches: Mapping[str, Any]) -> Self:
        """Settings from a mapping. Raises TypeError for an unknown name, with suggestions."""
        _check_names(switches)
        return cls(**switches)


def _check_names(names: Iterable[str]) -> None:
    known = [each.name for each in fields(Settings)]
    for name in names:
        if name not in known:
            raise TypeError(unknown("setting", name, known))


def _annotation(name: str) -> str:
    return next(str(each.type) for each in fields(Settings) if each.name == name)


def _type_name(name: str) -> str:
    """The type of a setting as messages name it."""
    return _TYPE_NAMES[_annotation(name)]


def _any_of(literal: object) -> str:
    """The values of a Literal, as messages list them."""
    *others, last = get_args(literal)
    return f"{', '.join(others)} or {last}"


def read_switch(name: str, text: str) -> object:
    """The value of a setting from its text in a flag or an ini file; items of a list are separated by commas.

    Raises ValueError that names the setting, TypeError for an unknown name.
    """
    _check_names([name])
    kind = _annotation(name)
    try:
        if text.lower() == "none" and kind.endswith("| None"):
            return None
        if text.lower() == "none" and kind.startswith(("tuple", "frozenset")):
            return ()
        if kind.startswith(("tuple", "frozenset")):
            items = [item.strip() for item in text.split(",") if item.strip()]
            return tuple(map(float, items)) if "float" in kind else tuple(items)
        if kind == "bool":
            return {"true": True, "false": False}[text.lower()]
        reader = {"int": int, "float": float}.get(kind.removesuffix(" | None"), str)
        return reader(text)
    except (ValueError, KeyError):
        raise ValueError(f"{name} must be {_type_name(name)}, not {text!r}") from None


def _texts(name: str, values: object) -> tuple[str, ...]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        # The value is left out: it may be an API key.
        raise ValueError(f"{name} must be a list of strings, not of type {type(values).__name__}")  # noqa: TRY004 -- one kind of error for all settings
    texts = tuple(cast("Iterable[object]", values))
    for text in texts:
        if not isinstance(text, str):
            # The value is left out here too.
            raise ValueError(f"{name} must be a list of strings; it contains a {type(text).__name__}")  # noqa: TRY004
    return cast("tuple[str, ...]", texts)


def _gateways(values: object) -> tuple[Gateway, ...]:
    """The gateways for a list of declarations and names."""
    known = {gateway.name: gateway for gateway in GATEWAYS}
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(f"gateways must be a list of gateways or their names, not {values!r}")  # noqa: TRY004
    found: list[Gateway] = []
    for value in cast("Iterable[object]", values):
        if isinstance(value, str) and value not in known:
            raise ValueError(f"gateways: {unknown('gateway', value, known)}")
        gateway = known[value] if isinstance(value, str) else value
        if not isinstance(gateway, Gateway):
            raise ValueError(f"gateways must be a list of gateways or their names; it contains {value!r}")  # noqa: TRY004
        found.append(gateway)
    if not found:
        raise ValueError("gateways must not be empty")
    return tuple(found)


def _pauses(name: str, values: object) -> tuple[float, ...]:
    try:
        pauses = tuple(float(value) for value in cast("Iterable[float]", values))
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be {_type_name(name)}, not {values!r}") from None
    for pause in pauses:
        if not 0 <= pause < float("inf"):
            raise ValueError(f"{name} must be numbers of seconds, each 0 or more; got {pause}")
    return pauses


def _origin(name: str, url: object) -> str:
    """The URL without trailing slashes, so that a path can be appended."""
    if not isinstance(url, str) or not is_web_url(url):
        raise ValueError(f"{name} must be an absolute http(s) URL, not {hide_in_urls(repr(url))}")
    return url.rstrip("/")
