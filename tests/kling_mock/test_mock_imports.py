"""The import table: who may import what, at module level and inside functions."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import kling_client
import kling_contracts
import kling_mock

PACKAGES = {
    name: Path(str(package.__file__)).parent
    for name, package in (
        ("kling_contracts", kling_contracts),
        ("kling_mock", kling_mock),
        ("kling_client", kling_client),
    )
}
OURS = frozenset(PACKAGES)

# What the contract itself is: what is derived from it with other people's libraries is not listed.
CONTRACT_CORE = (
    "kling_contracts",
    *(
        f"kling_contracts.{name}"
        for name in (
            "captures", "composite_fields", "constraints", "fields", "gateways", "image_fields",
            "image_files", "lifecycle", "messages", "openapi", "openapi.document", "openapi.examples",
            "openapi.requests", "openapi.responses", "operations", "operations.base",
            "operations.multi_image", "operations.text_to_image", "rules", "vocabulary",
        )
    ),
)  # fmt: skip

# Every module of kling_mock that may import other people's libraries, and which. All others: none.
LIBRARIES = {
    # Values and JSON; it brings nothing along.
    **{
        f"kling_mock.{name}": {"msgspec"}
        for name in (
            "auth",
            "commands",
            "control",
            "decisions",
            "http",
            "plan",
            "records",
            "scenario",
            "service",
            "stores",
            "stores.memory",
            "testing.view",
        )
    },
    "kling_mock.console": {"rich"},
    "kling_mock.demo": {"rich"},
    "kling_mock.doors.webhook_sender": {"httpx"},  # when the first callback is sent
    "kling_mock.doors.httpx": {"httpx"},
    "kling_mock.doors.respx_router": {"httpx", "respx"},
    "kling_mock.doors.server": {"uvicorn"},
    "kling_mock.images.draw": {"PIL"},
    "kling_mock.images.text": {"PIL"},  # the letters of drawing, which alone imports it
    "kling_mock.pytest_plugin": {"pytest"},
    "kling_mock.images.thumbnails": {"PIL"},  # made at creation, if the settings want them
    "kling_mock.tokens": {"jwt"},  # imported when the first token arrives
    "kling_mock.faker": {"faker"},  # read by whoever wants the provider
}

# Who may import doors, and whether only inside functions: those are the lazy ways in.
DOORS = {
    "kling_mock.fake": ("lazy", {"httpx", "respx_router", "asgi", "server", "webhook_sender"}),
    "kling_mock.cli": ("lazy", {"server"}),
    "kling_mock.console": ("eager", {"webhook_sender"}),
    "kling_mock.shared_server": ("eager", {"asgi", "server"}),
    "kling_mock.doors.respx_router": ("eager", {"httpx"}),
}

# Who may import what draws pictures: the fake, when the first one is wanted.
DRAWERS = {"kling_mock.fake": "lazy", "kling_mock.images.draw": "eager"}

# These import what they hand out when it is asked for, and before that only for types.
POSTPONING = {"kling_contracts", "kling_contracts.verify", "kling_client", "kling_mock", "kling_mock.fake"}

# What has side effects, and is what users start; nothing of the core may know it.
OUTSIDE = frozenset(
    f"kling_mock.{name}"
    for name in (
        "__main__",
        "cli",
        "console",
        "demo",
        "faker",
        "pytest_plugin",
        "shared_server",
        "timing.time_skipping",
    )
)


class Import(NamedTuple):
    """That `module` imports `name`: when it is imported itself (`eager`), in a function, or for types."""

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


MODULES = _modules()


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
    """`from package import module` imports the module."""
    assert node.level == 0, f"{module} has a relative import in line {node.lineno}"
    for alias in node.names:
        inner = f"{node.module}.{alias.name}"
        yield inner if inner in MODULES else str(node.module)


@cache
def all_imports() -> tuple[Import, ...]:
    """Read when the first test wants them: every process collects, and few run these tests."""
    trees = ((module, ast.parse(path.read_text(encoding="utf-8"))) for module, path in MODULES.items())
    return tuple(found for module, tree in trees for found in _imports(module, tree))


def imports() -> list[Import]:
    return [found for found in all_imports() if found.kind != "types"]


def libraries_of(module: str) -> set[str]:
    """Top-level packages of others that a module imports, in whatever place."""
    tops = {each.name.partition(".")[0] for each in imports() if each.module == module}
    return tops - OURS - set(sys.stdlib_module_names)


def test_the_table_sees_the_whole_of_it() -> None:
    """Witness: imports of all three kinds are found where we know them to be."""
    assert set(CONTRACT_CORE) <= set(MODULES)
    assert set(LIBRARIES) | set(DOORS) | OUTSIDE <= set(MODULES)
    assert Import("kling_mock.doors.server", "uvicorn", "eager") in imports()
    assert Import("kling_mock.fake", "kling_mock.doors.server", "lazy") in imports()
    assert all(each.module != "kling_mock.doors.asgi" or each.name != "kling_mock.fake" for each in imports())
    assert len(imports()) > 200


@pytest.mark.parametrize("module", CONTRACT_CORE)
def test_the_contract_itself_imports_nobody(module: str) -> None:
    assert libraries_of(module) == set()


def test_the_contract_imports_nothing_of_ours() -> None:
    tops = {each.name.partition(".")[0] for each in imports() if each.module.startswith("kling_contracts")}
    assert not tops & {"kling_mock", "kling_client"}


@pytest.mark.parametrize("module", sorted(name for name in MODULES if name.startswith("kling_mock")))
def test_the_fake_imports_the_libraries_of_its_row_and_no_others(module: str) -> None:
    """No httpx, respx, uvicorn, starlette, faker or PIL in the core, not even inside a function."""
    assert libraries_of(module) == LIBRARIES.get(module, set())


def test_doors_are_opened_only_by_those_who_may() -> None:
    """Not by each other, but for respx, which speaks httpx; by the fake and the command when asked to."""
    found: dict[str, set[tuple[str, str]]] = {}
    for each in imports():
        if each.name.startswith("kling_mock.doors."):
            door = each.name.removeprefix("kling_mock.doors.")
            found.setdefault(each.module, set()).add((each.kind, door))
    allowed = {
        module: {(kind, door) for door in doors} for module, (kind, doors) in DOORS.items() if module in found
    }
    assert {module: doors - allowed.get(module, set()) for module, doors in found.items()} == {
        module: set() for module in found
    }


def test_pictures_are_drawn_only_when_one_is_wanted() -> None:
    drawing = {"kling_mock.images.draw", "kling_mock.images.text"}
    found = {each.module: each.kind for each in imports() if each.name in drawing}
    assert found == DRAWERS


def test_tokens_are_read_only_when_one_comes() -> None:
    found = {(each.module, each.kind) for each in imports() if each.name == "kling_mock.tokens"}
    assert found == {("kling_mock.auth", "lazy")}


def test_the_core_knows_nothing_of_what_users_start() -> None:
    core = {name for name in MODULES if name.startswith("kling_mock")} - OUTSIDE
    guilty = {
        each for each in imports() if each.module in core and each.name in OUTSIDE and each.kind == "eager"
    }
    # The server's thread keeps real time while a test skips its sleep.
    assert {(each.module, each.name) for each in guilty} <= {
        ("kling_mock.doors.server", "kling_mock.timing.time_skipping")
    }


def test_fake_and_client_never_meet_but_in_the_demo() -> None:
    meetings = {
        each.module
        for each in imports()
        if {each.module.partition(".")[0], each.name.partition(".")[0]} == {"kling_mock", "kling_client"}
    }
    assert meetings <= {"kling_mock.demo"}


def test_no_module_level_import_goes_in_a_circle() -> None:
    """Neither does one for types, but of what is imported only when it is asked for."""
    graph: dict[str, set[str]] = {}
    for each in all_imports():
        postponed = each.kind == "lazy" or (each.kind == "types" and each.module in POSTPONING)
        if each.name in MODULES and not postponed:
            graph.setdefault(each.module, set()).add(each.name)
    assert len(graph) > 30
    # A package's own module imports none of its parts, so that importing one of them costs nothing else.
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"imports in a circle: {' -> '.join(error.args[1])}")


def test_importing_the_fake_loads_nobody() -> None:
    """In a fresh interpreter: neither the package nor a fake that answers needs a library."""
    code = (
        "import sys, kling_mock\n"
        "first = set(sys.modules)\n"
        "kling_mock.Fake().handle(kling_mock.Request('GET', '/kling/v1/images/generations/1'))\n"
        "heavy = {'httpx', 'respx', 'PIL', 'uvicorn', 'starlette', 'faker', 'rich', 'jwt', 'asyncio'}\n"
        "print(heavy & set(sys.modules), 'kling_mock.fake' in first)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set() False\n"
