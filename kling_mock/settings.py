"""The settings of the fake. Flags, marker arguments and the page docs/settings.md are generated from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final, Self, TypeVar

from kling_contracts.explained_error import is_explained_here
from kling_contracts.gateways import GATEWAYS, Gateway
from kling_contracts.vocabulary import BODY_MAXIMUM, MEGABYTE, RETENTION_DAYS
from kling_mock.plan import Pace
from kling_mock.rate import Rate
from kling_mock.setting_checks import check_ignored, check_operations, read_setting
from kling_mock.setting_types import ClockMode, Reach, RetryAfter, UnusedScriptLevel, ValidationShape
from kling_mock.suggestions import unknown
from kling_mock.webhook_secret import WebhookSecret

T = TypeVar("T")

# The settings that cannot change while a fake is in use, with the reason.
FIXED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "keys": "clients have been given them at the start",
        "seed": "the URLs of existing results are derived from it",
        "gateways": "existing tasks belong to them",
        "retention_days": "the store keeps tasks by it",
        "journal_bytes": "the store limits its journal by it",
        "control_token": "it controls the access to the settings",
        "state": "the store uses it",
    }
)


def _switch(  # noqa: PLR0913 -- the parts of a row
    default: T,
    doc: str,
    flag: str | None = None,
    metavar: str | None = None,
    group: str = "tasks and results",
    *,
    shown: bool = True,
) -> T:
    """A setting: its default, a line for help and docs, its flag of `serve` with metavar and help group.

    `shown`: whether the repr of the settings has it.
    """
    metadata = {"doc": doc, "flag": flag, "metavar": metavar, "group": group}
    return field(default=default, repr=shown, metadata=metadata)


def _limit(default: T, doc: str, flag: str, metavar: str = "N") -> T:
    """A setting that is a limit."""
    return _switch(default, doc, flag, metavar, "accounts and limits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one fake; the repr hides API keys and the webhook secret.

    Raises ValueError that names the setting, the rule and the value.
    """

    keys: tuple[str, ...] = _switch(
        (),
        "accepted API keys, each a separate account: a plain key, ACCESS:SECRET, "
        "or a prefix such as `sk-mock-*`; none: any key",
        "--keys",
        "KEY,...",
        "accounts and limits",
    )
    pace: Pace = _switch(
        Pace.polls(2),
        "how tasks progress: instant, polls:N, seconds:A,B, realistic[:SPEED] or held[:STATE]",
        "--pace",
        "PACE",
    )
    seed: int = _switch(0, "seed of ids, durations and pictures; the same seed repeats them", "--seed", "N")
    base_url: str | None = _switch(
        None,
        "origin of result URLs; none: the origin to which the create request was sent",
        "--public-url",
        "URL",
        "server",
    )
    clock_mode: ClockMode = _switch(
        "run",
        "run, or skip: a query of an unfinished task first moves the clock to the next change of a task",
        "--clock",
        "run|skip",
    )
    operations: tuple[str, ...] = _switch(
        (),
        "optional operations to enable: text-to-image, on the create path of CometAPI",
        "--operations",
        "NAME,...",
        "requests",
    )
    validation_errors: ValidationShape = _switch(
        "kling",
        "body of a validation error: kling (documented envelope), task or comet (gateway shapes)",
        "--validation-errors",
        "SHAPE",
        "requests",
    )
    ignore: frozenset[str] = _switch(
        frozenset(),
        "ids of request rules that are not enforced, such as prompt.max_length",
        "--ignore",
        "RULE,...",
        "requests",
    )
    models: tuple[str, ...] = _switch(
        (), "model names accepted besides those of the contract", "--models", "NAME,...", "requests"
    )
    null_is_absent: bool = _switch(
        True,
        "whether null for an optional field counts as not given",
        "--null-is-absent",
        "true|false",
        "requests",
    )
    slots: int | None = _limit(
        None,
        "concurrency limit: number of images that an account may have unfinished at once; none: no limit",
        "--slots",
    )
    balance: int | None = _limit(
        None,
        "units that an account may spend (16 per image; failed tasks are free); none: no limit",
        "--balance",
    )
    packs: tuple[int, ...] = _limit(
        (),
        "units of each resource pack of an account; `balance` is one more; none: no limit",
        "--packs",
        "N,...",
    )
    credit: int | None = _limit(
        None,
        "units that an account may spend beyond `balance` or `packs`; then it is in arrears (1101)",
        "--credit",
    )
    rate: Rate | None = _limit(
        None,
        "creates accepted from an account in a window of time, such as 10/60; none: no limit",
        "--rate",
        "N/SECONDS",
    )
    poll_rate: Rate | None = _limit(
        None,
        "queries of tasks accepted from an account in a window of time; none: no limit",
        "--poll-rate",
        "N/SECONDS",
    )
    retry_after: RetryAfter = _limit(
        "off",
        "header Retry-After of a response about a rate: off, seconds or date; the service documents none",
        "--retry-after",
        "off|seconds|date",
    )
    slots_total: int | None = _limit(
        None,
        "number of images that all accounts together may have unfinished at once; none: no limit",
        "--slots-total",
    )
    balance_total: int | None = _limit(
        None, "units that all accounts together may spend; none: no limit", "--balance-total"
    )
    rate_total: Rate | None = _limit(
        None,
        "creates accepted from all accounts together in a window of time; none: no limit",
        "--rate-total",
        "N/SECONDS",
    )
    poll_rate_total: Rate | None = _limit(
        None,
        "queries of tasks accepted from all accounts together in a window of time; none: no limit",
        "--poll-rate-total",
        "N/SECONDS",
    )
    token_leeway: float = _switch(
        0.0,
        "seconds by which a token may be early (nbf) or expired (exp); assumed: undocumented at Kling, "
        "whose sample code sets nbf back by 5 s",
        "--token-leeway",
        "SECONDS",
        "accounts and limits",
    )
    thumbnails: bool = _switch(
        False,
        "whether result pictures show the pictures sent inline (true) or a pattern for each (false)",
        "--thumbnails",
        "true|false",
    )
    fetch_images: Reach = _switch(
        "off",
        "hosts from which picture URLs are fetched and checked: off, loopback (this machine) or any",
        "--fetch-images",
        "off|loopback|any",
    )
    retention_days: float = _switch(
        float(RETENTION_DAYS.value),
        "days for which tasks, external ids and result pictures are kept",
        "--retention-days",
        "DAYS",
    )
    body_cap: int = _switch(
        BODY_MAXIMUM.value,
        "size of the largest accepted request body, in bytes",
        "--body-cap",
        "BYTES",
        "requests",
    )
    callbacks: Reach = _switch(
        "loopback",
        "receivers to which a server sends callbacks: off (none), loopback (on this machine) or any",
        "--callbacks",
        "off|loopback|any",
        "callbacks",
    )
    callback_retries: tuple[float, ...] = _switch(
        (1.0, 10.0, 60.0, 600.0),
        "pauses in seconds before each repeated attempt to deliver a callback",
        "--callback-retries",
        "SECONDS,...",
        "callbacks",
    )
    callback_submitted: bool = _switch(
        True,
        "whether a callback is sent for status submitted; it is not known whether the service sends one",
        "--callback-submitted",
        "true|false",
        "callbacks",
    )
    callback_faults: tuple[str, ...] = _switch(
        (),
        "faults of callbacks, drawn from the seed: duplicated, late, reordered, early; none: no fault",
        "--callback-faults",
        "NAME,...",
        "callbacks",
    )
    webhook_secret: WebhookSecret | None = _switch(
        None,
        "secret that signs callbacks (Standard Webhooks), such as `whsec_...`; none: they are not signed",
        "--webhook-secret",
        "SECRET",
        "callbacks",
    )
    strict_fields: bool = _switch(
        False,
        "whether a request with a field that the operation does not have is refused",
        "--strict-fields",
        "true|false",
        "requests",
    )
    prompt_triggers: bool = _switch(
        False,
        "whether a prompt can script its own create request, as in [mock fails=1301 polls=3]",
        "--prompt-triggers",
        "true|false",
        "requests",
    )
    cors: str = _switch(
        "loopback",
        "web pages that may call the API: loopback (pages of this machine), off, an origin, or * for all",
        "--cors",
        "ORIGIN",
        "server",
    )
    gateways: tuple[Gateway, ...] = _switch(
        GATEWAYS,
        "gateways to imitate: cometapi, kling or, in Python, other declared ones",
        "--gateways",
        "NAME,...",
        "requests",
    )
    state: str | None = _switch(
        None,
        "file in which tasks, scripts, clock and journal survive the process, or a namespace that processes "
        "share, redis://HOST:PORT/0?namespace=NAME; none: memory only",
        "--state",
        "FILE|URL",
        "server",
        shown=False,  # the URL may have a password
    )
    journal_bytes: int = _switch(
        64 * MEGABYTE,
        "memory for the journal in bytes; the oldest entries are dropped first",
        "--journal-bytes",
        "BYTES",
        "server",
    )
    control_token: str | None = _switch(
        None,
        "token of 8 characters or more for the control API on other machines; none: this machine only",
        "--control-token",
        "TOKEN",
        "server",
        shown=False,
    )
    unused_scripts: UnusedScriptLevel = _switch(
        "error",
        "effect of scripts that never applied, at the end of a test or in check(): error, warn or ignore",
    )

    def __post_init__(self) -> None:
        try:
            self._read()
        except ValueError as error:
            if is_explained_here():
                from kling_contracts.help_links import help_line

                error.add_note(help_line(["ValueError"], str(error)))
            raise

    def _read(self) -> None:
        """Replace texts by values. Raises ValueError."""
        for each in fields(self):
            given = getattr(self, each.name)
            value = read_setting(each.name, given, str(each.type))
            if value is not given:
                object.__setattr__(self, each.name, value)
        check_operations(self.operations, self.gateways)
        check_ignored(self.ignore, self.gateways)

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
