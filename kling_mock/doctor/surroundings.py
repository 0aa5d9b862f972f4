"""Checks of environment variables, network, fonts, folder and clock."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Final, cast
from urllib.parse import urlsplit

from kling_contracts import vocabulary as names
from kling_contracts.gateways import INTERCEPTED_HOSTS
from kling_mock.doctor.findings import Finding, Machine

_PROXIES: Final = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_SCHEMES: Final = ("http", "https", "socks4", "socks5", "socks5h")
_LOOPBACK: Final = ("localhost", "127.0.0.1")
_MOCK_KEY: Final = re.compile(r"sk-mock(-.*)?")
# A system clock before this instant is wrong: the package is younger.
_EARLIEST: Final = datetime(2026, 1, 1, tzinfo=UTC)
_VERSION: Final = re.compile(r"[0-9][\w.+-]{0,40}")


def check_proxies(machine: Machine) -> Iterator[Finding]:
    """The proxy variables, and whether requests to this machine bypass the proxy."""
    given = {name: value for name in _PROXIES if (value := machine.environ.get(name, "").strip())}
    if not given:
        yield Finding("proxies", "ok", "no proxy variables")
        return
    text = ", ".join(f"{name} ({_describe_proxy(value)})" for name, value in given.items())
    exempt = machine.environ.get("no_proxy") or machine.environ.get("NO_PROXY") or ""
    missing = [host for host in _LOOPBACK if not _exempts(exempt, host)]
    if not missing:
        yield Finding("proxies", "ok", f"{text}; NO_PROXY exempts this machine")
    elif all("https" in name.lower() for name in given):
        yield Finding("proxies", "ok", f"{text}; requests to http:// URLs have no proxy")
    else:
        text += f"; NO_PROXY does not exempt {' and '.join(missing)}, so requests for a mock reach the proxy"
        hint = f"add {','.join(missing)} to NO_PROXY and no_proxy"
        yield Finding("proxies", "problem", text, f"{hint} (kling-client and the fixtures do not need it)")


def _exempts(no_proxy: str, host: str) -> bool:
    return not {"*", host}.isdisjoint(each.strip().lower() for each in no_proxy.split(","))


def _describe_proxy(value: str) -> str:
    """A proxy without its host, user and password: internal names do not belong in an issue either."""
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
    except ValueError:
        return "not a URL"
    scheme = parts.scheme if parts.scheme in _SCHEMES else "unusual scheme"
    return f"{scheme}, with credentials" if "@" in parts.netloc else scheme


def check_keys(machine: Machine) -> Iterator[Finding]:
    """Whether key and base URL of the client are set, and go together."""
    key = machine.environ.get(names.API_KEY_VARIABLE, "").strip()
    base_url = machine.environ.get(names.BASE_URL_VARIABLE, "").strip()
    of_mock = _MOCK_KEY.fullmatch(key) is not None
    place = _place(base_url)
    key_text = "not set" if not key else "a key of the mock" if of_mock else "set, not a key of the mock"
    text = f"{names.API_KEY_VARIABLE}: {key_text}; {names.BASE_URL_VARIABLE}: {place}"
    local = f"{names.BASE_URL_VARIABLE}=http://127.0.0.1:{machine.port}"
    if place == "not a URL":
        hint = f"set an absolute URL such as {local}"
        yield Finding("key and base URL", "problem", text, hint)
    elif of_mock and place in ("not set", "the service"):
        hint = f"the service refuses that key: for a local server set {local}"
        yield Finding("key and base URL", "problem", text, hint)
    elif not key and place == "this machine":
        hint = f"set {names.API_KEY_VARIABLE}=sk-mock, which kling-mock serve accepts"
        yield Finding("key and base URL", "note", text, hint)
    elif key and not of_mock and place == "this machine":
        hint = f"set {names.API_KEY_VARIABLE}=sk-mock, or start kling-mock serve with --keys"
        yield Finding("key and base URL", "note", text, hint)
    elif key and not of_mock and place in ("not set", "the service"):
        hint = f"kling-client calls the paid service; for a local server set {local}"
        yield Finding("key and base URL", "note", text, hint)
    else:
        yield Finding("key and base URL", "ok", text)


def check_other_keys(machine: Machine) -> Iterator[Finding]:
    """Which other variables of this package are set."""
    others = [
        value
        for name, value in vars(names).items()
        if name.endswith("_VARIABLE") and value not in (names.API_KEY_VARIABLE, names.BASE_URL_VARIABLE)
    ]
    given = [name for name in others if machine.environ.get(name, "").strip()]
    text = f"set: {', '.join(given)}" if given else "not set"
    pair = (names.ACCESS_KEY_VARIABLE, names.SECRET_KEY_VARIABLE)
    if len(absent := [name for name in pair if name not in given]) == 1:
        yield Finding("other keys", "problem", f"{text}; {absent[0]} is not", f"set {' and '.join(pair)}")
    else:
        yield Finding("other keys", "ok", text)


def _place(base_url: str) -> str:
    from kling_mock.doors.origins import is_loopback

    if not base_url:
        return "not set"
    try:
        parts = urlsplit(base_url)
        host = parts.hostname if parts.scheme in ("http", "https") and "@" not in parts.netloc else None
    except ValueError:
        host = None
    if not host:
        return "not a URL"
    if is_loopback(host):
        return "this machine"
    return "the service" if host in INTERCEPTED_HOSTS else "another host"


def check_port(machine: Machine) -> Iterator[Finding]:
    """Whether `kling-mock serve` can listen on its port, or which program does already."""
    from kling_mock.doors.listening import AddressRefused, bind

    check = f"port {machine.port}"
    try:
        with closing(bind("127.0.0.1", machine.port)):
            yield Finding(check, "ok", "free")
    except AddressRefused as error:
        body = machine.get(machine.port, names.HEALTH_PATH)
        running = _version_of_mock(body)
        if running is not None:
            yield Finding(check, "ok", f"kling-mock {running} listens")
        elif "in use" not in str(error):
            yield Finding(check, "problem", str(error), "give kling-mock serve another --port")
        else:
            text = "another program listens" + ("" if body is None else ", an HTTP server")
            hint = "stop it, or give kling-mock serve another --port (0: any free one)"
            yield Finding(check, "problem", text, hint)


def _version_of_mock(body: bytes | None) -> str | None:
    try:
        reply = json.loads(body or b"null")
    except (ValueError, RecursionError):
        return None
    if not isinstance(reply, dict):
        return None
    fields = cast("dict[str, object]", reply)
    number = fields.get("version")
    if fields.get("server") != "kling-mock" or not isinstance(number, str):
        return None
    return number if _VERSION.fullmatch(number) else "of an unknown version"


def check_fonts(_: Machine) -> Iterator[Finding]:
    """Which scripts the pictures of results can draw."""
    try:
        from kling_mock.images.fonts import base_face, face_for
    except ImportError:
        text = "pillow cannot be imported: no pictures"
        yield Finding("fonts", "problem", text, "pip install --force-reinstall pillow")
        return
    if base_face().path is None:
        text = "the font Inter is absent: pictures show ASCII only"
        yield Finding("fonts", "problem", text, "pip install fontpkg-inter")
    faces = {
        "Chinese": face_for("漢字", "SC"),
        "Japanese": face_for("かな", "JP"),
        "Korean": face_for("한글", "KR"),
    }
    if absent := [name for name, face in faces.items() if face is None]:
        text = f"no font for {', '.join(absent)}: pictures show signs for missing characters in prompts"
        yield Finding("fonts", "note", text, "pip install 'kling-mock[fonts]'")
    else:
        yield Finding("fonts", "ok", "Latin, Greek, Cyrillic, Chinese, Japanese, Korean")


def check_folder(machine: Machine) -> Iterator[Finding]:
    """Whether the working folder is writable."""
    try:
        with tempfile.TemporaryFile(dir=machine.folder) as file:
            file.write(b"kling-mock")
    except OSError as error:
        text = f"not writable: {error.strerror}"
        hint = "run in another folder, or give --out, --state and --ready-file paths elsewhere"
        yield Finding("working folder", "problem", text, hint)
    else:
        yield Finding("working folder", "ok", "writable")


def check_clock(machine: Machine) -> Iterator[Finding]:
    """Whether the system time is possible. Tokens (JWT) and signatures of callbacks depend on it."""
    now = machine.now()
    shown = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if now < _EARLIEST.timestamp():
        text = f"{shown} is in the past: tokens and signed callbacks are refused"
        yield Finding("clock", "problem", text, "set the system time")
    else:
        yield Finding("clock", "ok", shown)
