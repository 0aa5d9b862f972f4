"""Each check of `kling-mock doctor` on machines with and without its problem."""

from __future__ import annotations

import platform
import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from kling_contracts import vocabulary
from kling_contracts.vocabulary import HEALTH_PATH
from kling_mock import Fake, Request, __version__
from kling_mock.doctor import findings, packages, report, surroundings
from kling_mock.doctor.findings import Finding, Machine, Status, get_local
from kling_mock.doctor.report import CHECKS, MachineCheck, report_text, run_check, run_checks
from kling_mock.images import fonts

INSTALLED = {"kling-mock": __version__, "pytest": "9.2.0", "httpx": "0.28.1", "msgspec": "0.19"}
# Without facts of the machine of this test; no test of another module listens on this port.
PLAIN = Machine(
    port=1,
    environ={},
    installed=INSTALLED.get,
    requirements=lambda: ["httpx<0.29,>=0.27", "msgspec>=0.19", "uvloop>=0.19; sys_platform != 'win32'"],
    plugins=lambda: frozenset({"kling_mock"}),
    get=lambda _port, _path: None,
)
SECRET = "s3cr3t-9f27"


def with_variables(**environ: str) -> Machine:
    return replace(PLAIN, environ=environ)


def with_packages(**changed: str | None) -> Machine:
    found = {**INSTALLED, **{name.replace("_", "-"): number for name, number in changed.items()}}
    return replace(PLAIN, installed=found.get)


def worst(found: list[Finding]) -> Finding:
    order: dict[Status, int] = {"ok": 0, "note": 1, "problem": 2}
    return max(found, key=lambda each: order[each.status])


def test_versions_are_compared_by_their_numbers() -> None:
    """The requirements of this distribution have no other signs than those that are compared."""
    assert packages.within("0.29.0rc1", ">=0.27,<0.30")
    assert packages.within("10.1", ">=10.1.0")
    assert not packages.within("9.5", ">=10.1")
    assert not packages.within("0.29", "<0.29.0")
    found = findings.base_requirements()
    assert len(found) > 8
    for each in found:
        assert re.fullmatch(r"[\w.-]+((>=|<)[\d.]+,?)+(;.*)?", each), each
    (checked,) = packages.check_dependencies(Machine())
    assert checked.status == "ok"


