"""The page `settings.md`: all settings, the rules that can be ignored, and the variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Final

from docs.tables import NOTICE, code, table
from kling_contracts import vocabulary
from kling_contracts.gateways import GATEWAYS, Gateway, every_operation
from kling_mock.serve_command import SERVE_DEFAULTS
from kling_mock.setting_checks import relaxable
from kling_mock.settings import Settings

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
