"""The page `faithful.md`: rules, error responses and facts, with their sources and settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from docs.tables import NOTICE, code, evidence, table
from kling_contracts import vocabulary
from kling_contracts.gateways import (
    GATEWAYS,
    VALIDATION_SHAPES,
    Gateway,
    Refusal,
    RefusalReason,
    every_operation,
)
from kling_contracts.operations import Operation
from kling_contracts.rules import Effect, Rule
from kling_contracts.vocabulary import ERRORS, Fact, Origin, Source
from kling_mock.setting_checks import relaxable

# The setting that changes the response for a reason, or a fact. A test compares them with the mock.
SETTING_OF_SITUATION: Final[Mapping[RefusalReason, str]] = {
    RefusalReason.MALFORMED_KEY: "keys",
    RefusalReason.BAD_KEY: "keys",
    RefusalReason.BAD_TOKEN: "keys",
    RefusalReason.TOO_LARGE: "body_cap",
    RefusalReason.UNKNOWN_MODEL: "models",
    RefusalReason.INVALID: "validation_errors",
    RefusalReason.TOO_MANY: "rate",
    RefusalReason.IN_ARREARS: "credit",
    RefusalReason.NO_BALANCE: "balance",
    RefusalReason.NO_SLOTS: "slots",
}
SETTING_OF_FACT: Final[Mapping[str, str]] = {
    "BODY_MAXIMUM": "body_cap",
    "MODELS_PLAIN": "models",
    "MODEL_V2": "models",
    "MODEL_V2_1": "models",
    "RETENTION_DAYS": "retention_days",
}

FAITHFUL_HEAD: Final = """\
# How faithful is it?

Every rule, limit, text and code of the contract, with its origin: the mock is only as faithful as the sources about the real
service.

{origins}

A fact can be out of date, whatever its origin. If the origin is `captured`, the wording may come from another route of
the same service.

The same information is available in three other forms. Every error response of the mock has the header
`x-kling-mock-rule`: the rule, its source, and the setting that relaxes it. `kling-contracts openapi` prints the contract
with `x-source` at every field. In Python a `Violation` has a `rule`, and a `Rule` has a `source`.

## Decisions that are not in the tables

- **Order of checks**: {order}. Then scripts: a refused request uses up no script and reserves nothing. Within a body
  the response is about the first violation in order of declaration (the tables below), except that CometAPI checks
  the model first.
- **A violation is refused, or the task fails.** A body that cannot be parsed is refused at once. An image that
  can be decoded but is not a PNG or JPEG, is too small or too oblong, creates a task that ends `failed`, as captured.
- **Ids.** `task_id` is a decimal string whose upper bits are its creation time; treat it as opaque. `request_id` is a
  new UUID in every response. An external id is unique per account until its task is dropped.
- **Times** are integer milliseconds. `updated_at` is the instant of the last change, equal to `created_at` at first.
- **States.** The response to a create request is always `submitted`. `succeed` and `failed` are final. A failed task is
  HTTP 200 with `code` 0 and `task_status_msg`; tasks never fail at random.
- **Unfinished tasks** have `task_result: {{}}`, and `task_info: {{}}` or the external id.
- **Result URLs** are absolute, distinct per picture and stable, need no key, and expire with their task.
- **Absence.** For an optional field the empty string and null mean: not given. Unknown fields are ignored, with a note
  in the journal; of duplicate keys the last one wins.
- **Callbacks**: on every change the task object is posted, without an envelope, until it is accepted. The body is
  official; the retries are assumed.
- **[Limits](limits.md)** (`slots`, `balance` and others): a task counts `n` images until it ends; failed tasks cost nothing.
  By default there are no limits.

## Rules of a request

