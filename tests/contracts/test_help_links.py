"""Every message has an entry on the page Troubleshooting: exceptions by their class, others by their text."""

from __future__ import annotations

import ast
import builtins
import pickle
import re
import traceback
from collections.abc import Iterator, Mapping
from email.message import Message
from importlib import metadata
from pathlib import Path

import pytest

from kling_client.config import configure
from kling_client.errors import ConfigError, TransportError, WaitTimeout
from kling_client.snapshot import TaskSnapshot
from kling_contracts import help_links
from kling_contracts.explained_error import ExplainedError
from kling_contracts.help_links import COMMAND, ENTRIES, entry_of, help_for, help_line, kinds_of
from kling_mock import Fake
from kling_mock.stores import StateNotKept
from tests.import_graph import PACKAGES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
# Exceptions whose messages users do not see as such, with the form in which they appear.
INSIDE = {
    "ExplainedError": "one of its subclasses",
    "KlingError": "one of its subclasses",
    "BadDeviations": "UsageError of kling-contracts",
    "BadRequest": "a response of the imitated service",
    "Broken": "a finding of the client suite",
    "Busy": "a result of the verifier",
    "CallTimedOut": "TransportError",
    "Inconclusive": "a result of the client suite",
    "MalformedMessage": "UnexpectedReply",
    "NoResponse": "an attempt to deliver a callback",
    "NotAllowed": "the journal",
    "NotFetched": "the journal",
    "OutOfTime": "a result of the verifier or of the client suite",
    "OverBudget": "a result of the verifier",
    "_Broken": "DownloadError",
}


def exceptions(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """The classes of exceptions that these modules define, with the names of all their bases."""
    bases = {
        node.name: {each.id for each in node.bases if isinstance(each, ast.Name)}
        for text in sources.values()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef)
    }

    def ancestors(name: str) -> set[str]:
        found = bases.get(name, set[str]())
        kind = getattr(builtins, name, None)
        known = {each.__name__ for each in kind.__mro__} if isinstance(kind, type) else set[str]()
        return {name, *known}.union(*map(ancestors, found))

    return {name: ancestors(name) for name in bases if "BaseException" in ancestors(name)}


def sources() -> dict[str, str]:
    files = (path for folder in PACKAGES.values() for path in folder.rglob("*.py"))
    return {str(path): path.read_text(encoding="utf-8") for path in files}


def without_entry(kinds: Mapping[str, set[str]]) -> list[str]:
    """Classes of exceptions without an entry of their own or of a base; those of Python are not enough."""
    entries = {kind for entry in ENTRIES for kind in entry.kinds if not hasattr(builtins, kind)}
    return sorted(name for name, bases in kinds.items() if entries.isdisjoint(bases))


def test_every_exception_has_an_entry() -> None:
    kinds = exceptions(sources())
    assert len(kinds) > 40
    assert without_entry(kinds) == sorted(INSIDE)


def test_an_exception_without_entry_is_found() -> None:
    """Counterexample: a new class, beside one with an entry through its base."""
    text = "class New(ValueError): ...\nclass Key(AuthError): ...\nclass AuthError(Exception): ...\n"
    assert without_entry(exceptions({"module.py": text})) == ["New"]


