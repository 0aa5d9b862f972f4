"""Scenario files: their contents, every error with its line, the command `check` and the JSON Schema."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator  # type: ignore[import-untyped]  # ships no types

from kling_mock import Settings
from kling_mock.cli import main
from kling_mock.rate import Rate
from kling_mock.scenarios.scenario_file import ScenarioError, parse_scenario, read_scenario, scenario_schema
from kling_mock.scenarios.toml_lines import lines_of, nearest_line

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """\
[settings]
pace = "polls:3"
keys = ["sk-one"]
rate = "10/60"
retention_days = 1

[[scripts]]
next = true
fails = "no"

[[scripts]]
when_query = { nth = 2 }
answers = { status = 429, code = 1303 }
"""

BAD = """\
slots = 3
[setings]
[settings]
pace = "polls:0"
slot = 3
callbacks = "al"
packs = [1, "2"]
gateways = ["kling"]
operations = ["text-to-image"]

[[scripts]]
next = true
fial = "no"   # [a comment]
cuts = { at = "3", by = "rest" }

[[scripts]]
when = { prompt = '''
*c
at*''', n = "2" }
times = 0
[scripts.pads]
too = 3
"""


def problems_of(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as raised:
        parse_scenario(text, "F.toml")
    return [str(each) for each in raised.value.problems]


def test_a_scenario_has_settings_and_scripts() -> None:
    scenario = parse_scenario(GOOD, "F.toml")
    assert Settings.of(scenario.settings).rate == Rate(10, 60)
    first, second = scenario.scripts
    assert (first.document, first.rule.written_at) == ({"next": True, "fails": "no"}, "F.toml:7")
    assert (second.rule.kind, second.rule.written_at) == ("query", "F.toml:11")


def test_all_errors_of_a_file_are_listed_with_their_lines() -> None:
    expected = [
        "F.toml:1: slots: slots is a setting, which belongs under [settings]",
        "F.toml:2: setings: unknown key 'setings'; did you mean 'settings'?",
        "F.toml:4: settings.pace: pace 'polls:0': polls must be an integer of at least 1",
        "F.toml:5: settings.slot: unknown key of settings 'slot'; did you mean 'slots'",
        "F.toml:6: settings.callbacks: unknown value of callbacks 'al'; known: off, loopback, any",
        "F.toml:7: settings.packs[1]: packs[1] must be an integer, not '2'",
        "F.toml:9: settings.operations: operations: unknown optional operation 'text-to-image'",
        "F.toml:13: scripts[0].fial: unknown key 'fial'; did you mean 'fails'?",
        "F.toml:14: scripts[0].cuts.at: at must be an integer, not '3'",
        "F.toml:14: scripts[0].cuts.by: unknown value of by 'rest'; did you mean 'reset'?",
        "F.toml:19: scripts[1].when.n: n must be an integer, not '2'",
        "F.toml:20: scripts[1].times: times must be an integer of at least 1, not 0",
        "F.toml:22: scripts[1].pads.too: unknown key of pads 'too'; did you mean 'to'?",
    ]
    found = problems_of(BAD)
    assert [line[: len(start)] for line, start in zip(found, expected, strict=True)] == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = ", "F.toml:1: not TOML: Invalid value"),
        ("[settings]\nslots = 1\nslots = 2\n", "F.toml:3: not TOML: Cannot overwrite a value"),
        ("[settings]\nslots = [1,\n", "F.toml:3: not TOML: Invalid value"),
        ("x = " + "[" * 5_000, "F.toml: not TOML: nested too deeply"),
        ("settings = 3", "F.toml:1: settings: settings must be a table, not 3"),
        ("scripts = {}", "F.toml:1: scripts: scripts must be a list, not a table"),
        ("scripts = [\n3]", "F.toml:2: scripts[0]: a script must be a table, not 3"),
        ("[settings]\nseed = 1979-05-27", "F.toml:2: settings.seed: seed must be an integer, not datetime"),
        ("[settings]\nslots = true", "F.toml:2: settings.slots: slots must be an integer, not true"),
        ("[settings]\nkeys = [\n 'a',\n 5]", "F.toml:4: settings.keys[1]: keys[1] must be a string"),
        ("[[scripts]]\nnext = true", "F.toml:1: scripts[0]: the script has no outcome and so no effect"),
    ],
)
def test_one_error(text: str, message: str) -> None:
    (found,) = problems_of(text)
    assert found.startswith(message)


@pytest.mark.parametrize(
    "line", ["keys = 'sk-secret'", "control_token = ['sk-secret']", "webhook_secret = 'sk-secret'"]
)
def test_a_secret_is_not_shown(line: str) -> None:
    (found,) = problems_of(f"[settings]\n{line}\n")
    assert "sk-secret" not in found
    assert line.partition(" ")[0] in found


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "F.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ScenarioError, match=r"F\.toml: not UTF-8: byte 0 is 0xff"):
        read_scenario(path)
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode().replace(b"\n", b"\r\n"))
    assert read_scenario(path).scripts[1].rule.written_at == f"{path}:11"


# -- lines

TEXTS = [
    GOOD,
    """# a = 1\n"a b".c = 1\n'd' = {e.f = [1, 2.5], g = "}"}\n\n[h.i]\nj = 1979-05-27 07:32:00\n""",
    '''a = """\n[b]\nc = 1"""\nd = \'\'\'\n"x" = 2\n\'\'\'\n[e]\nf = "\\"]"\n''',
    "[[a]]\nb = 1\n[[a.c]]\nd = 1\n[[a.c]]\nd = 2\n[a.e]\nf = 1\n[[a]]\n[[a.c]]\nd = 3\n",
    "a = [\n  {b = 1},  # ]\n\n  {b = [\n 1,\n 2 ] },\n]\nc = inf",
    "[a]\r\nb = 1\r\n",
    '"\\u00e9" = 1\n"" = {"[x]" = 2}\n',
    "",
]


