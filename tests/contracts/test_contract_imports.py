"""The import table: the contract stands alone, and importing it stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import contracts

FOLDER = Path(contracts.__file__).parent
MODULES = sorted(FOLDER.glob("*.py"))
# What may be imported besides the standard library and the contract itself.
FOREIGN = {
    "strategies": {"hypothesis"},
    "field_strategies": {"hypothesis"},
    "picture_strategies": {"hypothesis"},
}


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


@pytest.mark.parametrize("module", MODULES, ids=[module.stem for module in MODULES])
def test_imports(module: Path) -> None:
    """Every module imports the standard library and the contract, a few one library each."""
    tops = {name.partition(".")[0] for name in imported(module)}
    assert tops <= sys.stdlib_module_names | {"contracts"} | FOREIGN.get(module.stem, set())


def test_core_leaves_the_strategies_alone() -> None:
    """Only the strategies import the strategies, so that nothing else needs Hypothesis."""
    strategies = {f"contracts.{name}" for name in FOREIGN}
    for module in MODULES:
        if module.stem not in FOREIGN:
            assert not imported(module) & strategies


def test_importing_loads_nothing_heavy() -> None:
    """The package and all its core modules load none of the heavy libraries, nor our other packages."""
    core = [module.stem for module in MODULES if module.stem not in {*FOREIGN, "__init__", "__main__"}]
    script = f"""
import sys
import contracts
assert not [name for name in sys.modules if name.startswith("contracts.")]
import {", ".join("contracts." + name for name in core)}
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
    for name in contracts.__all__:
        assert getattr(contracts, name) is not None
    assert sorted(dir(contracts)) == sorted(contracts.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        contracts.nonsense  # noqa: B018 - asking is the test