The status and code of the response to a broken rule are those of the gateway's row `body.valid`, or of `model_name.enum`
for an unknown model. *Text* is the message of the response; for a task that fails, its `task_status_msg`.
"""


def faithful(gateways: Sequence[Gateway] = GATEWAYS) -> str:
    """The page of rules, error responses and facts, for these gateways and their operations."""
    head = FAITHFUL_HEAD.format(
        origins=_origins(), order=", ".join(code(each.value) for each in RefusalReason if each != "internal")
    )
    parts = [NOTICE, head.rstrip(), _rules(every_operation(gateways))]
    for gateway in gateways:
        parts += [f"## Refusals of {gateway.title}", _about(gateway), _refusals(gateway.refusals)]
    parts += [
        "## Shapes of a validation error",
        "Alternative responses of `body.valid`; the setting `validation_errors` selects one by name.",
        table(
            ("`validation_errors`", "status", "code", "text", "known from", "confidence"),
            ([code(name), *_answer(each)] for name, each in VALIDATION_SHAPES.items()),
        ),
        "## Error codes",
        "`Script.refuses(code)` responds with any of them. Codes and statuses are official; the last columns are those of the wording.",
        table(
            ("code", "status", "meaning", "wording", "wording known from", "confidence"),
            (
                [code(row.code), str(row.status), row.meaning, row.wording, *evidence(row.source)]
                for row in ERRORS.values()
            ),
        ),
        "## Values",
        "The names are constants of `kling_contracts.vocabulary`.",
        table(("name", "value", "known from", "confidence", "setting"), _facts()),
    ]
    return "\n\n".join(parts) + "\n"


def _origins() -> str:
    meanings = {
        Origin.SEED: "CometAPI's page of this endpoint, which this project implements",
        Origin.OFFICIAL: "Kling's own documentation",
        Origin.CAPTURED: "a published response of the live service",
        Origin.RESELLER: "other pages of CometAPI, or of another reseller",
        Origin.STANDARD: "a standard of the web, such as HTTP, or a rule of safety that holds for every API",
        Origin.ASSUMED: "not documented or captured; this project's choice",
    }
    rows = ([code(each), meanings[each], str(Source(each, "").confidence)] for each in Origin)
    return table(("origin", "evidence", "confidence"), rows)


def _rules(operations: Sequence[Operation]) -> str:
    where: dict[Rule, list[str]] = {}
    for operation in operations:
        for rule in operation.rules.values():
            where.setdefault(rule, []).append(operation.name)
    rows = (
        [
            code(rule.id),
            rule.sentence,
            "all" if len(names) == len(operations) else ", ".join(names),
            "task fails" if rule.effect is Effect.FAILS else "refused",
            *evidence(rule.source),
            f"{_template(rule)} ({rule.wording.source.origin})",
            _setting(rule),
        ]
        for rule, names in where.items()
    )
    head = ("rule", "sentence", "operations", "if broken", "known from", "confidence", "text", "setting")
    return table(head, rows)


def _template(rule: Rule) -> str:
    """The text of the error response, with the limit and placeholders for path and value."""
    return (
        rule.wording.template.replace("{limit}", rule.limit)
        .replace("{path}", "*field*")
        .replace("{value}", "*value*")
    )


def _setting(rule: Rule) -> str:
    if rule.id == RefusalReason.UNKNOWN_MODEL.value:
        return "`models`, `ignore`"
    return "`ignore`" if relaxable(rule.id) else ""


def _about(gateway: Gateway) -> str:
    paths = ", ".join(code(f"POST {gateway.path(route)}") for route in gateway.routes)
    hosts = ", ".join(map(code, gateway.hosts))
    about = f"Hosts: {hosts}. Create requests: {paths}."
    if gateway.takes_tokens:
        about += " For numeric codes, *known from* is the source of the text: codes are official, and so are statuses except 405 and 413."
    return about


def _refusals(refusals: Mapping[RefusalReason, Refusal]) -> str:
    return table(
        ("reason", "status", "code", "text", "known from", "confidence", "setting"),
        (
            [code(reason.value), *_answer(refusal), code(SETTING_OF_SITUATION.get(reason, ""))]
            for reason, refusal in refusals.items()
        ),
    )


def _answer(refusal: Refusal) -> list[str]:
    text = refusal.message.replace("{", "*").replace("}", "*").replace("request_id", "request id")
    if refusal.wording is not None and refusal.wording.origin is not refusal.source.origin:
        text += f" ({refusal.wording.origin})"
    return [str(refusal.status), code(refusal.code), text, *evidence(refusal.source)]


def _facts() -> Iterable[list[str]]:
    for name, fact in vars(vocabulary).items():
        if isinstance(fact, Fact):
            setting = code(SETTING_OF_FACT.get(name, ""))
            yield [code(name), _value(fact.value), *evidence(fact.source), setting]


def _value(value: object) -> str:
    match value:
        case Mapping():
            return "; ".join(f"{key}: {_value(each)}" for key, each in value.items())
        case (int(width), int(height)):
            return f"{width} x {height}"
        case tuple():
            return ", ".join(map(str, value))
        case int() if value >= 10_000:
            return f"{value:,}"
        case _:
            return str(value)
