"""Writes `faithful.md` and `settings.md` from the declarations: `python docs/generate.py [--check]`.

The rules and responses of the service are data in `contracts`, with a source each; the settings of the mock
are data in `kling_mock.settings`. The pages contain that data as tables, and a few paragraphs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Final

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
from kling_mock.serve_command import SERVE_DEFAULTS
from kling_mock.setting_checks import relaxable
from kling_mock.settings import Settings

HERE: Final = Path(__file__).parent
NOTICE: Final = "<!-- Written by docs/generate.py from the declarations: change those, then run it again. -->"

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

SETTINGS_HEAD: Final = """\
# Settings

All settings of the mock. Every setting has one name. It is an argument of `Fake(...)` and of the marker
`@pytest.mark.kling(...)`, a line of the ini option `kling`, and, if the table lists one, a flag of `kling-mock serve`.

```python
from kling_mock import Fake

fake = Fake(slots=4, ignore=["prompt.max_length"])
print(fake.settings.slots)
```

```text
4
```

```ini
[pytest]
kling =
    slots=4
    ignore=prompt.max_length
```

or in `pyproject.toml`, as a list of strings or one string with a setting per line:

```toml
# pyproject.toml
[tool.pytest.ini_options]
kling = ["slots = 4", "ignore = prompt.max_length"]
```

```sh
kling-mock serve --slots 4 --ignore prompt.max_length
```

In flags and ini lines lists are separated by commas, `none` means no value, and booleans are `true` or `false`. The error
for an unknown name or value suggests known ones. The marker takes precedence over the ini file.

`fake.settings` is a frozen `Settings` with all of them, and `fake.change_settings(slots=2)` changes some for later requests.
Its `plain_keys` and `secrets` are the two kinds of `keys`; `Settings.of(mapping)` creates one from names and values.
"""

SETTINGS_TAIL: Final = """\
Marker and ini option accept three more, for the fixtures: `sleep` (`"advance"`, see [sleep](sleep.md)), `clock` (a callable
that creates the clock, such as `Clock` or `ManualClock`; in the ini file one of these names) and `only` (true refuses
calls to hosts other than the service's).

## Rules that `ignore` accepts

Limits can be ignored; the type of a value, Unicode text, base64 and the range of `n` cannot. If a rule is ignored whose
effect is a failed task, the task succeeds.

{rules}

## Environment variables

{variables}
"""

MEANING_OF_VARIABLE: Final[Mapping[str, str]] = {
    "COMETAPI_KEY": "the API key of `kling_client` for CometAPI; the fixtures set it to a fake one",
    "KLING_ACCESS_KEY": "the access key of `kling_client` for Kling itself, with its secret; the fixtures replace both",
    "KLING_SECRET_KEY": "the secret of that access key",
    "KLING_API_KEY": "a plain key for Kling itself, instead of those two; the fixtures set it to a fake one",
    "KLING_SECOND_API_KEY": "the key of another account, for `kling-contracts verify`",
    "KLING_MOCK_URL": "the URL of the server for the fixture `kling_remote`",
    "KLING_MOCK_TOKEN": "the control token of that server, if it has one",
    "KLING_BASE_URL": "the base URL for `kling_client`; `kling_server` sets it, `kling` removes it",
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines).replace("| --- ", "|---")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def code(text: object) -> str:
    """Text as inline code; empty text stays empty."""
    return f"`{text}`" if str(text) else ""


def evidence(source: Source) -> list[str]:
    return [f"{source.origin}: {source.reference}", str(source.confidence)]


# -- faithful.md


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


# -- settings.md


def settings(gateways: Sequence[Gateway] = GATEWAYS) -> str:
    """The page of all settings; the rules that can be ignored are those of these gateways."""
    rows = (
        [
            code(each.name),
            code(each.metadata["flag"] or ""),
            code(_spelling(each.default)),
            f"{each.metadata['doc']}"
            + (f" (`serve`: `{SERVE_DEFAULTS[each.name]}`)" if each.name in SERVE_DEFAULTS else ""),
        ]
        for each in fields(Settings)
    )
    names = [value for name, value in vars(vocabulary).items() if name.endswith("_VARIABLE")]
    ignorable = {rule: None for each in every_operation(gateways) for rule in each.rules if relaxable(rule)}
    tail = SETTINGS_TAIL.format(
        rules=", ".join(map(code, ignorable)) + ".",
        variables=table(("variable", "meaning"), ([code(name), MEANING_OF_VARIABLE[name]] for name in names)),
    )
    listed = table(("name", "flag of `serve`", "default", "meaning"), rows)
    return f"{NOTICE}\n\n{SETTINGS_HEAD.rstrip()}\n\n{listed}\n\n{tail}"


def _spelling(value: object) -> str:
    match value:
        case None | () | frozenset():
            return "none"
        case bool():
            return str(value).lower()
        case tuple():
            return ",".join(f"{each:g}" if isinstance(each, float) else str(each) for each in value)
        case float():
            return f"{value:g}"
        case _:
            return str(value)


PAGES: Final = {"faithful.md": faithful, "settings.md": settings}


def main(argv: Sequence[str] | None = None) -> int:
    """Write the pages; with `--check` only compare them. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Write the generated pages of docs/.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is out of date")
    check = parser.parse_args(argv).check
    stale: list[str] = []
    for name, render in PAGES.items():
        path, text = HERE / name, render()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.write_text(text, encoding="utf-8")
    for name in stale:
        sys.stdout.write(f"docs/{name} {'is out of date: run docs/generate.py' if check else 'written'}\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
