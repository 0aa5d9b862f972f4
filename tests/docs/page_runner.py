"""Runs the blocks of a page from top to bottom, as a reader would.

The Python blocks share one namespace, and output is compared with that of the block before. The command
`kling-mock serve` starts a server on a free port, for the curl and JavaScript blocks after it. Files are
written into one project, whose tests run at the end.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import textwrap
from collections.abc import Callable
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import pytest

from kling_client import cli as client_cli
from kling_contracts import cli as contracts_cli
from kling_contracts import vocabulary
from kling_contracts.vocabulary import API_KEY_VARIABLE, BASE_URL_VARIABLE, SECOND_API_KEY_VARIABLE
from kling_mock import cli as mock_cli
from kling_mock import serve_command
from tests.docs.ci_files import check_ci
from tests.docs.commands import (
    check_requirements,
    commands_in,
    output_of,
    output_of_curl,
    require_chromium,
    run_tool,
    with_redis,
)
from tests.docs.compose import check_compose
from tests.docs.pages import Block, Page, fits, fits_text
from tests.docs.project import Project, is_named

SHOWN_URL = "http://127.0.0.1:8000"
MAINS: dict[str, Callable[[list[str]], int]] = {
    "kling-mock": mock_cli.main,
    "kling-contracts": contracts_cli.main,
    "kling-client": client_cli.main,
}
VARIABLES = {value for name, value in vars(vocabulary).items() if name.endswith("_VARIABLE")}

_COMMENT = re.compile(r"^<!-- run: with (\w+)(\(.*\))? -->$", re.MULTILINE)


@dataclass
class PageRunner:
    """Runs the blocks of one page."""

    page: Page
    request: pytest.FixtureRequest
    pytester: pytest.Pytester
    stack: ExitStack
    namespace: dict[str, Any] = field(default_factory=dict[str, Any])
    output: str | None = None
    url: str | None = None
    task: str = ""
    not_run: dict[str, list[int]] = field(default_factory=dict[str, list[int]])

    def __post_init__(self) -> None:
        self.project = Project(self.page, self.pytester)

    def run(self) -> None:
        """Run every block in order, then the tests of the project."""
        if "from playwright" in self.page.text:
            require_chromium()
        self._take_fixture()
        for block in self.page.blocks:
            self.run_block(block)
        self.project.run_tests()
        if self.not_run:
            left_out = (f"{tool} is not installed: lines {lines}" for tool, lines in self.not_run.items())
            pytest.skip(f"{'; '.join(left_out)} were not run, all else was")

    def run_block(self, block: Block) -> None:
        runs: dict[str, Callable[[Block], None]] = {
            "python": self._python,
            "sh": self._shell,
            "javascript": self._javascript,
            "typescript": self._typescript,
            "java": self.project.write_named,
            "html": self.project.write_named,
            "console": self._console,
            "json": self._json,
            "text": self._text,
            "ini": self.project.write_ini,
            "toml": self.project.write_named,
            "yaml": self._yaml,
        }
        if block.language not in runs:
            pytest.fail(f"{self.page.name}, line {block.line}: cannot run {block.language!r}")
        runs[block.language](block)

    def _take_fixture(self) -> None:
        comment = _COMMENT.search(self.page.text)
        if comment is None:
            return
        call = ast.parse(f"f{comment[2] or '()'}", mode="eval").body
        assert isinstance(call, ast.Call)
        switches = {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
        self.request.node.add_marker(pytest.mark.kling(**switches))
        self.namespace[comment[1]] = self.request.getfixturevalue(comment[1])

    def _python(self, block: Block) -> None:
        if is_named(block) or "def test_" in block.text:
            self.project.write_python(block)
            return
        with redirect_stdout(StringIO()) as printed:
            exec(compile(with_redis(block.placed), self.page.name, "exec"), self.namespace)
        self.output = printed.getvalue()

    def _yaml(self, block: Block) -> None:
        """A compose file, or that of a CI service, which is not run: the mock has these options."""
        if "\nservices:\n" in f"\n{block.text}":
            check_compose(block.text)
        else:
            check_ci(block.text)

    def _typescript(self, block: Block) -> None:
        """A configuration, which is not run: the mock has these options."""
        for command in re.findall(r'"(kling-mock .*?)"', block.text):
            mock_cli._parser().parse_args(command.split()[1:])

    # -- shells

    def _shell(self, block: Block) -> None:
        commands = list(commands_in(block.text))
        for number, words in enumerate(commands, 1):
            # A line that is pasted after it would be sent before the server answers.
            last = number == len(commands) and words[-1] != "&"
            assert last or "mock serve " not in f"{' '.join(words)} ", (
                f"{self.page.name}, line {block.line}: a server is the last line of its block, without '&'"
            )
            rest = words[1:] if words[:1] == ["export"] else words
            while rest and re.match(r"[A-Z_]+=", rest[0]):
                self._export(rest.pop(0))
            if rest and not re.fullmatch(r"task=\d+", rest[0]):
                self._command(rest, block.line)

    def _command(self, words: list[str], line: int) -> None:
        tools = {"kling-contracts": self._contracts, "kling-client": self._client, "pytest": self._pytest}
        match words:
            case ["pip", "install", *requirements]:
                check_requirements(*requirements)
            case ["docker", "compose", *_]:
                pass
            case ["node" | "java", *_]:
                self._tool(words, line)
            case ["kling-mock", "serve" | "check" | "doctor" | "export" | "help" | "import", *_]:
                self._mock(words[1:])
            case ["curl", *_]:
                self._curl(words)
            case [tool, *arguments] if tool in tools:
                tools[tool](arguments)
            case _:
                pytest.fail(f"{self.page.name}, line {line}: cannot run {shlex.join(words)!r}")

    def _export(self, assignment: str) -> None:
        """Set a variable of the commands of this page that run tests or other languages."""
        name, _, value = assignment.partition("=")
        assert name in VARIABLES, f"{self.page.name}: unknown variable {name}"
        self.project.variables[name] = value.replace(SHOWN_URL, self.url or SHOWN_URL)

    def _mock(self, arguments: list[str]) -> None:
        """Run a command that ends; export or import; or serve with these flags on a free port."""
        if arguments[0] in ("check", "doctor", "help"):
            self.output = output_of(mock_cli.main, arguments, {}, statuses=(0, 1))
            return
        if arguments[0] in ("export", "import"):
            assert self.url is not None, "an export needs a `kling-mock serve` before it"
            self.output = output_of(mock_cli.main, [*arguments, "--url", self.url], {})
            return
        options = mock_cli._parser().parse_args([with_redis(word) for word in arguments])
        assert f"http://127.0.0.1:{options.port}" == SHOWN_URL, "the examples are written for this address"
        fake, _ = serve_command.make_fake(options)
        self.url = self.stack.enter_context(fake.serve()).url
        self.namespace["served"] = fake

    def _contracts(self, arguments: list[str]) -> None:
        """Run the command against the server of this page. It must succeed."""
        here = [word.replace(SHOWN_URL, self.url or SHOWN_URL) for word in arguments]
        if ">" in here:
            here = here[: here.index(">")]
        variables = {API_KEY_VARIABLE: "sk-mock", SECOND_API_KEY_VARIABLE: "sk-mock-2"}
        self.output = output_of(contracts_cli.main, here, variables)

    def _client(self, arguments: list[str]) -> None:
        """Run the command against the server of this page."""
        assert self.url is not None, "a kling-client block needs a `kling-mock serve` before it"
        here = [self.task if word == "$task" else word for word in arguments]
        variables = {API_KEY_VARIABLE: "sk-mock", BASE_URL_VARIABLE: self.url}
        self._keep(output_of(client_cli.main, here, variables))

    def _keep(self, output: str) -> None:
        """Keep an output to be compared, and the task id in it."""
        self.output = output
        found = re.search(r'"?task(?:_id)?"?[: ]"?(\d+)', output)
        self.task = found[1] if found else self.task

    def _pytest(self, arguments: list[str]) -> None:
        self.output = self.project.run_pytest(arguments)

    def _curl(self, words: list[str]) -> None:
        """Send the request of curl to the server of this page."""
        assert self.url is not None, "a curl block needs a `kling-mock serve` before it"
        (shown,) = (word for word in words if word.startswith("http"))
        assert shown.startswith(SHOWN_URL)
        url = self.url + shown.removeprefix(SHOWN_URL).replace("$task", self.task)
        self._keep(output_of_curl(words, url))

    def _console(self, block: Block) -> None:
        """A command with `--help`: the block is its output, where `…` stands for any text."""
        prompt, _, shown = block.text.partition("\n")
        match shlex.split(prompt):
            case ["$", program, *arguments, "--help"] if program in MAINS:
                with redirect_stdout(StringIO()) as printed, pytest.raises(SystemExit):
                    MAINS[program]([*arguments, "--help"])
            case _:
                pytest.fail(f"{self.page.name}, line {block.line}: only --help can be compared")
        # Versions of Python break the lines of a usage differently.
        assert fits_text(" ".join(shown.split()), " ".join(printed.getvalue().split()))

    def _javascript(self, block: Block) -> None:
        if is_named(block):
            self.project.write_named(block)
            return
        assert self.url is not None, "a JavaScript block needs a `kling-mock serve` before it"
        script = block.text.replace(SHOWN_URL, self.url)
        self._tool(["node", "--input-type=module", "-e", script], block.line)

    def _tool(self, words: list[str], line: int) -> None:
        """Run a program of another language in the project, with the variables of the page."""
        tool, *arguments = words
        path = shutil.which(tool)
        if path is None:
            self.not_run.setdefault(tool, []).append(line)
            self.output = None
            return
        self.output = run_tool([path, *arguments], self.pytester.path, self.project.variables)

    # -- output

    def _json(self, block: Block) -> None:
        assert self.output is not None, f"{self.page.name}, line {block.line}: no output to compare"
        shown, given = json.loads(block.text), json.loads(self.output)
        assert fits(shown, given), f"{self.page.name}, line {block.line}: shown {shown}, given {given}"

    def _text(self, block: Block) -> None:
        """Output: each line was printed, in this order; `…` stands for anything."""
        if self.not_run and self.output is None:
            return
        assert self.output is not None, f"{self.page.name}, line {block.line}: no output to compare"
        assert fits_text(textwrap.dedent(block.text).strip(), textwrap.dedent(self.output).strip()), (
            f"{self.page.name}, line {block.line}: the real output is\n{self.output}"
        )
