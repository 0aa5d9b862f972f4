"""Every switch of the fake, declared once. Flags, marker arguments and documents are made from here."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, Self, cast, get_args

from kling_contracts.fields import is_web_url
from kling_contracts.gateways import GATEWAYS, VALIDATION_SHAPES, Gateway, every_operation
from kling_contracts.vocabulary import BODY_MAXIMUM, MEGABYTE, RETENTION_DAYS
from kling_mock.plan import Pace

# Limits can be lifted; what a value has to be at all (its type, text, base64, n) cannot.
RELAXABLE: Final = frozenset(
    {"max_length", "enum", "min_items", "max_items", "url", "max_bytes", "format", "min_side", "shape"}
)

# What the values of plain switches have to be; the exact type, since True is an int as well.
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
    "body_cap": (int,),
    "journal_bytes": (int,),
}

# Scheme, host and port, as browsers send them in the header Origin; or `null`, that of files.
_ORIGIN: Final = re.compile(r"null|[a-z][a-z0-9+.-]*://[^/\s?#@*,]+", re.IGNORECASE | re.ASCII)

ErrorShape = Literal["kling", "task", "comet"]
# The receivers of callbacks that a server may call.
Reach = Literal["off", "loopback", "any"]


def relaxable(rule: str) -> bool:
    """Whether `Settings.ignore` may name a rule of the contract."""
    return rule.rpartition(".")[2] in RELAXABLE


def _switch(doc: str, flag: str | None = None) -> dict[str, str | None]:
    """`flag` is how the server's command line spells the switch; None: it has no effect there."""
    return {"doc": doc, "flag": flag}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All switches of one fake. Raises ValueError that names the switch and what it takes."""

    keys: tuple[str, ...] = field(
        default=(),
        metadata=_switch(
            "accepted keys, each an account: plain, ACCESS:SECRET, or `x*` for all that begin so; none: any",
            "--keys",
        ),
    )
    pace: Pace = field(
        default=Pace.polls(2),
        metadata=_switch(
            "how fast tasks go: instant, polls:N, seconds:A,B, realistic[:SPEED], held[:STATE]", "--pace"
        ),
    )
    seed: int = field(
        default=0,
        metadata=_switch(
            "what ids, durations and pictures are drawn from; the same seed repeats them", "--seed"
        ),
    )
    base_url: str | None = field(
        default=None,
        metadata=_switch(
            "what result URLs begin with; default: where the create request was sent", "--public-url"
        ),
    )
    operations: tuple[str, ...] = field(
        default=(),
        metadata=_switch(
            "optional operations to switch on: text-to-image, on CometAPI's path of this API", "--operations"
        ),
    )
    validation_errors: ErrorShape = field(
        default="kling",
        metadata=_switch(
            "body of a refused request: kling (the page's envelope), task or comet (gateway shapes)",
            "--validation-errors",
        ),
    )
    ignore: frozenset[str] = field(
        default=frozenset(),
        metadata=_switch("ids of request rules that are not enforced, such as prompt.max_length", "--ignore"),
    )
    models: tuple[str, ...] = field(
        default=(), metadata=_switch("model names accepted besides those of the contract", "--models")
    )
    null_is_absent: bool = field(
        default=True,
        metadata=_switch("whether null for an optional field counts as not given", "--null-is-absent"),
    )
    slots: int | None = field(
        default=None,
        metadata=_switch(
            "how many images an account may have unfinished at once; none: any number", "--slots"
        ),
    )
    balance: int | None = field(
        default=None,
        metadata=_switch(
            "units an account may spend (16 an image, failed tasks are free); none: no limit", "--balance"
        ),
    )
    thumbnails: bool = field(
        default=False,
        metadata=_switch(
            "whether result pictures show inline pictures themselves, not a pattern", "--thumbnails"
        ),
    )
    retention_days: float = field(
        default=float(RETENTION_DAYS.value),
        metadata=_switch("how long tasks, external ids and result pictures are kept", "--retention-days"),
    )
    body_cap: int = field(
        default=BODY_MAXIMUM.value,
        metadata=_switch("bytes of the largest request body that is read", "--body-cap"),
    )
    callbacks: Reach = field(
        default="loopback",
        metadata=_switch(
            "whom a server sends callbacks: off (nobody), loopback (receivers on this machine) or any",
            "--callbacks",
        ),
    )
    callback_retries: tuple[float, ...] = field(
        default=(1.0, 10.0, 60.0, 600.0),
        metadata=_switch(
            "seconds before each further attempt to deliver a callback that was not taken",
            "--callback-retries",
        ),
    )
    strict_fields: bool = field(
        default=False,
        metadata=_switch(
            "whether a request with a field that the operation does not have is refused", "--strict-fields"
        ),
    )
    cors: str = field(
        default="loopback",
        metadata=_switch(
            "web pages that may call the API: loopback (pages of this machine), off, an origin, or * for all",
            "--cors",
        ),
    )
    gateways: tuple[Gateway, ...] = field(
        default=GATEWAYS,
        metadata=_switch(
            "the gateways that are answered: cometapi, kling, or declared ones of your own", "--gateways"
        ),
    )
    journal_bytes: int = field(
        default=64 * MEGABYTE,
        metadata=_switch("bytes of memory for the journal; the oldest calls go first", "--journal-bytes"),
    )

    def __post_init__(self) -> None:
        # Lists and a pace's spelling are taken too: markers and files have nothing else.
        self._set("keys", _texts("keys", self.keys))
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
                expected = " or ".join(kind.__name__ for kind in kinds)
                raise ValueError(f"{name}: {getattr(self, name)!r} is no {expected}")

    def _check(self) -> None:
        if not -(2**63) <= self.seed < 2**63:
            raise ValueError(f"seed: {self.seed} does not fit in 64 bits")
        self._check_keys()
        optional = {each.name for gate in self.gateways for route in gate.routes for each in route.optional}
        for name in set(self.operations) - optional:
            raise ValueError(f"operations: {name!r} is none that can be switched on ({', '.join(optional)})")
        known = {rule for each in every_operation(self.gateways) for rule in each.rules if relaxable(rule)}
        for rule in self.ignore - known:
            near = difflib.get_close_matches(rule, known) or sorted(known)
            raise ValueError(
                f"ignore: there is no rule {rule!r} that can be ignored; did you mean {', '.join(near)}?"
            )
        if self.validation_errors not in VALIDATION_SHAPES:
            shapes = ", ".join(get_args(ErrorShape))
            raise ValueError(f"validation_errors: {self.validation_errors!r} is none of {shapes}")
        if self.callbacks not in get_args(Reach):
            raise ValueError(f"callbacks: {self.callbacks!r} is none of {', '.join(get_args(Reach))}")
        for name in ("slots", "balance"):
            limit = getattr(self, name)
            if limit is not None and limit < 0:
                raise ValueError(f"{name}: {limit} is negative; use None for no limit")
        for name in ("retention_days", "body_cap", "journal_bytes"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: {getattr(self, name)!r} is not positive")

    def _check_cors(self) -> None:
        if self.cors not in ("loopback", "off", "*") and not _ORIGIN.fullmatch(self.cors):
            raise ValueError(
                f"cors: must be loopback, off, * or an origin such as https://app.example, not {self.cors!r}"
            )

    def _check_keys(self) -> None:
        if "" in self.keys:
            raise ValueError("keys: an empty key cannot be sent; leave it out")
        for key in self.keys:
            access, colon, secret = key.partition(":")
            if colon and not (access and secret):
                raise ValueError("keys: an access key and its secret are written ACCESS:SECRET")

    @property
    def plain_keys(self) -> tuple[str, ...]:
        """The accepted keys that are sent as they are."""
        return tuple(key for key in self.keys if ":" not in key)

    @property
    def secrets(self) -> Mapping[str, str]:
        """The secrets of the access keys, for tokens."""
        pairs = (key.partition(":") for key in self.keys if ":" in key)
        return {access: secret for access, _, secret in pairs}

    @classmethod
    def of(cls, switches: Mapping[str, Any]) -> Self:
        """Settings from switches by name. Raises TypeError for a name that is none, with the nearest ones."""
        _check_names(switches)
        return cls(**switches)


def _check_names(names: Iterable[str]) -> None:
    known = [each.name for each in fields(Settings)]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known) or known
            raise TypeError(f"there is no setting {name!r}; did you mean {', '.join(near)}?")


def read_switch(name: str, text: str) -> object:
    """The value of a switch from its spelling in a flag or an ini file; lists are separated by commas.

    Raises ValueError that names the switch, TypeError for a name that is none.
    """
    _check_names([name])
    kind = next(str(each.type) for each in fields(Settings) if each.name == name)
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
        raise ValueError(f"{name}: {text!r} is not of type {kind.replace('|', 'or')}") from None


def _texts(name: str, values: object) -> tuple[str, ...]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(f"{name}: give a list of texts, not {values!r}")  # noqa: TRY004 -- one kind of error for all switches
    texts = tuple(cast("Iterable[object]", values))
    for text in texts:
        if not isinstance(text, str):
            raise ValueError(f"{name}: {text!r} is no text")  # noqa: TRY004
    return cast("tuple[str, ...]", texts)


def _gateways(values: object) -> tuple[Gateway, ...]:
    """Gateways from declarations and names."""
    known = {gateway.name: gateway for gateway in GATEWAYS}
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(f"gateways: give a list of gateways or their names, not {values!r}")  # noqa: TRY004
    found: list[Gateway] = []
    for value in cast("Iterable[object]", values):
        gateway = known.get(value) if isinstance(value, str) else value
        if not isinstance(gateway, Gateway):
            raise ValueError(f"gateways: {value!r} is not a Gateway or one of {', '.join(known)}")  # noqa: TRY004
        found.append(gateway)
    if not found:
        raise ValueError("gateways: give at least one")
    return tuple(found)


def _pauses(name: str, values: object) -> tuple[float, ...]:
    try:
        pauses = tuple(float(value) for value in cast("Iterable[float]", values))
    except (TypeError, ValueError):
        raise ValueError(f"{name}: give a list of seconds, not {values!r}") from None
    for pause in pauses:
        if not 0 <= pause < float("inf"):
            raise ValueError(f"{name}: {pause} seconds is not a pause")
    return pauses


def _origin(name: str, url: object) -> str:
    """What paths can be appended to."""
    if not isinstance(url, str) or not is_web_url(url):
        raise ValueError(f"{name}: {url!r} is not an absolute http(s) URL")
    return url.rstrip("/")