def leaves(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of all keys and items."""
    if path:
        yield path
    pairs: Any = (
        value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
    )
    for key, each in pairs:
        yield from leaves(each, (*path, str(key)))


@pytest.mark.parametrize("text", TEXTS)
def test_every_key_has_the_line_on_which_it_is_written(text: str) -> None:
    """The keys are those of `tomllib`, and each is in the text of its line."""
    lines = lines_of(text)
    paths = list(leaves(tomllib.loads(text)))
    assert set(lines) == set(paths)
    for path in paths:
        if not path[-1].isdigit() and path[-1].isascii():
            assert path[-1] in text.splitlines()[lines[path] - 1]


def test_a_key_of_a_multi_line_list_has_its_own_line() -> None:
    lines = lines_of(TEXTS[4])
    assert [lines["a", "1"], lines["a", "1", "b"], lines["a", "1", "b", "1"]] == [4, 4, 6]
    assert nearest_line(lines, ("a", "1", "z", "y")) == 4
    assert nearest_line(lines, ("z",)) is None


# -- the command


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(["check", *words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_check(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text(GOOD)
    bad.write_text("[settings]\nslot = 3\n[[scripts]]\nnext = true\ngarbles = 'jsn'\n")
    assert run(capsys, str(good)) == (0, f"{good}: no errors; 2 scripts, 4 settings\n", "")
    status, out, error = run(capsys, str(good), str(bad))
    assert (status, error) == (1, "help: kling-mock help scenario-file\n")
    assert f"{bad}:2: settings.slot: unknown key of settings 'slot'; did you mean 'slots'" in out
    assert "  accepted: keys, pace, seed, " in out
    assert "  accepted: json, utf8, type, html, null, empty\n" in out
    status, out, error = run(capsys, "--json", str(bad))
    _, problem = json.loads(out)["problems"]
    assert (status, error) == (1, "")
    assert problem == {
        "line": 5,
        "key": "scripts[0].garbles",
        "pointer": "/scripts/0/garbles",
        "message": "unknown value of garbles 'jsn'; did you mean 'json'?",
        "accepted": ["json", "utf8", "type", "html", "null", "empty"],
        "nearest": ["json"],
    }


def test_wrong_usage_of_check(capsys: pytest.CaptureFixture[str]) -> None:
    link = "\nhelp: kling-mock help "
    assert run(capsys) == (2, "", f"kling-mock: check: give at least one FILE, or --schema{link}options\n")
    assert run(capsys, "--schema", "F.toml")[0] == 2
    status, _, error = run(capsys, "absent.toml")
    assert (status, error) == (1, f"kling-mock: absent.toml: No such file or directory{link}file\n")


def test_the_schema_accepts_files_without_errors_and_no_others(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "--schema")
    schema = json.loads(out)
    assert status == 0
    assert schema == scenario_schema()
    Draft7Validator.check_schema(schema)
    validator = Draft7Validator(schema)
    assert validator.is_valid(tomllib.loads(GOOD))
    assert not validator.is_valid(tomllib.loads(BAD))
    for text in ("x = 1", "[settings]\nslot = 3", "[settings]\nslots = '3'", "[[scripts]]\nfails = 'no'"):
        assert not validator.is_valid(tomllib.loads(text))


def test_the_schema_accepts_the_default_of_every_setting() -> None:
    properties = scenario_schema()["properties"]["settings"]["properties"]
    for name, default in {
        "pace": "polls:2",
        "keys": [],
        "callback_retries": [1, 10.5],
        "slots": None,
    }.items():
        assert Draft7Validator(properties[name]).is_valid(default)
