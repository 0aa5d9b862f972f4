"""Loading a scenario file into a fake: precedence, loading it again, errors, and changes of settings."""

from __future__ import annotations

import asyncio
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from kling_mock import Fake, ManualClock, Pace, Request, cli, serve_command
from kling_mock.control import NewRule
from kling_mock.documents import read_script, script_document
from kling_mock.scenarios import scenario_reload
from kling_mock.scenarios.scenario_file import ScenarioError
from kling_mock.scenarios.scenario_reload import ScenarioReload
from kling_mock.testing.unused_scripts import UnusedScripts
from tests.kling_mock.conftest import PATH
from tests.kling_mock.stores.state_files import MEMORY

if TYPE_CHECKING:
    from pathlib import Path

CATS = '[[scripts]]\nwhen = {prompt = "cat"}\nfails = "a cat"\n'
DOGS = '[[scripts]]\nwhen = {prompt = "dog"}\nfails = "a dog"\ntimes = 2\n'
NEXT = '[[scripts]]\nnext = true\nfails = "the next"\nlasting = 60\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "F.toml"


def create(fake: Fake, prompt: str) -> None:
    subjects = '[{"subject_image": "https://a.test/1.png"}, {"subject_image": "https://a.test/2.png"}]'
    body = f'{{"subject_image_list": {subjects}, "prompt": "{prompt}"}}'.encode()
    assert (
        fake.handle(Request("POST", PATH, headers=(("authorization", "Bearer sk-mock"),), body=body)).status
        == 200
    )


def documents(fake: Fake) -> list[object]:
    return [script_document(rule) for rule in fake.scripts]


def test_a_file_has_settings_and_scripts_in_the_order_of_their_precedence(path: Path) -> None:
    path.write_text("[settings]\npace = 'instant'\n" + CATS + DOGS)
    fake = Fake()
    report = fake.load(path)
    assert (report.added, report.settings, fake.settings.pace) == (2, ("pace",), Pace.instant())
    create(fake, "cat")
    assert fake.task.failure == "a cat"
    assert str(report) == "scripts: 2 added, 0 kept, 0 dropped; settings changed: pace"


def test_a_file_loaded_again_keeps_tasks_and_the_uses_of_unchanged_scripts(path: Path) -> None:
    path.write_text(CATS + DOGS)
    fake = Fake()
    fake.load(path)
    create(fake, "dog")
    path.write_text(NEXT + CATS.replace("a cat", "no cat") + DOGS)
    assert str(fake.load(path)) == "scripts: 2 added, 1 kept, 1 dropped"
    assert [rule.uses_left for rule in fake.scripts] == [1, None, 1]
    assert [fake.script_uses[rule.id] for rule in fake.scripts] == [0, 0, 1]
    assert len(fake.tasks) == 1
    path.write_text("")
    assert fake.load(path).dropped == 3
    assert not fake.scripts
    assert not fake.load(path).changed


@pytest.mark.parametrize("pages", [[CATS + DOGS, DOGS + CATS], [CATS + NEXT, CATS + DOGS + NEXT]])
def test_the_end_of_a_script_stays_when_its_number_changes(path: Path, pages: list[str]) -> None:
    fake = Fake(clock=ManualClock())
    ends: list[set[object]] = []
    for page in pages:
        path.write_text(page)
        fake.load(path)
        ends.append({rule.until for rule in fake.scripts})
        fake.clock.advance(10)
    assert ends[0] == ends[1]


@profile(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.sampled_from("abcde"), max_size=5), min_size=1, max_size=5))
def test_after_every_change_the_scripts_are_those_of_the_file_in_its_order(path: Path, versions: Any) -> None:
    """Property: the rules are those of a fake that loads the file for the first time, with their uses."""
    fake = Fake()
    for version in versions:
        path.write_text(
            "".join(f'[[scripts]]\nwhen = {{prompt = "{each}"}}\nfails = "{each}"\n' for each in version)
        )
        fake.load(path)
        first = Fake()
        first.load(path)
        assert documents(fake) == documents(first)
        for each in dict.fromkeys(version):
            create(fake, each)
        used = {rule.criteria["prompt"]: fake.script_uses[rule.id] for rule in fake.scripts if rule.criteria}
        assert set(used) == set(version)
        assert all(used.values())


