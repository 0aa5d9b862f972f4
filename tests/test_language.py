"""Plain technical English: private words in docstrings, comments, messages and docs stay within a budget that only falls.

The budgets are words per 1,000, measured over whole kinds of text. Codebases of the field stand at 0.8 (who,
somebody), 0.4 (tell, say) and 1.3 (what) in their docstrings and comments.
"""

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("contracts/kling_contracts", "kling_mock", "kling_client")
SOURCES = (*PACKAGES, "tests", "benchmarks", "mutants", "docs")

WORDS = {
    "who": re.compile(r"\b(who|whom|whoever|somebody|nobody|anybody|someone|anyone|no one)\b", re.IGNORECASE),
    "say": re.compile(r"\b(tells?|told|says?|said|speaks?|spoke|spoken|hears?|heard)\b", re.IGNORECASE),
    "what": re.compile(r"\bwhat(ever)?\b", re.IGNORECASE),
    "private": re.compile(
        r"\b(so many|is no (?!longer|more|less|matter)[a-z]+|are none|is none|tells? of|goes before|witness(es)?|testimony|testif(y|ies)|misconduct"
        r"|couriers?|errands?|agenda|owed|in vain|becomes? of|ways? out|at the age at which)\b",
        re.IGNORECASE,
    ),
}
"""Groups of words, and the pattern of each."""


def python_files(*folders: str) -> list[Path]:
    """Every Python file below the folders, sorted; this file is left out, as it holds the words themselves."""
    files = (file for folder in folders for file in (ROOT / folder).rglob("*.py"))
    return sorted(file for file in files if file != Path(__file__))


def docstrings_and_comments(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of every docstring (strings that stand alone included) and of every comment."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            for offset, line in enumerate(node.value.value.splitlines()):
                yield node.lineno + offset, line
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ")


def messages(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of every string with a space in it that is not a docstring: messages, help texts, reports."""
    tree = ast.parse(source)
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            if " " in node.value.strip():
                yield node.lineno, node.value


def prose(markdown: str) -> Iterator[tuple[int, str]]:
    """Line and text of a page outside its code blocks; inline code is left out."""
    inside = False
    for number, line in enumerate(markdown.splitlines(), 1):
        if line.lstrip().startswith("```"):
            inside = not inside
        elif not inside:
            yield number, re.sub(r"`[^`]*`", "", line)


def texts(kind: str) -> Iterator[tuple[str, str]]:
    """Place (`file:line`) and text of everything of a kind: `code`, `messages` or `pages`."""
    if kind == "pages":
        pages = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]
        found = ((page, line, text) for page in pages for line, text in prose(page.read_text()))
    elif kind == "messages":
        found = (
            (file, line, text)
            for file in python_files(*PACKAGES)
            for line, text in messages(file.read_text())
        )
    else:
        files = python_files(*SOURCES)
        found = (
            (file, line, text) for file in files for line, text in docstrings_and_comments(file.read_text())
        )
    for file, line, text in found:
        yield f"{file.relative_to(ROOT)}:{line}", text


def counted(found: Iterator[tuple[str, str]]) -> tuple[dict[str, float], list[str]]:
    """Words per 1,000 for every group, and the place of every word found."""
    total, counts, places = 0, Counter[str](), []
    for place, text in found:
        total += len(text.split())
        for group, pattern in WORDS.items():
            for match in pattern.finditer(text):
                counts[group] += 1
                places.append(f"{place}: {match.group()} [{group}]: {text.strip()[:120]}")
    return {group: round(1000 * counts[group] / max(total, 1), 2) for group in WORDS}, places
