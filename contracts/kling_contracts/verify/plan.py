"""What is to be verified, and what a run will do about it: the plan stands before anything is sent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final
from urllib.parse import urlsplit

from kling_contracts.gateways import COMETAPI, Gateway
from kling_contracts.operations import Operation
from kling_contracts.verify.known_deviations import Deviation
from kling_contracts.verify.model import Check, Requirement, Step, Suite

DEADLINE: Final = 300.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to verify and with what. `max_tasks` is in images; None: 0, or no limit at a proven kling-mock.

    `operation` is one that the gateway offers, or its name; None: the gateway's main one. `only` are ids or
    patterns of checks, none: all. `deadline` is in seconds.
    """

    base_url: str
    # Not part of the repr: what is printed or logged shows no key.
    api_key: str = field(repr=False)
    second_api_key: str | None = field(default=None, repr=False)
    gateway: Gateway = COMETAPI
    operation: Operation | str | None = None
    max_tasks: int | None = None
    deadline: float = DEADLINE
    only: Collection[str] = ()
    known: Sequence[Deviation] = ()
    seed: int = 0

    @property
    def target(self) -> Gateway:
        """The gateway with the chosen operation as its main one. Raises LookupError if it has no such one."""
        chosen = self.operation
        if chosen is None:
            return self.gateway
        return self.gateway.focused(
            self.gateway.find_operation(chosen) if isinstance(chosen, str) else chosen
        )


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A step as it will run, or the need because of which it will not."""

    step: Step
    missing: Requirement | None
    spent_before: int


def plan(
    options: Options, suite: Suite, *, mock: bool = False, receiver: bool | None = None
) -> tuple[Planned, ...]:
    """What a run would do, in order. `mock`: as against a proven kling-mock."""
    limit = limit_of(options, mock=mock)
    missing = _missing(options, is_loopback(options.base_url) if receiver is None else receiver)
    planned: list[Planned] = []
    spent = 0
    steps = suite.steps(options.target)
    chosen = [check for check in suite.checks(options.target) if asked_for(check, options)]
    for at, step in enumerate(steps):
        requirement = next(iter(sorted(step.requires & missing)), None)
        if requirement is None and not any(step.covers(check.id) for check in chosen):
            requirement = Requirement.CHOSEN
        # What is no must leaves enough for all musts that follow.
        spared = 0 if step.required else images_wanted(steps[at + 1 :], missing)
        if (
            requirement is None
            and step.max_cost
            and limit is not None
            and spent + step.max_cost + spared > limit
        ):
            requirement = Requirement.BUDGET
        planned.append(Planned(step=step, missing=requirement, spent_before=spent))
        spent += 0 if requirement else step.creates
    return tuple(planned)


def images_wanted(steps: Sequence[Step], missing: frozenset[Requirement] = frozenset()) -> int:
    """How many images the musts among these steps take, but for those that need what is missing."""
    kept = most = 0
    for step in steps:
        if step.required and not step.requires & missing:
            most = max(most, kept + step.max_cost)
            kept += step.creates
    return max(most, kept)


def limit_of(options: Options, *, mock: bool) -> int | None:
    """How many images a run may spend; None: no limit."""
    if options.max_tasks is not None:
        return options.max_tasks
    return None if mock else 0


def _missing(options: Options, receiver: bool) -> frozenset[Requirement]:  # noqa: FBT001 -- one of three facts
    absent = {
        Requirement.SECOND_KEY: options.second_api_key is not None,
        Requirement.SIGNER: options.gateway.takes_tokens and ":" in options.api_key,
        Requirement.RECEIVER: receiver,
    }
    return frozenset(requirement for requirement, there in absent.items() if not there)


def asked_for(check: Check, options: Options) -> bool:
    """Whether a check is among those chosen."""
    return not options.only or any(fnmatchcase(check.id, pattern) for pattern in options.only)


def totals_of(planned: Sequence[Planned]) -> tuple[int, int, int]:
    """Requests, images that a right server creates, and the most that are spent and set aside at any time."""
    running = [each for each in planned if each.missing is None]
    most = max((each.spent_before + each.step.max_cost for each in running), default=0)
    return (
        sum(each.step.requests for each in running),
        sum(each.step.creates for each in running),
        most,
    )


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine: `localhost`, 127.0.0.0/8 or ::1. Nothing is resolved."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or (host.startswith("127.") and host.replace(".", "").isdigit())


def address_problem(url: str) -> str | None:
    """Why a text is no address of a server; None if it is one."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return str(error)
    if parts.scheme not in ("http", "https") or not host:
        return "it begins with http:// or https:// and names a host, such as http://127.0.0.1:8000"
    if parts.username is not None or parts.password is not None:
        return "a name and a password do not belong in it: reports show it"
    if parts.query or parts.fragment:
        return "it ends before ? and #: the paths of the API are appended to it"
    if any(sign.isspace() or not sign.isprintable() for sign in url):
        return "it holds blanks or control characters"
    return None
