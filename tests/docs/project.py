"""The project of a page: the files that its blocks show, and the tests in them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

import pytest

from tests.docs.commands import hide_django
from tests.docs.pages import Block, Page
from tests.profiles import IN_STORAGE

# The coverage phase of Schemathesis sends hundreds of requests. `make schemathesis` runs it for the
# page as well; `make test` runs it in tests/together/test_schemathesis.py.
WITHOUT_COVERAGE = (
    ("", "")
    if "SCHEMATHESIS_EXAMPLES" in os.environ
    else (
        '"generation": {"max-examples": 3}',
        '"generation": {"max-examples": 3}, "phases": {"coverage": {"enabled": False}}',
    )
)

_FILE = re.compile(r"(?:#|//|<!--) ([\w/.-]+\.\w+)(?: -->)?\n")
# Other plugins happen to be installed here: a reader's project has none of them.
_OPTIONS = ("-q", "-W", "error", "-p", "no:cacheprovider", "--disable-plugin-autoload", "-p", "kling_mock")

# Plugins whose fixtures or functions a page uses, by a word of the page.
_PLUGINS = {"import schemathesis": "schemathesis", "httpx_mock": "pytest_httpx"}


def is_named(block: Block) -> bool:
    """Whether the first line of a block is the name of its file."""
    return _FILE.match(block.text) is not None


@dataclass
class Project:
    """A folder with the files of one page. Tests and programs in it run with `variables`."""

    page: Page
    pytester: pytest.Pytester
    variables: dict[str, str] = field(default_factory=dict[str, str])
    test_files: list[str] = field(default_factory=list[str])
    passed: set[str] = field(default_factory=set[str])

    def write_python(self, block: Block) -> None:
        """Tests without a file name go on in the file of those before them."""
        named = _FILE.match(block.text)
        name = named[1] if named else self.test_files[-1] if self.test_files else "test_page.py"
        file = self.pytester.path / name
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        text = block.text.replace(*WITHOUT_COVERAGE)
        gap = "\n" * (block.line - 1 - before.count("\n"))
        file.write_text(before + gap + text, encoding="utf-8")
        if name.startswith("test_") and name not in self.test_files:
            self.test_files.append(name)

    def write_ini(self, block: Block) -> None:
        (self.pytester.path / "pytest.ini").write_text(block.text, encoding="utf-8")

    def write_named(self, block: Block) -> None:
        named = _FILE.match(block.text)
        assert named is not None, (
            f"{self.page.name}, line {block.line}: a file needs its name in the first line"
        )
        file = self.pytester.path / named[1]
        file.parent.mkdir(exist_ok=True)
        file.write_text(block.text, encoding="utf-8")

    def run_tests(self) -> None:
        """Run the tests that no `pytest` of the page has run and passed."""
        if files := [name for name in self.test_files if name not in self.passed]:
            run = self._run(files)
            assert run.ret == 0, run.stdout.str()

    def run_pytest(self, arguments: list[str]) -> str:
        """The output of the tests written so far, which may fail, since it is compared."""
        run = self._run(arguments)
        assert run.ret in (0, 1), run.stdout.str()
        if run.ret == 0 and "-k" not in arguments:
            named = {word for word in arguments if word.endswith(".py")}
            self.passed |= named or set(self.test_files)
        return run.stdout.str()

    def _run(self, arguments: list[str]) -> pytest.RunResult:
        options = (*_OPTIONS, *(f"-p{name}" for word, name in _PLUGINS.items() if word in self.page.text))
        alone = "import schemathesis" in self.page.text  # its hooks exist once in a process
        run = self.pytester.runpytest_subprocess if alone else self.pytester.runpytest_inprocess
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (self.variables | (IN_STORAGE if alone else {})).items():
                patch.setenv(name, value)
            if "import django" in self.page.text:
                hide_django(patch)
            return run(*options, *(word for word in arguments if word != "-q"))
