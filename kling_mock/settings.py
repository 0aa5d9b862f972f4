"""The settings of the fake. Flags, marker arguments and the page docs/settings.md are generated from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final, Literal, Self, cast, get_args

from kling_contracts.gateways import GATEWAYS, Gateway
from kling_contracts.vocabulary import BODY_MAXIMUM, MEGABYTE, RETENTION_DAYS
from kling_mock.keys import AcceptedKeys, check_keys
from kling_mock.plan import Pace
from kling_mock.rate import Rate
from kling_mock.setting_checks import (
    check_cors,
    check_ignored,
    check_token,
    check_type,
    check_word,
    read_gateways,
    read_origin,
    read_path,
    read_pauses,
    read_rate,
    read_secret,
    read_texts,
    read_units,
)
from kling_mock.suggestions import unknown
from kling_mock.webhook_secret import WebhookSecret

ValidationShape = Literal["kling", "task", "comet"]
# The receivers to which a server sends callbacks, and the hosts from which pictures are fetched.
Reach = Literal["off", "loopback", "any"]
# The faults of callbacks; see `kling_mock.callbacks.schedule`.
CallbackFault = Literal["duplicated", "late", "reordered", "early"]
# The form of the header Retry-After.
RetryAfter = Literal["off", "seconds", "date"]
# How time passes: only by the clock, or also by queries of unfinished tasks; see `kling_mock.time_skip`.
ClockMode = Literal["run", "skip"]
# The effect of unused scripts at the end of a test.
UnusedScriptLevel = Literal["error", "warn", "ignore"]


# The settings that cannot change while a fake is in use, with the reason.
FIXED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "keys": "clients have been given them at the start",
        "seed": "the URLs of existing results are derived from it",
        "gateways": "existing tasks belong to them",
        "retention_days": "the store keeps tasks by it",
        "journal_bytes": "the store limits its journal by it",
        "control_token": "it controls the access to the settings",
        "state": "the store uses that file",
    }
)


def _switch(
    doc: str, flag: str | None = None, metavar: str | None = None, group: str = "tasks and results"
) -> dict[str, str | None]:
    """Metadata of a setting: a line for help and docs; its flag of `serve` with metavar and help group."""
    return {"doc": doc, "flag": flag, "metavar": metavar, "group": group}


def _limit(doc: str, flag: str, metavar: str = "N") -> dict[str, str | None]:
    """Metadata of a limit."""
    return _switch(doc, flag, metavar, "accounts and limits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one fake; the repr hides API keys and the webhook secret.

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
    clock_mode: ClockMode = field(
        default="run",
        metadata=_switch(
            "run, or skip: a query of an unfinished task first moves the clock to the next change of a task",
            "--clock",
            "run|skip",
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
        metadata=_limit(
            "concurrency limit: number of images that an account may have unfinished at once; none: no limit",
            "--slots",
        ),
    )
    balance: int | None = field(
        default=None,
        metadata=_limit(
            "units that an account may spend (16 per image; failed tasks are free); none: no limit",
            "--balance",
        ),
    )
    packs: tuple[int, ...] = field(
        default=(),
        metadata=_limit(
            "units of each resource pack of an account; `balance` is one more; none: no limit",
            "--packs",
            "N,...",
        ),
    )
    credit: int | None = field(
        default=None,
        metadata=_limit(
            "units that an account may spend beyond `balance` or `packs`; then it is in arrears (1101)",
            "--credit",
        ),
    )
    rate: Rate | None = field(
        default=None,
        metadata=_limit(
            "creates accepted from an account in a window of time, such as 10/60; none: no limit",
            "--rate",
            "N/SECONDS",
        ),
    )
    poll_rate: Rate | None = field(
        default=None,
        metadata=_limit(
            "queries of tasks accepted from an account in a window of time; none: no limit",
            "--poll-rate",
            "N/SECONDS",
        ),
    )
    retry_after: RetryAfter = field(
        default="off",
        metadata=_limit(
            "header Retry-After of a response about a rate: off, seconds or date; the service documents none",
            "--retry-after",
            "off|seconds|date",
        ),
    )
    slots_total: int | None = field(
        default=None,
        metadata=_limit(
            "number of images that all accounts together may have unfinished at once; none: no limit",
            "--slots-total",
        ),
    )
    balance_total: int | None = field(
        default=None,
        metadata=_limit("units that all accounts together may spend; none: no limit", "--balance-total"),
    )
    rate_total: Rate | None = field(
        default=None,
        metadata=_limit(
            "creates accepted from all accounts together in a window of time; none: no limit",
            "--rate-total",
            "N/SECONDS",
        ),
    )
    poll_rate_total: Rate | None = field(
        default=None,
        metadata=_limit(
            "queries of tasks accepted from all accounts together in a window of time; none: no limit",
            "--poll-rate-total",
            "N/SECONDS",
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
    fetch_images: Reach = field(
        default="off",
        metadata=_switch(
            "hosts from which picture URLs are fetched and checked: off, loopback (this machine) or any",
            "--fetch-images",
            "off|loopback|any",
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
    callback_submitted: bool = field(
        default=True,
        metadata=_switch(
            "whether a callback is sent for status submitted; it is not known whether the service sends one",
            "--callback-submitted",
            "true|false",
            "callbacks",
        ),
    )
    callback_faults: tuple[str, ...] = field(
        default=(),
        metadata=_switch(
            "faults of callbacks, drawn from the seed: duplicated, late, reordered, early; none: no fault",
            "--callback-faults",
            "NAME,...",
            "callbacks",
        ),
    )
    webhook_secret: WebhookSecret | None = field(
        default=None,
        metadata=_switch(
            "secret that signs callbacks (Standard Webhooks), such as `whsec_...`; none: they are not signed",
            "--webhook-secret",
            "SECRET",
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
    prompt_triggers: bool = field(
        default=False,
        metadata=_switch(
            "whether a prompt can script its own create request, as in [mock fails=1301 polls=3]",
            "--prompt-triggers",
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
    state: str | None = field(
        default=None,
        metadata=_switch(
            "file in which tasks, scripts, clock and journal survive the process; none: memory only",
            "--state",
            "FILE",
            "server",
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

    control_token: str | None = field(
        default=None,
        repr=False,
        metadata=_switch(
            "token that admits clients of other machines to the control API; none: this machine only",
            "--control-token",
            "TOKEN",
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
        self._convert()
        for each in fields(self):
            check_type(each.name, getattr(self, each.name), str(each.type))
        self._set("gateways", read_gateways(self.gateways))
        self._check()

    def _convert(self) -> None:
        """Lists, paces and rates in text form are accepted: markers and files cannot give other values."""
        self._set("keys", AcceptedKeys(read_texts("keys", self.keys)))
        self._set("models", read_texts("models", self.models))
        self._set("operations", read_texts("operations", self.operations))
        self._set("ignore", frozenset(read_texts("ignore", self.ignore)))
        self._set("callback_faults", read_texts("callback_faults", self.callback_faults))
        self._set("callback_retries", read_pauses("callback_retries", self.callback_retries))
        if isinstance(cast("object", self.pace), str):
            self._set("pace", Pace.parse(cast("str", self.pace)))
        self._set("packs", read_units("packs", self.packs))
        for name in ("rate", "poll_rate", "rate_total", "poll_rate_total"):
            if isinstance(getattr(self, name), str):
                self._set(name, read_rate(name, getattr(self, name)))
        self._set("webhook_secret", read_secret("webhook_secret", self.webhook_secret))
        if self.state is not None:
            self._set("state", read_path("state", self.state))
        if self.base_url is not None:
            self._set("base_url", read_origin("base_url", self.base_url))

    def _check(self) -> None:
        if not -(2**63) <= self.seed < 2**63:
            raise ValueError(f"seed must fit in 64 bits (signed); it has {self.seed.bit_length()} bits")
        check_keys(self.keys)
        optional = {each.name for gate in self.gateways for route in gate.routes for each in route.optional}
        for name in set(self.operations) - optional:
            raise ValueError(f"operations: {unknown('optional operation', name, sorted(optional))}")
        check_ignored(self.ignore, self.gateways)
        check_word("validation_errors", self.validation_errors, ValidationShape)
        check_word("clock_mode", self.clock_mode, ClockMode)
        check_word("callbacks", self.callbacks, Reach)
        check_word("fetch_images", self.fetch_images, Reach)
        for each in self.callback_faults:
            if each not in get_args(CallbackFault):
                raise ValueError(f"callback_faults: {unknown('fault', each, get_args(CallbackFault))}")
        check_word("unused_scripts", self.unused_scripts, UnusedScriptLevel)
        check_word("retry_after", self.retry_after, RetryAfter)
        for name in ("slots", "balance", "credit", "slots_total", "balance_total"):
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
        check_cors(self.cors)
        check_token("control_token", self.control_token)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @property
    def units_allowed(self) -> int | None:
        """The units that an account may spend: of balance, packs and credit together; None: no limit."""
        if self.balance is None and self.credit is None and not self.packs:
            return None
        return (self.balance or 0) + sum(self.packs) + (self.credit or 0)

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
        for name in switches:
            annotation_of(name)
        return cls(**switches)


def annotation_of(name: str) -> str:
    """The annotation of a setting. Raises TypeError for an unknown name, with suggestions."""
    known = {each.name: str(each.type) for each in fields(Settings)}
    if name not in known:
        raise TypeError(unknown("setting", name, known))
    return known[name]