def strings(text: str) -> Iterator[str]:
    """The literal texts of a module; fields of f-strings are left out."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(each.value) for each in node.values if isinstance(each, ast.Constant))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_every_pattern_is_that_of_a_message() -> None:
    """No entry is about a text that is printed nowhere."""
    own = str(ROOT / "contracts" / "kling_contracts" / "help_links.py")
    texts = [each for path, text in sources().items() if path != own for each in strings(text)]
    for entry in ENTRIES:
        assert any(re.search(entry.pattern, each) for each in texts), entry


def test_the_page_has_each_entry_once() -> None:
    shown = re.findall(r'<a id="([\w-]+)"></a>', TEXT)
    assert sorted(shown) == sorted({entry.anchor for entry in ENTRIES})


@pytest.mark.parametrize(
    ("kinds", "text", "anchor"),
    [
        (["UsageError"], "no key: set --api-key, or COMETAPI_KEY in the environment", "verify-key"),
        (["Unreachable"], "http://x: the key is refused: 401", "verify-key"),
        (["Unreachable"], "http://x: no answer: ConnectError", "no-answer"),
        (["ValueError"], "check: give at least one FILE, or --schema", "options"),
        (["ValueError"], "help: unknown topic 'x'; did you mean 'y'?", "options"),
        (["UsageError"], "--record x: cannot be written: No such file", "report-file"),
        (["UsageError"], "--known x: unknown check 'y'", "known-deviations"),
        (["UsageError"], "--max-images: must be 0 or more; got -1", "verify-options"),
        (["pytest.UsageError"], "kling: unknown setting 'pase'", "fixture-options"),
        (["kling-contracts"], "an internal error occurred", "internal-error"),
        (["ValueError"], "--state: Redis does not answer", "redis"),
        (["ValueError"], "slots must be an integer or none, not 'x'", "setting"),
        (["StateNotKept", "RuntimeError"], "the disk is full", "state"),
        (["OSError"], "x: No such file or directory", "file"),
        (["WaitTimeout", "KlingError", "TimeoutError", "OSError"], "has not finished", "deadline"),
        (["UnreadableReceipt", "SubmitUncertain", "UnexpectedReply"], "HTTP 200", "uncertain"),
        (["409", "Problem"], "the task has ended", "control-state"),
        (["422", "Problem"], "n: null is not a value", "control-request"),
        (["pytest.UsageError"], "an option of another plugin", None),
        (["AttributeError"], "x", None),
    ],
)
def test_the_entry_of_a_message(kinds: list[str], text: str, anchor: str | None) -> None:
    entry = entry_of(kinds, text)
    assert (entry and entry.anchor) == anchor
    assert help_line(kinds, text) == (f"help: {COMMAND} {anchor}" if anchor else "")


def test_the_cause_of_an_error_names_the_subject() -> None:
    """An error in another form keeps its entry; a timeout is about the deadline, not about its last poll."""
    error = ValueError("x")
    error.__cause__ = StateNotKept("the disk is full")
    assert entry_of(kinds_of(error), str(error)) == entry_of(["StateNotKept"], "")
    timeout = WaitTimeout(TaskSnapshot(id="1"), 2.0)
    timeout.__cause__ = TransportError("refused; no server listens there")
    assert help_for(timeout) == f"help: {COMMAND} deadline"


def test_a_traceback_ends_with_the_help_of_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a note, which is not part of the message; further notes follow it, also in a copy."""
    with pytest.raises(ConfigError, match=r"or pass a key$"):  # compares notes, too; a test has none
        configure(api_key="")
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    with pytest.raises(ConfigError) as caught:
        configure(api_key="")
    error = caught.value
    assert "_notes" not in vars(error)  # found only when the traceback is formatted
    assert "help:" not in str(error)
    copied = pickle.loads(pickle.dumps(error))
    for each in error, copied:
        each.add_note("a note of the user")
        assert traceback.format_exception_only(each)[1:] == [
            f"help: {COMMAND} arguments\n",
            "a note of the user\n",
        ]
    error.__notes__ = ["replaced"]
    assert traceback.format_exception_only(error)[1:] == ["replaced\n"]
    assert traceback.format_exception_only(ExplainedError("x"))[1:] == []


def test_every_exception_for_users_explains_itself() -> None:
    """Those with an entry, apart from warnings, and those that become a message or a response."""
    kinds = exceptions(sources())
    entries = {kind for entry in ENTRIES for kind in entry.kinds}
    plain = {name for name in entries & kinds.keys() if "ExplainedError" not in kinds[name]}
    assert plain == {"Problem", "RealSleepWarning", "UnusedScriptWarning", "UsageError"}


def test_a_wrong_setting_names_its_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"or held\[:STATE\]$"):
        Fake(pace="x")
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    with pytest.raises(ValueError, match="pace 'x'") as caught:
        Fake(pace="x")
    assert caught.value.__notes__ == [f"help: {COMMAND} setting"]


def test_errors_of_other_packages_have_no_link() -> None:
    """A ValueError of the code under test is not about our settings."""
    assert help_for(ValueError("slots must be an integer")) == ""
    assert help_for(OSError("x")) == ""


def test_the_site_of_the_metadata_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    described = Message()
    described["Project-URL"] = "Source, https://example.com/source"
    described["Project-URL"] = "Documentation, https://example.com/docs/"
    monkeypatch.setattr(metadata, "metadata", lambda _: described)
    assert help_links._before_anchor.__wrapped__() == "https://example.com/docs/troubleshooting.html#"
