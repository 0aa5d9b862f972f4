"""The import table: the contract stands alone, and importing it stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import kling_contracts

FOLDER = Path(kling_contracts.__file__).parent
MODULES = sorted(FOLDER.rglob("*.py"))
# What may be imported besides the standard library and the contract itself.
FOREIGN = {
    "strategies.fields": {"hypothesis"},
    "strategies.images": {"hypothesis"},
    "strategies.objects": {"hypothesis"},
    "strategies.requests": {"hypothesis"},
    "strategies.scalars": {"hypothesis"},
    "client_suite.harness": {"hypothesis", "pytest"},
    "client_suite.bodies": {"hypothesis"},
    "client_suite.properties.requests": {"hypothesis"},
    "client_suite.properties.responses": {"hypothesis"},
    "client_suite.suite": {"pytest"},
    "client_suite.properties.validation": {"hypothesis"},
    "client_suite.properties.waiting": {"hypothesis"},
    "verify.keys": {"jwt"},
    "verify.reports.terminal": {"rich"},
    "verify.runner": {"httpx"},
    "verify.wire": {"httpx"},
    "schemathesis_hooks": {"schemathesis"},
    "witnesses.failing": {"httpx"},
    "witnesses.witness": {"httpx"},
}
# What is derived with the help of Hypothesis and pytest: nothing else may import it.
TESTING = ("strategies", "client_suite", "schemathesis_hooks")
# What else is no core.
DERIVED = (*TESTING, "checks", "verify", "witnesses")


def dotted(module: Path) -> str:
    """The name of a module within the package."""
    return ".".join(module.relative_to(FOLDER).with_suffix("").parts).removesuffix(".__init__")


def is_core(module: Path) -> bool:
    return dotted(module).partition(".")[0] not in DERIVED


def imported(module: Path) -> set[str]:
    """The full names of all that a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("module", MODULES, ids=map(dotted, MODULES))
def test_imports(module: Path) -> None:
    """Every module imports the standard library and the contract, a few one library each."""
    tops = {name.partition(".")[0] for name in imported(module)}
    foreign = tops - sys.stdlib_module_names - {"kling_contracts"}
    assert foreign == FOREIGN.get(dotted(module), set())


def test_core_leaves_the_strategies_alone() -> None:
    """Only what needs Hypothesis imports what needs it."""
    testing = {module for module in MODULES if dotted(module).startswith(TESTING)}
    names = {f"kling_contracts.{dotted(module)}" for module in testing}
    assert {
        "kling_contracts.strategies",
        "kling_contracts.client_suite",
        "kling_contracts.client_suite.harness",
    } <= names
    for module in set(MODULES) - testing:
        assert not imported(module) & names


def test_importing_loads_nothing_heavy() -> None:
    """The package and all its core modules load none of the heavy libraries, nor our other packages."""
    core = [dotted(module) for module in MODULES if is_core(module) and not module.stem.startswith("__")]
    script = f"""
import sys
import kling_contracts
assert not [name for name in sys.modules if name.startswith("kling_contracts.")]
import {", ".join("kling_contracts." + name for name in core)}
heavy = "httpx hypothesis jsonschema pytest PIL respx kling_mock kling_client".split()
print([name for name in heavy if name in sys.modules])
"""
    # Importlib mode leaves sys.path alone: the folder that holds the package is named instead.
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=FOLDER.parent
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_public_names() -> None:
    """Every promised name is there, and a wrong one is an AttributeError."""
    for name in kling_contracts.__all__:
        assert getattr(kling_contracts, name) is not None
    assert sorted(dir(kling_contracts)) == sorted(kling_contracts.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        kling_contracts.nonsense  # noqa: B018 - asking is the test