def test_settings_of_the_file_replace_defaults_and_are_replaced_by_arguments(path: Path) -> None:
    path.write_text("[settings]\nslots = 3\nbalance = 160\n")
    fake = Fake(slots=1)
    fake.load(path, balance=16)
    assert (fake.settings.slots, fake.settings.balance) == (3, 16)
    fake.change_settings(slots=5, pace="instant")
    assert fake.load(path).settings == ("pace", "slots", "balance")
    assert (fake.settings.slots, fake.settings.balance) == (3, 160)
    path.write_text("")
    fake.load(path)
    assert (fake.settings.slots, fake.settings.balance) == (1, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[settings]\nslots = 2\nseed = 7\n",
            "F.toml:3: settings.seed: seed cannot change while it runs: ",
        ),
        (
            "[settings]\nslots = 2\nkeys = ['a']\n",
            "F.toml:3: settings.keys: keys cannot change while it runs: ",
        ),
        ("[settings]\nslots = 2\n" + CATS + "x = 1", "F.toml:6: scripts[0].x: unknown key 'x'"),
        ("[settings]\nslots = 2\nslots = 3\n", "F.toml:3: not TOML: "),
    ],
)
def test_a_file_with_errors_changes_nothing(path: Path, text: str, message: str) -> None:
    fake = Fake()
    path.write_text(CATS)
    fake.load(path)
    before = documents(fake)
    path.write_text(text)
    with pytest.raises(ScenarioError) as raised:
        fake.load(path)
    assert message in str(raised.value)
    assert documents(fake) == before
    assert fake.settings.slots is None


def test_scripts_of_a_file_must_be_used_unless_they_are_optional(path: Path) -> None:
    path.write_text(CATS + "optional = true\n" + DOGS)
    fake = Fake()
    fake.load(path)
    with pytest.raises(UnusedScripts, match=r"(?s)1 script had no effect.*F\.toml:5.*a dog"):
        fake.check()


def test_a_reset_drops_the_scripts_until_the_file_is_loaded_again(path: Path) -> None:
    path.write_text(CATS)
    fake = Fake()
    fake.load(path)
    fake.reset()
    assert not fake.scripts
    assert fake.load(path).added == 1


def test_saved_state_has_the_scripts_of_the_file_once(path: Path) -> None:
    """After a restart of a server with a state file unchanged scripts keep their uses."""
    path.write_text(CATS + DOGS)
    with TemporaryDirectory(dir=MEMORY) as folder:
        with Fake(state=f"{folder}/state.db") as fake:
            fake.load(path)
            create(fake, "dog")
            fake.next.fails("not of the file")
            path.write_text(NEXT + DOGS)
            assert str(fake.load(path)) == "scripts: 1 added, 1 kept, 1 dropped"
        with Fake(state=f"{folder}/state.db") as fake:
            assert [rule.uses_left for rule in fake.scripts] == [1, 1, 1]
            path.write_text(DOGS)
            assert str(fake.load(path)) == "scripts: 0 added, 1 kept, 1 dropped"
            assert [rule.uses_left for rule in fake.scripts] == [1, 1]


# -- changes of rules


def test_dropping_an_unknown_script_is_an_error() -> None:
    fake = Fake()
    rule = read_script({"next": True, "fails": "no"})
    (added,) = fake.change_scripts(add=[NewRule(rule)])
    with pytest.raises(LookupError, match="script 7: does not exist"):
        fake.change_scripts(drop=[added.id, 7])
    assert len(fake.scripts) == 1
    assert not fake.change_scripts(drop=[added.id])
    assert not fake.scripts
    fake.check()


# -- live reload


