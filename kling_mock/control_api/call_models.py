"""The models of calls: the entries of the journal."""

from __future__ import annotations

from typing import Any

from kling_mock.control_api.models import Count, Model
from kling_mock.control_api.task_models import CreateRequest


class Call(Model, frozen=True):
    """A request to the imitated service, and its reply: an entry of the journal. Credentials are not kept.

    `shown` is the task status in the reply, `actual` the true one if it differs; `rule` is the id of the rule
    that refused the request; `script` is the id of the script that was applied; `status` is 0 without reply.
    """

    id: str
    at: float
    account: str | None
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    request: CreateRequest | None
    status: int
    task_id: str | None
    shown: str | None
    actual: str | None
    rule: str | None
    message: str | None
    script: int | None
    notes: tuple[str, ...]
    faults: tuple[str, ...]


class CallPage(Model, frozen=True):
    """A page of calls. `next` is the parameter `after` of the next page, `total` the number on all pages."""

    calls: tuple[Call, ...]
    next: str | None
    total: Count


class SentCall(Model, frozen=True):
    """A call that was sent again, and the text of the reply; null for a picture."""

    call: Call
    reply: str | None


class RuleText(Model, frozen=True):
    """A rule as it holds for these operations or gateways: its sentence, and the source of it.

    `origin` is the kind of evidence, `reference` the title of the document, `confidence` high, medium or low.
    `effect`: whether the request is refused, or its task fails.
    """

    of: tuple[str, ...]
    sentence: str
    origin: str
    reference: str
    confidence: str
    effect: str


class RuleSwitch(Model, frozen=True):
    """A setting that relaxes a rule: its value now, and a value with which the rule does not apply.

    `fixed` is the reason for which it cannot change while the server runs.
    """

    setting: str
    value: Any
    relaxed: Any
    fixed: str | None


class RuleInfo(Model, frozen=True):
    """A rule by which requests are refused."""

    id: str
    texts: tuple[RuleText, ...]
    switches: tuple[RuleSwitch, ...]


class ScriptMiss(Model, frozen=True):
    """A call to which a script was not applied, and the reasons: one for each criterion."""

    call: Call
    reasons: tuple[str, ...]


class ScriptMisses(Model, frozen=True):
    """The calls that came closest to those that a script is about, closest first."""

    misses: tuple[ScriptMiss, ...]
