"""The content of the wheel and of the sdist, and an installation from each."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Iterable, Iterator
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import NamedTuple

import pytest
from pathspec import GitIgnoreSpec

from kling_contracts.help_pages import find_pages, pages, read_page
from kling_mock import __version__
from tests.import_graph import PACKAGES
from tests.rows import exhaustive

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SITE = sysconfig.get_path("purelib")
DIST_INFO = f"kling_mock-{__version__}.dist-info"
# Path components of test material; `kling_mock.testing` and `pytest_plugin` are public modules.
TEST_MATERIAL = ("tests", "test_", "conftest", "faulty", "benign", "benchmarks", "mutants")


class Built(NamedTuple):
    wheel: Path
    sdist: Path


def run(*command: str | Path, cwd: Path, path: str = "") -> str:
    """The output of a command that must succeed; `path` is its PYTHONPATH."""
    ours = ("PYTHON", "PIP_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    if path:
        environment["PYTHONPATH"] = path
    done = subprocess.run(
        [str(each) for each in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-d", folder, cwd=ROOT)
    return Built(next(folder.glob("*.whl")), next(folder.glob("*.tar.gz")))


def files_of(folder: Path) -> Iterator[str]:
    """The paths of the files of a folder that git does not ignore, relative to the folder."""
    ignored = GitIgnoreSpec.from_lines((ROOT / ".gitignore").read_text(encoding="utf-8").splitlines())
    for path in folder.iterdir():
        name = path.relative_to(ROOT).as_posix()
        if name == ".git" or ignored.match_file(f"{name}/" if path.is_dir() else name):
            continue
        if path.is_dir():
            yield from (f"{path.name}/{below}" for below in files_of(path))
        else:
            yield path.name


def material_in(names: Iterable[str]) -> list[str]:
    parts = ((name, part) for name in names for part in name.split("/"))
    return [name for name, part in parts if part.startswith(TEST_MATERIAL)]


def test_the_wheel_has_the_packages_the_pages_and_no_test_material(built: Built) -> None:
    """`kling-mock help` prints the pages, also from a zip file."""
    with zipfile.ZipFile(built.wheel) as wheel:
        names = set(wheel.namelist())
        folder = zipfile.Path(wheel, "kling_contracts/docs/")
        assert dict(find_pages(folder)).keys() == pages().keys()
        for name, page in find_pages(folder):
            assert page.read_text(encoding="utf-8") == read_page(name)
    expected = {f"{package}/{name}" for package, folder in PACKAGES.items() for name in files_of(folder)}
    documents = {f"kling_contracts/docs/{name}" for name in pages()}
    assert {name for name in names if not name.startswith(f"{DIST_INFO}/")} == expected | documents
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    assert material_in(names - documents) == []


def test_test_material_is_found() -> None:
    """Counterexample: the pattern matches test material, and no files of the packages."""
    names = ["kling_mock/fake.py", "kling_contracts/faulty_servers/base.py", "kling_mock/test_fake.py"]
    assert material_in(names) == names[1:]


def metadata_of(built: Built) -> Message:
    with zipfile.ZipFile(built.wheel) as wheel:
        return BytesParser().parsebytes(wheel.read(f"{DIST_INFO}/METADATA"))


def test_the_metadata_is_that_of_the_project(built: Built) -> None:
    found = metadata_of(built)
    assert (found["Name"], found["Version"]) == (PROJECT["name"], __version__)
    assert found["License-Expression"] == PROJECT["license"]
    assert str(found.get_payload()).startswith("# kling-mock")
    urls = dict(line.split(", ", 1) for line in found.get_all("Project-URL", []))
    assert urls == PROJECT.get("urls", {})


def test_the_sdist_has_every_file_of_the_tree(built: Built) -> None:
    """On failure, list the file in pyproject.toml (sdist) or .gitignore."""
    with tarfile.open(built.sdist) as sdist:
        names = {member.name.partition("/")[2] for member in sdist.getmembers() if member.isfile()}
    assert names - {"PKG-INFO"} == set(files_of(ROOT)) - {"PKG-INFO"}


@exhaustive
def test_the_sdist_builds_the_same_wheel(built: Built, tmp_path: Path) -> None:
    """So an installation from the sdist is one from the wheel."""
    with tarfile.open(built.sdist) as sdist:
        sdist.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path, cwd=source)
    assert content_of(next(tmp_path.glob("*.whl"))) == content_of(built.wheel)


def content_of(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


@exhaustive
def test_an_installation_works(built: Built, tmp_path: Path) -> None:
    """The wheel works in a new environment that has the libraries of this one."""
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=False, symlinks=os.name != "nt")
    binaries = environment / ("Scripts" if os.name == "nt" else "bin")
    python = binaries / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index")
    folder = built.wheel.parent  # as README says: pip finds the package by its name in a folder
    run(*pip, "--ignore-installed", "--find-links", folder, "kling-mock", cwd=tmp_path, path=SITE)
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = Path(run(python, "-c", code, cwd=tmp_path).strip())
    (own / "libraries.pth").write_text(
        f"{SITE}\n", encoding="utf-8"
    )  # after the packages of the new environment
    names = ", ".join(PACKAGES)
    code = f"import {names}; print(*(each.__file__ for each in ({names})), sep='\\n')"
    files = run(python, "-c", code, cwd=tmp_path).splitlines()
    assert [Path(file).parent for file in files] == [own / name for name in PACKAGES]
    assert run(binaries / "kling-mock", "--version", cwd=tmp_path).split() == ["kling-mock", __version__]
    version = run(binaries / "kling-contracts", "--version", cwd=tmp_path)
    assert version.split() == ["kling-contracts", __version__]
    # `explain` reads a data file of the package.
    assert "finds  " in run(binaries / "kling-contracts", "explain", "responses.json", cwd=tmp_path)
    assert "set `COMETAPI_KEY`" in run(binaries / "kling-mock", "help", "no-key", cwd=tmp_path)
