"""The imports of the project's packages, parsed from their source, including imports inside functions."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final, NamedTuple

import kling_client
import kling_contracts
import kling_mock

PACKAGES: Final = {
    package.__name__: Path(str(package.__file__)).parent
    for package in (kling_contracts, kling_mock, kling_client)
}


class Import(NamedTuple):
    """`module` imports `name`: at module level (`eager`), in a function (`lazy`), for typing (`types`)."""

    module: str
    name: str
    kind: str


def _modules() -> dict[str, Path]:
    found: dict[str, Path] = {}
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join((package, *parts)).removesuffix(".__init__")] = path
    return found


MODULES: Final = _modules()
FOLDERS: Final = tuple(name for name, path in MODULES.items() if path.stem == "__init__")


def _imports(module: str, node: ast.AST, kind: str = "eager") -> Iterator[Import]:
    match node:
        case ast.Import(names=names):
            yield from (Import(module, alias.name, kind) for alias in names)
        case ast.ImportFrom():
            yield from (Import(module, name, kind) for name in _sources(module, node))
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            yield from _of_all(module, node.body, "types")
            yield from _of_all(module, node.orelse, kind)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            yield from _of_all(module, ast.iter_child_nodes(node), "lazy")
        case _:
            yield from _of_all(module, ast.iter_child_nodes(node), kind)


def _of_all(module: str, nodes: Iterable[ast.AST], kind: str) -> Iterator[Import]:
    for node in nodes:
        yield from _imports(module, node, kind)


def _sources(module: str, node: ast.ImportFrom) -> Iterator[str]:
    """The modules that an import statement imports; `from package import module` imports the module."""
    assert node.level == 0, f"{module} has a relative import in line {node.lineno}"
    for alias in node.names:
        inner = f"{node.module}.{alias.name}"
        yield inner if inner in MODULES else str(node.module)


@cache
def all_imports() -> tuple[Import, ...]:
    """All imports, parsed on first use: every worker collects these tests, few run them."""
    trees = ((module, ast.parse(path.read_text(encoding="utf-8"))) for module, path in MODULES.items())
    return tuple(found for module, tree in trees for found in _imports(module, tree))


@cache
def imports() -> tuple[Import, ...]:
    """All imports except those for type checking."""
    return tuple(found for found in all_imports() if found.kind != "types")


def libraries_of(module: str) -> set[str]:
    """Third-party top-level packages that a module imports, including imports inside functions."""
    tops = {each.name.partition(".")[0] for each in imports() if each.module == module}
    return tops - PACKAGES.keys() - sys.stdlib_module_names


def graph(edges: Iterable[Import], node: Callable[[str], str | None]) -> dict[str, set[str]]:
    """The edges between different nodes; `node` maps a module to its node, or to None to exclude it."""
    found: dict[str, set[str]] = {}
    for each in edges:
        begin, end = node(each.module), node(each.name)
        if begin is not None and end is not None and begin != end:
            found.setdefault(begin, set()).add(end)
    return found


def part_of(folder: str) -> Callable[[str], str | None]:
    """The node of a module in the graph of the parts of a folder: its modules and its folders."""

    def node(module: str) -> str | None:
        if module not in MODULES or not module.startswith(f"{folder}."):
            return None
        return f"{folder}.{module.removeprefix(f'{folder}.').partition('.')[0]}"

    return node


def circle_in(edges: Mapping[str, set[str]]) -> list[str]:
    """The nodes of one cycle, the first one repeated at the end; empty without a cycle."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []
