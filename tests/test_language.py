"""Plain technical English: the rate of private words in code, messages and pages must not exceed a budget.

Budgets only fall. In docstrings and comments, respx, fakeredis, httpx and schemathesis have at most 0.8
(who), 0.4 (say) and 1.3 (what) words per 1,000.
"""

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.rows import some_rows

# Words per 1,000, by kind of text (see `texts`) and group of words.
BUDGETS: Final = {
    "code": {"who": 0.5, "say": 0.5, "what": 1.3, "private": 0.2},
    "messages": {"who": 0.0, "say": 0.0, "what": 0.0, "private": 0.0},
    "pages": {"who": 0.1, "say": 0.1, "what": 0.5, "private": 0.0},
}
WORDS: Final = {
    "who": re.compile(r"\b(who|whom|whoever|somebody|nobody|anybody|someone|anyone|no one)\b", re.IGNORECASE),
    "say": re.compile(r"\b(tells?|told|says?|said|speaks?|spoke|spoken|hears?|heard)\b", re.IGNORECASE),
    "what": re.compile(r"\bwhat(ever)?\b", re.IGNORECASE),
    "private": re.compile(
        r"\b(so many|(?<!there )is no (?!longer|more|less|matter)[a-z]+|(?<!there )(is|are) (?-i:none)"
        r"|tells? of|goes before|witness(es)?|testimony|testif(y|ies)|misconduct|couriers?|errands?|agenda"
        r"|owed|in vain|becomes? of|ways? out|at the age at which)\b",
        re.IGNORECASE,
    ),
}

# Class names and type aliases that several modules of one package define, each with the reason.
SHARED_NAMES: Final = {
    "kling_contracts": {
        "Body": "an alias of dict[str, object] in both modules",
        "Delivery": "how a scripted server sends a reply; a delivered callback of `verify`",
        "Headers": "the same alias in the client suite and in verify, which do not import each other",
        "OutOfTime": "a limit in virtual time; the deadline of a run of `verify`",
        "Result": "a result on the wire; the result of a check; a result image in a repro script",
    },
}

# `tokenize` finds the same comments, but takes ten times as long.
STRING_OR_COMMENT: Final = re.compile(
    r"""("{3}|'{3})(?:\\.|[^\\])*?\1|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|(?P<comment>\#[^\n]*)""",
    re.DOTALL,
)

ROOT: Final = Path(__file__).parent.parent
PACKAGES: Final = ("contracts/kling_contracts", "kling_mock", "kling_client")
SOURCES: Final = (*PACKAGES, "tests", "benchmarks", "mutants", "docs")


def python_files(*folders: str) -> list[Path]:
    """Every Python file in the folders, sorted, except this one, which contains the words."""
    files = (file for folder in folders for file in (ROOT / folder).rglob("*.py"))
    return sorted(file for file in files if file != Path(__file__))