class Log:
    """The lines that a reload reports."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.problems: list[str] = []

    def check(self, reload: ScenarioReload) -> tuple[list[str], list[str]]:
        self.notes.clear()
        self.problems.clear()
        reload.check(self.notes.append, self.problems.append)
        return self.notes, self.problems


def test_a_changed_file_is_loaded_and_a_broken_one_reported_once(path: Path) -> None:
    path.write_text(CATS)
    fake = Fake()
    fake.load(path, slots=7)
    reload, log = ScenarioReload(fake, path, {"slots": 7}), Log()
    assert log.check(reload) == ([], [])
    path.write_text(CATS + DOGS + "[settings]\nslots = 3\nbalance = 160\n")
    notes, problems = log.check(reload)
    assert notes == [f"{path} loaded again; scripts: 1 added, 1 kept, 0 dropped; settings changed: balance"]
    assert (problems, fake.settings.slots) == ([], 7)
    path.write_text("[[scripts")
    notes, (problem,) = log.check(reload)
    assert problem.startswith(
        f"scenario not loaded, the last one without errors stays in effect:\n{path}:1: not TOML"
    )
    assert problem.endswith("\nhelp: kling-mock help scenario-file")
    assert log.check(reload) == ([], [])
    assert len(fake.scripts) == 2
    path.unlink()
    assert log.check(reload)[1][0].endswith(
        f"\n{path}: No such file or directory\nhelp: kling-mock help file"
    )
    assert log.check(reload) == ([], [])
    path.write_text(CATS)
    assert "1 kept, 1 dropped" in log.check(reload)[0][0]
    path.write_text("[[scripts")
    assert log.check(reload)[1]
    path.write_text(CATS)  # as before the error, which is over
    assert "0 added, 1 kept, 0 dropped" in log.check(reload)[0][0]
    path.touch()
    assert log.check(reload) == ([], [])


def test_the_server_checks_the_file_again_and_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenario_reload, "INTERVAL", 0.0)
    path.write_text(CATS)
    fake, notes = Fake(), list[str]()

    async def run() -> None:
        task = asyncio.create_task(ScenarioReload(fake, path, {}).run(notes.append, pytest.fail))
        for text in (DOGS, CATS):
            path.write_text(text)  # noqa: ASYNC240 -- nothing else is running
            for _ in range(10):
                await asyncio.sleep(0)
        task.cancel()

    asyncio.run(run())
    assert [note.partition("; ")[2] for note in notes] == [
        "scripts: 1 added, 0 kept, 0 dropped",
        "scripts: 1 added, 0 kept, 1 dropped",
    ]


# -- kling-mock serve --scenario


def served(path: Path, *flags: str) -> Fake:
    return serve_command.make_fake(cli._parser().parse_args(["serve", "--scenario", str(path), *flags]))[0]


def test_flags_win_over_the_file_and_the_file_over_the_defaults(path: Path) -> None:
    path.write_text("[settings]\npace = 'polls:3'\nslots = 3\nretention_days = 1\n" + CATS)
    fake = served(path, "--slots", "4")
    settings = fake.settings
    assert (settings.pace, settings.slots, settings.retention_days) == (Pace.polls(3), 4, 1)
    assert settings.keys == ("sk-mock", "sk-mock-*")
    assert len(fake.scripts) == 1


def test_errors_of_flags_and_of_the_file_name_their_place(path: Path) -> None:
    path.write_text("[settings]\nslots = -1\n")
    with pytest.raises(ValueError, match=r"^--slots must be 0 or more"):
        served(path, "--slots", "-1")
    with pytest.raises(ScenarioError, match=r"F\.toml:2: settings\.slots: slots must be 0 or more"):
        served(path)


def test_serve_lists_all_errors_of_a_file_on_lines_of_their_own(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_text("[settings]\nslot = 3\n[[scripts]]\nnext = 1\n")
    assert cli.main(["serve", "--scenario", str(path)]) == 2
    first, second, link = capsys.readouterr().err.splitlines()
    assert first.startswith(f"kling-mock: {path}:2: settings.slot: unknown key")
    assert second == f"{path}:4: scripts[0].next: next must be true, not 1"
    assert link == "help: kling-mock help scenario-file"
    path.unlink()
    assert cli.main(["serve", "--scenario", str(path)]) == 1
    message = capsys.readouterr().err.partition("\n")[0]
    assert message == f"kling-mock: {path}: No such file or directory"
