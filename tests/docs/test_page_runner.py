"""The runner of pages finds mistakes: each of these pages has one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.page_runner import PageRunner
from tests.docs.pages import Page

Run = Callable[[str], PageRunner]
SERVE = "```sh\nkling-mock serve --port 8000 --pace instant\n```\n"
HEALTH = "```sh\ncurl http://127.0.0.1:8000/_mock/health\n```\n"


@pytest.fixture
def run(runner: Callable[[Path], PageRunner], pytester: pytest.Pytester) -> Run:
    """Runs a page that is given as text."""

    def run(text: str) -> PageRunner:
        page = pytester.path / "page.md"
        page.write_text(text, encoding="utf-8")
        made = runner(page)
        made.run()
        return made

    return run


@pytest.mark.parametrize(
    "text",
    [
        "```python\nprint(1)\n```\n```text\n2\n```\n",
        "```python\n1 / 0\n```\n",
        "```python\ndef test_it():\n    assert False\n```\n",
        "```python\n# other.py\n1 / 0\n```\n```python\nimport other\ndef test_it(): pass\n```\n",
        "```python\nimport warnings\n\ndef test_it():\n    warnings.warn('mind')\n```\n",
        SERVE + HEALTH + '```json\n{"status": "ok"}\n```\n',
        SERVE + HEALTH + '```json\n{"status": "no", "server": "…", "version": "…"}\n```\n',
        "```sh\nkling-mock serve --port 8000 --pace never\n```\n",
        "```sh\nkling-mock serve --port 8000 &\n```\n",
        "```sh\nkling-mock serve --port 8000\nkling-mock doctor\n```\n",
        "```sh\nkling-mock doctor  # zsh has no comments in a line that is typed\n```\n",
        "```sh\nexport OTHER_KEY=1\n```\n",
        "```sh\npip install kling-mock[other]\n```\n",
        "```sh\npip install kling-mock no-such-package\n```\n",
        "```sh\nOTHER_KEY=1 pytest\n```\n",
        '```typescript\nconst command = "kling-mock serve --never 1";\n```\n',
        "```java\nclass Nameless {}\n```\n",
        "```console\n$ kling-mock serve --help\nusage: unknown\n```\n",
        "```text\noutput of nothing\n```\n",
    ],
    ids=lambda text: text.replace("`", "").replace("\n", " ")[-40:],
)
def test_a_mistake_is_noticed(run: Run, text: str) -> None:
    with pytest.raises((AssertionError, ArithmeticError, ValueError, ImportError, SystemExit)):
        run(text)


@pytest.mark.parametrize(
    "text", ["```\nplain\n```\n", "```sh\nrm -r /\n```\n", "```console\n$ kling-mock demo\n```\n"]
)
def test_an_unknown_language_or_command_is_an_error(run: Run, text: str) -> None:
    """Otherwise the block would not be tested."""
    with pytest.raises(pytest.fail.Exception, match=r"cannot run|only --help"):
        run(text)


def test_a_page_without_mistakes_passes(run: Run) -> None:
    text = SERVE + HEALTH + '```json\n{"status": "ok", "server": "…", "version": "…"}\n```\n'
    made = run(text + "```python\nprint('a b', 7)\n```\n```text\na … 7\n```\n")
    assert made.output == "a b 7\n"


def test_without_node_the_javascript_is_skipped_with_a_reason(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    text = SERVE + "```javascript\nconsole.log(1)\n```\n```text\n1\n```\n"
    with pytest.raises(pytest.skip.Exception, match=r"node is not installed: lines \[5\] were not run"):
        run(text)
    with pytest.raises(AssertionError):
        run(text + "```python\nprint(1)\n```\n```text\n2\n```\n")


def test_lines_are_those_of_the_page(run: Run, readme: Page) -> None:
    """A traceback names the line of the page, so that it can be found."""
    with pytest.raises(ZeroDivisionError) as caught:
        run("# Title\n\n```python\nx = 0\n1 / x\n```\n")
    assert caught.traceback[-1].lineno == 4  # counted from 0
    assert all(readme.text.splitlines()[block.line - 2].startswith("```") for block in readme.blocks)