PROXY = "http://proxy.test:3128"
ROWS: list[tuple[MachineCheck, Machine, Status, str]] = [
    (packages.check_packages, PLAIN, "ok", __version__),
    (packages.check_packages, with_packages(kling_mock=None), "problem", "pip install kling-mock"),
    (packages.check_packages, with_packages(kling_mock="0.0.1"), "problem", "0.0.1 is installed"),
    (packages.check_dependencies, PLAIN, "ok", "httpx 0.28.1, msgspec 0.19"),
    (packages.check_dependencies, with_packages(uvloop="0.21"), "ok", "uvloop 0.21"),
    (
        packages.check_dependencies,
        with_packages(msgspec=None, httpx="0.24.1", uvloop="0.18"),
        "problem",
        "pip install 'httpx<0.29,>=0.27' 'msgspec>=0.19' 'uvloop>=0.19'",
    ),
    (packages.check_libraries, PLAIN, "ok", "httpx 0.28.1"),
    (packages.check_libraries, with_packages(requests="2.34"), "note", "fake.requests_adapter()"),
    (packages.check_libraries, with_packages(pytest_httpx="0.36"), "note", "should_mock"),
    (packages.check_plugin, PLAIN, "ok", "pytest loads the fixtures"),
    (packages.check_plugin, with_packages(pytest=None), "note", "pip install pytest"),
    (
        packages.check_plugin,
        replace(PLAIN, plugins=frozenset[str]),
        "problem",
        "the fixture kling is unknown",
    ),
    (packages.check_plugin, with_variables(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"), "problem", "-p kling_mock"),
    (surroundings.check_proxies, PLAIN, "ok", "no proxy variables"),
    (
        surroundings.check_proxies,
        with_variables(HTTP_PROXY=PROXY),
        "problem",
        "add localhost,127.0.0.1 to NO",
    ),
    (
        surroundings.check_proxies,
        with_variables(ALL_PROXY=PROXY, NO_PROXY="localhost"),
        "problem",
        "add 127.",
    ),
    (
        surroundings.check_proxies,
        with_variables(http_proxy=PROXY, no_proxy="localhost,127.0.0.1"),
        "ok",
        "http",
    ),
    (surroundings.check_proxies, with_variables(http_proxy=PROXY, NO_PROXY="*"), "ok", "exempts"),
    (surroundings.check_proxies, with_variables(HTTPS_PROXY=PROXY), "ok", "requests to http:// URLs"),
    (surroundings.check_proxies, with_variables(https_proxy="http://[::1"), "ok", "https_proxy (not a URL)"),
    (surroundings.check_keys, PLAIN, "ok", "COMETAPI_KEY: not set; KLING_BASE_URL: not set"),
    (
        surroundings.check_keys,
        with_variables(COMETAPI_KEY="sk-mock"),
        "problem",
        "the service refuses that key",
    ),
    (
        surroundings.check_keys,
        with_variables(COMETAPI_KEY=SECRET),
        "note",
        "kling-client calls the paid service",
    ),
    (
        surroundings.check_keys,
        with_variables(COMETAPI_KEY="sk-mock-a", KLING_BASE_URL="https://api.cometapi.com"),
        "problem",
        "the service refuses that key",
    ),
    (
        surroundings.check_keys,
        with_variables(COMETAPI_KEY="sk-mock-a", KLING_BASE_URL="http://127.0.0.1:8000"),
        "ok",
        "COMETAPI_KEY: a key of the mock; KLING_BASE_URL: this machine",
    ),
    (
        surroundings.check_keys,
        with_variables(KLING_BASE_URL="http://[::1]:80"),
        "note",
        "set COMETAPI_KEY=sk-mock",
    ),
    (
        surroundings.check_keys,
        with_variables(COMETAPI_KEY=SECRET, KLING_BASE_URL="http://localhost:8000"),
        "note",
        "--keys",
    ),
    (
        surroundings.check_keys,
        with_variables(COMETAPI_KEY=SECRET, KLING_BASE_URL="https://gateway.test"),
        "ok",
        "another host",
    ),
    (surroundings.check_keys, with_variables(KLING_BASE_URL="127.0.0.1:8000"), "problem", "absolute URL"),
    (surroundings.check_keys, with_variables(KLING_BASE_URL="http://u:p@127.0.0.1"), "problem", "not a URL"),
    (surroundings.check_keys, with_variables(KLING_BASE_URL="http://[::1"), "problem", "not a URL"),
    (surroundings.check_other_keys, PLAIN, "ok", "not set"),
    (surroundings.check_other_keys, with_variables(KLING_API_KEY=SECRET), "ok", "set: KLING_API_KEY"),
    (
        surroundings.check_other_keys,
        with_variables(KLING_ACCESS_KEY=SECRET),
        "problem",
        "KLING_SECRET_KEY is not",
    ),
    (surroundings.check_fonts, PLAIN, "ok", "Chinese, Japanese, Korean"),
    (surroundings.check_folder, PLAIN, "ok", "writable"),
    (surroundings.check_folder, replace(PLAIN, folder=Path("/absent/folder")), "problem", "another folder"),
    (surroundings.check_clock, PLAIN, "ok", "UTC"),
    (
        surroundings.check_clock,
        replace(PLAIN, now=lambda: 0.0),
        "problem",
        "1970-01-01 00:00 UTC is in the past",
    ),
]


def test_each_check_finds_its_problem() -> None:
    """By table: a check, a machine, its worst finding, and a part of the text or the hint."""
    wrong: list[object] = []
    for check, machine, status, text in ROWS:
        found = worst(run_check(check, machine))
        if found.status != status or text not in f"{found.text} -> {found.hint}":
            wrong.append((check.__name__, found))
    assert wrong == []


def test_every_problem_and_note_has_a_way_out() -> None:
    found = [each for check, machine, _, _ in ROWS for each in run_check(check, machine)]
    assert [each for each in found if (each.status != "ok") != bool(each.hint)] == []


def test_every_check_has_a_row() -> None:
    own = {packages.check_python, surroundings.check_port}
    assert {check for check, *_ in ROWS} | own == set(CHECKS)


def test_another_python_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert worst(run_check(packages.check_python, PLAIN)).status == "ok"
    monkeypatch.setattr(platform, "python_implementation", lambda: "PyPy")
    (found,) = run_check(packages.check_python, PLAIN)
    assert (found.status, found.text.startswith("PyPy 3")) == ("note", True)


def test_absent_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "base_face", lambda: fonts.Face(None))
    monkeypatch.setattr(fonts, "face_for", lambda _text, region: None if region == "KR" else fonts.Face(None))
    first, second = run_check(surroundings.check_fonts, PLAIN)
    assert (first.status, first.hint) == ("problem", "pip install fontpkg-inter")
    assert (second.status, second.hint) == ("note", "pip install 'kling-mock[fonts]'")
    assert second.text.startswith("no font for Korean:")


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which a socket listens that accepts nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def health() -> bytes:
    return Fake().handle(Request("GET", HEALTH_PATH)).body


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (health(), "ok", f"kling-mock {__version__} listens"),
        (
            b'{"server": "kling-mock", "version": "\\u001b[31m"}',
            "ok",
            "kling-mock of an unknown version listens",
        ),
        (None, "problem", "another program listens"),
        (b"<html>", "problem", "another program listens, an HTTP server"),
        (b"[]", "problem", "another program listens, an HTTP server"),
        (b"[" * 10_000, "problem", "another program listens, an HTTP server"),
    ],
    ids=["mock", "strange", "silent", "html", "list", "nested"],
)
def test_a_port_in_use(taken: int, body: bytes | None, status: Status, text: str) -> None:
    """The program that listens is named if it is a kling-mock, by its own reply."""
    (found,) = run_check(surroundings.check_port, replace(PLAIN, port=taken, get=lambda _port, _path: body))
    assert (found.check, found.status, found.text) == (f"port {taken}", status, text)
    assert bool(found.hint) == (status == "problem")


