"""The rules by which requests are refused: text, source, and the settings that relax them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from kling_contracts.gateways import RefusalReason, every_operation
from kling_contracts.rules import Effect
from kling_contracts.vocabulary import ASSUMED, Source
from kling_mock.changed_replies import ANSWERS_RULE
from kling_mock.control_api import call_models
from kling_mock.control_api.problems import not_found
from kling_mock.control_api.settings import plain_value
from kling_mock.fake import Fake
from kling_mock.routing import ENCODED_RULE, MODEL_RULE, UNKNOWN_FIELD
from kling_mock.setting_checks import relaxable
from kling_mock.settings import FIXED

# The sentences of rules that are not about the fields of a body. Their sources are those of the gateways.
_REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        RefusalReason.NO_KEY: "a request has a key in the header Authorization",
        RefusalReason.MALFORMED_KEY: "the key is one bearer, in the form that the gateway accepts",
        RefusalReason.BAD_KEY: "the key is one of the accepted keys",
        RefusalReason.BAD_TOKEN: "a token is signed with HS256, and has exp and nbf",
        RefusalReason.EARLY_TOKEN: "a token is not used before its nbf",
        RefusalReason.EXPIRED_TOKEN: "a token is not used after its exp",
        RefusalReason.NO_ROUTE: "the path is one of the gateway",
        RefusalReason.WRONG_METHOD: "the method is one of the path",
        RefusalReason.TOO_LARGE: "the body is not larger than the limit",
        RefusalReason.BAD_JSON: "the body is valid JSON",
        RefusalReason.INVALID: "the body keeps the rules of the operation",
        RefusalReason.DUPLICATE_ID: "an external id is unique within the account",
        RefusalReason.TOO_MANY: "requests are not more frequent than the rate",
        RefusalReason.IN_ARREARS: "the account is not in arrears",
        RefusalReason.NO_BALANCE: "the account has units for the task",
        RefusalReason.NO_SLOTS: "the unfinished images are not more than the concurrency limit",
        RefusalReason.UNKNOWN_TASK: "the task exists and is one of the account",
        RefusalReason.INTERNAL: "kling-mock has an internal error; Fake.check() raises it",
    }
)
_OTHERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        ENCODED_RULE: "the body is not compressed",
        UNKNOWN_FIELD: "each field of the body is one of the operation",
        "result.url": "a result URL is one of a task that has succeeded, within its retention",
        "server.state": "the state file can be written",
        "script.refuses": "a script refuses the request",
        ANSWERS_RULE: "a script answers the request with an error",
    }
)
# The settings that relax a rule, and the values with which it does not apply.
DAY: Final = 86_400.0
_RATES: Final = ("rate", "rate_total", "poll_rate", "poll_rate_total")
_SWITCHES: Final[Mapping[str, tuple[tuple[str, object], ...]]] = MappingProxyType(
    {
        **dict.fromkeys(
            (RefusalReason.MALFORMED_KEY, RefusalReason.BAD_KEY, RefusalReason.BAD_TOKEN), (("keys", []),)
        ),
        **dict.fromkeys((RefusalReason.EARLY_TOKEN, RefusalReason.EXPIRED_TOKEN), (("token_leeway", DAY),)),
        RefusalReason.TOO_LARGE: (("body_cap", 2**30),),
        RefusalReason.TOO_MANY: tuple([(name, None) for name in _RATES]),
        RefusalReason.IN_ARREARS: (("credit", None), ("packs", []), ("balance", None)),
        RefusalReason.NO_BALANCE: (("packs", []), ("balance", None), ("balance_total", None)),
        RefusalReason.NO_SLOTS: (("slots", None), ("slots_total", None)),
        UNKNOWN_FIELD: (("strict_fields", False),),
    }
)


def read_rule(fake: Fake, id: str) -> call_models.RuleInfo:  # noqa: A002 -- the name in the path
    """Read a rule by which requests are refused: text, source, and the settings that relax it."""
    texts = tuple(_texts(fake, id))
    if not texts:
        known = [rule for each in every_operation(fake.gateways) for rule in each.rules]
        raise not_found("rule", id, dict.fromkeys((*_REASONS, *_OTHERS, *known)))
    return call_models.RuleInfo(id, texts, tuple(_switches(fake, id)))


def _texts(fake: Fake, name: str) -> Iterator[call_models.RuleText]:
    """The rule by sentence and source, each with the operations or gateways for which they are equal."""
    found: dict[tuple[str, Source, str], list[str]] = {}
    for operation in every_operation(fake.gateways):
        rule = operation.rules.get(name)
        if rule is not None:
            effect = "task fails" if rule.effect is Effect.FAILS else str(rule.effect)
            found.setdefault((rule.sentence, rule.source, effect), []).append(operation.name)
    if not found and name in _REASONS:
        for gateway in fake.gateways:
            refusal = gateway.refusals.get(RefusalReason(name))
            if refusal is not None:
                found.setdefault((_REASONS[name], refusal.rule_source, "refused"), []).append(gateway.name)
    if name in _OTHERS:
        found[_OTHERS[name], ASSUMED, "refused"] = [gateway.name for gateway in fake.gateways]
    for (sentence, source, effect), names in found.items():
        origin, confidence = str(source.origin), str(source.confidence)
        yield call_models.RuleText(
            tuple(dict.fromkeys(names)), sentence, origin, source.reference, confidence, effect
        )


def _switches(fake: Fake, name: str) -> Iterator[call_models.RuleSwitch]:
    settings = fake.settings
    wanted: list[tuple[str, Any]] = list(_SWITCHES.get(name, ()))
    if name == MODEL_RULE or (name not in _REASONS and relaxable(name)):
        wanted.append(("ignore", sorted({*settings.ignore, name})))
    for setting, relaxed in wanted:
        value = plain_value(setting, getattr(settings, setting))
        if name not in _LIMITS or value not in (None, []):
            yield call_models.RuleSwitch(setting, value, relaxed, FIXED.get(setting))


# Of these only the limits that are set can be the reason.
_LIMITS: Final = frozenset(
    {RefusalReason.TOO_MANY, RefusalReason.IN_ARREARS, RefusalReason.NO_BALANCE, RefusalReason.NO_SLOTS}
)
