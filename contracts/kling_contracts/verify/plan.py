"""The options of a run, and its plan: the steps that will run, decided before anything is sent."""

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
    """The options of a run.

    `max_images` is the most images to create; None means 0, or no limit against kling-mock. `operation` is
    one that the gateway offers, or its name; None means the gateway's main one. `only` are ids or patterns of
    checks; empty means all. `deadline` is in seconds. `strict`: rules that no source settles count as well.
    """

    base_url: str
    # Not in the repr, so that logs show no key.
    api_key: str = field(repr=False)
    second_api_key: str | None = field(default=None, repr=False)
    gateway: Gateway = COMETAPI
    operation: Operation | str | None = None
    max_images: int | None = None
    deadline: float = DEADLINE
    only: Collection[str] = ()
    known: Sequence[Deviation] = ()
    seed: int = 0
    strict: bool = False

    @property
    def target(self) -> Gateway:
        """The gateway with the chosen operation as its main one. Raises LookupError for an unknown one."""
        chosen = self.operation
        if chosen is None:
            return self.gateway
        return self.gateway.focused(
            self.gateway.find_operation(chosen) if isinstance(chosen, str) else chosen
        )


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A step of a plan. It runs unless a requirement is `missing`."""

    step: Step
    missing: Requirement | None
    spent_before: int


def plan(
    options: Options, suite: Suite, *, mock: bool = False, receiver: bool | None = None
) -> tuple[Planned, ...]:
    """The steps of a run in order. `mock`: plan for a server that is known to be kling-mock."""
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
        # An optional step must leave enough images for all required steps after it.
        spared = 0 if step.required else images_wanted(steps[at + 1 :], missing)
        if requirement is None and step.max_cost and not _affords(limit, spent + spared, step):
            requirement = Requirement.BUDGET
        planned.append(Planned(step=step, missing=requirement, spent_before=spent))
        spent += 0 if requirement else step.creates
    return tuple(planned)


def _affords(limit: int | None, spent: int, step: Step) -> bool:
    """Whether a limit allows a step. Without a limit the spare steps do not run, because they take time."""
    return not step.spare if limit is None else spent + step.max_cost <= limit


def images_for_all(options: Options, suite: Suite) -> int:
    """The smallest limit with which every step runs, except those that lack another requirement."""
    missing = _missing(options, is_loopback(options.base_url))
    steps = [step for step in suite.steps(options.target) if not step.requires & missing]
    spent = most = 0
    for at, step in enumerate(steps):
        spared = 0 if step.required else images_wanted(steps[at + 1 :], missing)
        most = max(most, spent + step.max_cost + spared if step.max_cost else 0)
        spent += step.creates
    return most


def images_wanted(steps: Sequence[Step], missing: frozenset[Requirement] = frozenset()) -> int:
    """The number of images that the required steps need, without those that lack a requirement."""
    kept = most = 0
    for step in steps:
        if step.required and not step.requires & missing:
            most = max(most, kept + step.max_cost)
            kept += step.creates
    return max(most, kept)


def limit_of(options: Options, *, mock: bool) -> int | None:
    """The number of images that a run may spend; None: no limit."""
    if options.max_images is not None:
        return options.max_images
    return None if mock else 0


def _missing(options: Options, receiver: bool) -> frozenset[Requirement]:  # noqa: FBT001 -- one of three facts
    absent = {
        Requirement.SECOND_KEY: options.second_api_key is not None,
        Requirement.SIGNER: options.gateway.takes_tokens and ":" in options.api_key,
        Requirement.RECEIVER: receiver,
    }
    return frozenset(requirement for requirement, there in absent.items() if not there)


def asked_for(check: Check, options: Options) -> bool:
    """Whether the options select a check."""
    return not options.only or any(fnmatchcase(check.id, pattern) for pattern in options.only)


def totals_of(planned: Sequence[Planned]) -> tuple[int, int, int]:
    """Sums of a plan: requests, images that a correct server creates, highest number spent and reserved."""
    running = [each for each in planned if each.missing is None]
    most = max((each.spent_before + each.step.max_cost for each in running), default=0)
    return (
        sum(each.step.requests for each in running),
        sum(each.step.creates for each in running),
        most,
    )


def is_loopback(url: str) -> bool:
    """Whether the host of a URL is `localhost`, in 127.0.0.0/8, or ::1. Names are not resolved."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or (host.startswith("127.") and host.replace(".", "").isdigit())


def address_problem(url: str) -> str | None:
    """The reason why a text is not a base URL; None if it is one."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return str(error)
    if parts.scheme not in ("http", "https") or not host:
        return "must begin with http:// or https:// and a host, such as http://127.0.0.1:8000"
    if parts.username is not None or parts.password is not None:
        return "must not contain a user name or a password, because reports show it; use --api-key"
    if parts.query or parts.fragment:
        return "must end before ? and #, because the paths of the API are appended to it"
    if any(sign.isspace() or not sign.isprintable() for sign in url):
        return "must not contain blanks or control characters"
    return None