def test_a_free_port(taken: int) -> None:
    (found,) = run_check(surroundings.check_port, replace(PLAIN, port=0))
    assert (found.status, found.text) == ("ok", "free")


def test_a_port_that_needs_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    (found,) = run_check(surroundings.check_port, PLAIN)
    assert (found.status, found.text) == (
        "problem",
        "port 1 needs more rights than you have: use one from 1024 on",
    )


def test_the_reply_of_a_local_server(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A running mock has one; a program that accepts no connection has none within the patience."""
    body = health()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def reply() -> None:
            with listening.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

        server = Thread(target=reply)
        server.start()
        assert get_local(listening.getsockname()[1], HEALTH_PATH) == body
        server.join()
    monkeypatch.setattr(findings, "PATIENCE", 0.01)
    assert get_local(taken, HEALTH_PATH) is None


def test_the_report_has_no_secrets(tmp_path: Path) -> None:
    """Whatever the variables contain: names of variables are shown, and parts of no value."""
    ours = [value for name, value in vars(vocabulary).items() if name.endswith("_VARIABLE")]
    values = (
        SECRET,
        f"http://{SECRET}:{SECRET}@{SECRET}.test:3128/{SECRET}?token={SECRET}#{SECRET}",
        f"{SECRET}:{SECRET}@proxy.test",
        f"http://127.0.0.1:8000/{SECRET}",
        f"{SECRET}://x",
        f"http://[{SECRET}",
    )
    proxies = ("http_proxy", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    folder = tmp_path / SECRET
    for value in values:
        machine = replace(PLAIN, environ=dict.fromkeys((*ours, *proxies), value), folder=folder)
        text = report_text(run_checks(machine), colours=False)
        assert SECRET not in text
        assert all(name in text for name in ("COMETAPI_KEY", "KLING_MOCK_TOKEN", "HTTPS_PROXY", "ALL_PROXY"))


def test_a_broken_check_is_a_finding() -> None:
    def check_something(_: Machine) -> Iterator[Finding]:
        raise RuntimeError(SECRET)
        yield

    (found,) = run_check(check_something, PLAIN)
    assert (found.check, found.status) == ("something", "problem")
    assert found.text == "an internal error occurred: RuntimeError"


def test_colours_and_control_characters() -> None:
    found = [Finding("a", "ok", "x\x1b[31m"), Finding("long", "problem", "y", "z")]
    plain = report_text(found, colours=False)
    assert plain == ("ok       a     x\\x1b[31m\nproblem  long  y\n               -> z\n1 problem, 0 notes\n")
    assert report_text(found, colours=True).count("\x1b[") == 4
    assert report.report_json(found)["problems"] == 1