def statements(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """All statements of a body, at every depth."""
    for node in body:
        yield node
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            yield from statements(getattr(node, part, ()))


def docstrings_and_comments(source: str) -> Iterator[tuple[int, str]]:
    """Line number and text of every line of a docstring, or other string statement, and of every comment."""
    for node in statements(ast.parse(source).body):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            for offset, line in enumerate(node.value.value.splitlines()):
                yield node.lineno + offset, line
    for match in STRING_OR_COMMENT.finditer(source):
        if match["comment"]:
            yield source.count("\n", 0, match.start()) + 1, match["comment"].lstrip("# ")


def messages(source: str) -> Iterator[tuple[int, str]]:
    """Line number and text of every other string that contains a blank: messages, help texts, reports."""
    tree = ast.parse(source)
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in alone:
            continue
        if " " in node.value.strip():
            yield node.lineno, node.value


def prose(markdown: str) -> Iterator[tuple[int, str]]:
    """Line number and text of every line of a page, without code blocks and inline code."""
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
        found = (
            (page, line, text) for page in pages for line, text in prose(page.read_text(encoding="utf-8"))
        )
    else:
        files = python_files(*(PACKAGES if kind == "messages" else SOURCES))
        split = messages if kind == "messages" else docstrings_and_comments
        found = (
            (file, line, text) for file in files for line, text in split(file.read_text(encoding="utf-8"))
        )
    for file, line, text in found:
        yield f"{file.relative_to(ROOT).as_posix()}:{line}", text


def counted(found: Iterator[tuple[str, str]]) -> tuple[dict[str, float], list[str]]:
    """Words per 1,000 for every group, and the place of every word found."""
    total, counts, places = 0, Counter[str](), list[str]()
    for place, text in found:
        total += len(text.split())
        for group, pattern in WORDS.items():
            for match in pattern.finditer(text):
                counts[group] += 1
                places.append(f"{place}: {match.group()} [{group}]: {text.strip()[:120]}")
    return {group: round(1000 * counts[group] / max(total, 1), 2) for group in WORDS}, places


# The code takes most of the time: thousands of docstrings and comments, also of tests.
@some_rows("kind", BUDGETS, usual=["messages", "pages"])
def test_private_words_stay_within_the_budget(kind: str) -> None:
    """On failure, rewrite the listed texts; do not raise the budget."""
    rates, places = counted(texts(kind))
    exceeded = {group: rate for group, rate in rates.items() if rate > BUDGETS[kind][group]}
    shown = [place for place in places if any(f"[{group}]" in place for group in exceeded)]
    assert exceeded == {}, "\n".join(shown[:200])


SAMPLE: Final = '''
"""Whoever calls is told what is wrong."""

LIMIT = 1  # so many, and nobody knows

def f(n):
    """First.

    A task is no task.
    """
    raise ValueError(f"{n}: the client says what it is")
'''


def test_private_words_are_found() -> None:
    """Counterexample: words of each group in a docstring, a comment and a message."""
    rates, places = counted((str(line), text) for line, text in docstrings_and_comments(SAMPLE))
    assert sorted(place.partition("]")[0] for place in places) == [
        "2: Whoever [who",
        "2: told [say",
        "2: what [what",
        "4: nobody [who",
        "4: so many [private",
        "9: is no task [private",
    ]
    # 18 words: seven in the first docstring, six in the comment, five in the second docstring.
    assert rates == {"who": 111.11, "say": 55.56, "what": 55.56, "private": 111.11}
    found = [(line, text) for line, text in messages(SAMPLE)]
    assert found == [(11, ": the client says what it is")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The value is None, or there is no task.", []),
        ("There are none; it is no longer valid, is no more than 3.", []),
        ("It is none of those.", ["is none"]),
        ("It is no number.", ["is no number"]),
    ],
)
def test_plain_phrases_are_not_counted(text: str, words: list[str]) -> None:
    assert [match.group() for match in WORDS["private"].finditer(text)] == words


def test_prose_has_no_code() -> None:
    page = "Who calls `nobody` here?\n```text\nnobody says\n```\n  ```python\n  # nobody\n  ```\nThe end."
    assert list(prose(page)) == [(1, "Who calls  here?"), (8, "The end.")]


def shared_names(sources: dict[str, str]) -> dict[str, list[str]]:
    """Public class names and type aliases that several modules define, with these modules.

    `sources` maps a module to its source. Type variables are not type aliases.
    """
    found: defaultdict[str, list[str]] = defaultdict(list)
    for module, source in sources.items():
        for node in ast.parse(source).body:
            match node:
                case ast.ClassDef(name=name):
                    found[name].append(module)
                case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                    variable = isinstance(node.value, ast.Call) and "TypeVar" in ast.unparse(node.value)
                    if re.fullmatch(r"[A-Z][a-z]\w*", name) and not variable:
                        found[name].append(module)
                case _:
                    pass
    return {name: modules for name, modules in found.items() if len(modules) > 1 and not name.startswith("_")}


@pytest.mark.parametrize("package", PACKAGES)
def test_class_names_are_unique_in_a_package(package: str) -> None:
    """On failure, rename the new class, or delete the entry of a name that is unique now."""
    sources = {str(file): file.read_text(encoding="utf-8") for file in python_files(package)}
    shared = shared_names(sources)
    accepted = SHARED_NAMES.get(Path(package).name, {})
    assert shared.keys() == accepted.keys(), {
        name: shared.get(name) for name in shared.keys() ^ accepted.keys()
    }


def test_a_shared_name_is_found() -> None:
    """Counterexample: a class and a type alias; type variables, constants and private names do not count."""
    first = 'Task = TypeVar("Task")\nA = 1\nclass Reply: ...\nclass _Own: ...\n'
    second = "Reply: TypeAlias = dict[str, object]\nA = 2\nclass Task: ...\nclass _Own: ...\n"
    assert shared_names({"a": first, "b": second}) == {"Reply": ["a", "b"]}
