"""The modules that the plugin imports in every pytest run, and users' packages named `contracts`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kling_mock.plugin.conftest import OTHERS_OFF
from tests.rows import some_rows

Suite = Callable[..., pytest.RunResult]


def test_the_plugin_loads_nothing_before_a_fixture_is_used() -> None:
    """Only itself, its package, and pytest."""
    code = """
import sys, pytest
before = set(sys.modules)
import kling_mock.pytest_plugin
print(sorted(name for name in set(sys.modules) - before))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "['kling_mock', 'kling_mock.pytest_plugin']"


def test_a_run_without_our_fixtures_loads_none_of_our_modules(
    suite: Suite, pytester: pytest.Pytester
) -> None:
    """Neither do the reports of its failed tests."""
    pytester.makeconftest(
        """
        import sys

        def pytest_sessionfinish():
            ours = {"kling_mock", "kling_contracts", "kling_client"}
            print("loaded:", sorted(name for name in sys.modules if name.partition(".")[0] in ours))
            print("heavy:", sorted({"uvicorn", "PIL", "uvloop"} & set(sys.modules)))
        """
    )
    result = suite("def test_it(): pass\ndef test_that_fails(): assert False", "-s", apart=True)
    result.assert_outcomes(passed=1, failed=1)
    assert "kling: timeline" not in result.stdout.str()
    result.stdout.fnmatch_lines(
        ["*loaded: [[]'kling_mock', 'kling_mock.pytest_plugin'[]]", "heavy: [[][]]"], consecutive=False
    )


@pytest.fixture
def contracts_of_theirs(pytester: pytest.Pytester) -> Path:
    """A user's package of this name in the root of the repository."""
    package = pytester.mkpydir("contracts")
    (package / "tenancy.py").write_text("RENT = 1200\n")
    return package


@pytest.mark.usefixtures("contracts_of_theirs")
@some_rows(
    ("launch", "mode"),
    [("python -m pytest", "prepend"), ("pytest", "prepend"), ("pytest", "importlib")],
    usual=[("python -m pytest", "prepend")],
)
def test_users_with_contracts_of_their_own_keep_them_and_can_use_our_fixtures(
    pytester: pytest.Pytester, launch: str, mode: str
) -> None:
    """We do not use the import name `contracts`: Django projects, web3 and PyContracts do.

    The import of the module is before the use of any fixture: an unused plugin must have no effect.
    """
    pytester.makepyfile(
        """
        from contracts.tenancy import RENT
        import kling_client

        def check(fake):
            assert RENT == 1200
            assert not fake.tasks
            with kling_client.Client(base_url=getattr(fake, "url", None)) as client:
                client.generate(["https://example.com/a.png", "https://example.com/b.png"])
            assert fake.task.status == "submitted"

        def test_unused(): assert RENT == 1200
        def test_in_process(kling): check(kling)
        def test_on_a_socket(kling_server): check(kling_server)
        """
    )
    path = ["-o", "pythonpath=."] if mode != "prepend" else []
    arguments = [f"--import-mode={mode}", *path, *OTHERS_OFF.split()]
    if launch == "pytest":
        result = pytester.runpytest_subprocess(*arguments)
    else:
        result = pytester.run(sys.executable, "-m", "pytest", *arguments)
    result.assert_outcomes(passed=3)


@pytest.mark.usefixtures("contracts_of_theirs")
@pytest.mark.parametrize(
    "arguments", [["-c", "from kling_mock import Fake; Fake()"], ["-m", "kling_mock", "--version"]]
)
def test_users_with_contracts_of_their_own_can_use_the_fake_and_its_command(
    pytester: pytest.Pytester, arguments: list[str]
) -> None:
    """`python -m` and `python -c` put the working directory first in the import path."""
    assert pytester.run(sys.executable, *arguments).ret == 0


def test_our_fixtures_work_beside_pycontracts(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyContracts is installed as `contracts`: a package with modules and metadata."""
    for name, text in {
        "contracts/__init__.py": "from .main import contract, new_contract\n",
        "contracts/main.py": "def contract(function): return function\ndef new_contract(name, check): ...\n",
        "contracts/utils.py": "",
        "PyContracts-1.8.12.dist-info/METADATA": "Name: PyContracts\nVersion: 1.8.12\n",
        "PyContracts-1.8.12.dist-info/top_level.txt": "contracts\n",
    }.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    result = suite(
        """
        from importlib.metadata import version
        import contracts.utils
        from contracts import contract
        from kling_contracts import gateways
        import kling_client

        @contract
        def test_it(kling):
            assert version("PyContracts") == "1.8.12"
            assert gateways.__name__ == "kling_contracts.gateways"
            with kling_client.Client() as client:
                client.generate(["https://example.com/a.png", "https://example.com/b.png"])
            assert kling.task.status == "submitted"
        """,
        apart=True,
    )
    result.assert_outcomes(passed=1)


def test_importing_the_package_loads_nothing() -> None:
    code = "import sys, kling_mock; print({'kling_contracts', 'httpx'} & set(sys.modules)); kling_mock.Fake()"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
