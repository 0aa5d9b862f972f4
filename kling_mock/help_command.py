"""The command `kling-mock help`: an entry of Troubleshooting, or a page of the documentation."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
from textwrap import TextWrapper
from typing import Final

from kling_contracts.help_pages import INDEX, TROUBLESHOOTING, HelpEntry, entries, pages, read_page
from kling_contracts.standard_streams import write_output
from kling_contracts.suggestions import did_you_mean

EPILOG: Final = """\
examples:
  kling-mock help no-key             the entry that a message names
  kling-mock help troubleshooting    all entries
  kling-mock help index              the list of pages
  kling-mock help fixture.md         a page
  kling-mock help serve              the options of a command
"""
WIDTH: Final = 100
_CODE: Final = re.compile(r"`([^`]+)`")
_LABEL: Final = 10


def add_help_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("topic", metavar="TOPIC", help="an entry, the name of a page, or a command")
    command.add_argument("--json", action="store_true", help="print an entry or a page as JSON")


def run_help(options: argparse.Namespace) -> int:
    """Print a topic. Raises ValueError with suggestions for an unknown one.

    An entry takes precedence over the page of the same name, which is found with its suffix `.md`.
    """
    topic: str = options.topic
    known = entries(read_page(TROUBLESHOOTING))
    page = INDEX if topic == "index" else f"{topic.removeprefix('docs/').removesuffix('.md')}.md"
    if topic in known:
        _show_entry(known[topic], as_json=options.json)
    elif page in pages():
        _show_page(page, as_json=options.json)
    else:
        names = [*known, *(each.removesuffix(".md") for each in pages())]
        hint = did_you_mean(topic, names, otherwise="kling-mock help index lists the pages")
        raise ValueError(f"help: unknown topic {topic!r}; {hint}")
    return 0


def _show_entry(entry: HelpEntry, *, as_json: bool) -> None:
    if as_json:
        write_output(json.dumps(entry._asdict()) + "\n")
        return
    terminal = sys.stdout.isatty()
    width = _width() if terminal else WIDTH
    more = ", ".join(f"`kling-mock help {name}`" for name in entry.pages)
    wrapper = TextWrapper(
        width, subsequent_indent=" " * _LABEL, break_on_hyphens=False, break_long_words=False
    )
    for label, text in ("message", entry.message), ("solution", entry.solution), ("more", more):
        if text:
            # Code stays on one line, so that it can be copied.
            whole = _CODE.sub(lambda code: code[0].replace(" ", "\0"), text)
            shown = wrapper.fill(f"{label:{_LABEL}}{whole}").replace("\0", " ")
            write_output((_styled(shown) if terminal else shown) + "\n")


def _styled(text: str) -> str:
    """Code in bold instead of backticks; without colours as NO_COLOR asks for."""
    style = r"\1" if os.environ.get("NO_COLOR") else "\x1b[1m\\1\x1b[0m"
    return _CODE.sub(style, text)


def _show_page(name: str, *, as_json: bool) -> None:
    text = read_page(name)
    if as_json:
        write_output(json.dumps({"page": name, "text": text}) + "\n")
    elif not sys.stdout.isatty():
        write_output(text)
    else:
        from rich.console import Console
        from rich.markdown import Markdown

        Console(width=_width()).print(Markdown(text, hyperlinks=False))


def _width() -> int:
    """The width of a text on the terminal."""
    return min(shutil.get_terminal_size().columns, WIDTH)
