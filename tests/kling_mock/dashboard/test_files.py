"""The files of the dashboard: how they are served, and the types of the control API among them."""

from __future__ import annotations

import re

from kling_mock import Fake
from kling_mock.control_api.access import Peer
from kling_mock.control_api.api import ControlAPI
from kling_mock.dashboard import POLICY, page_files
from kling_mock.http import Reply, Request
from tests.kling_mock.dashboard.model_types import FILE, model_types

HERE = Peer(is_local=True, host_is_local=True)
ELSEWHERE = Peer(is_local=False, host_is_local=False)


def get(fake: Fake, path: str, peer: Peer = HERE, method: str = "GET", **headers: str) -> Reply:
    given = tuple((name.replace("_", "-"), value) for name, value in {"host": "127.0.0.1", **headers}.items())
    reply = ControlAPI(fake).answer(Request(method, path, headers=given), peer)
    assert isinstance(reply, Reply)
    return reply


def test_the_page_and_its_files_are_served_with_a_strict_policy() -> None:
    fake = Fake()
    page = get(fake, "/_mock/")
    names = re.findall(r'(?:href|src)="(ui/[^"]+)"', page.body.decode())
    assert {"ui/main.js", "ui/style.css", "ui/icon.svg"} <= set(names)
    types = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
    for name in names:
        reply = get(fake, f"/_mock/{name}")
        assert (reply.status, reply.content_type) == (200, types[name.rpartition(".")[2]])
    for path in page_files():
        headers = dict(get(fake, path).headers)
        assert headers["content-security-policy"] == POLICY
        assert get(fake, path, if_none_match=headers["etag"]).status == 304
    assert "unsafe" not in POLICY
    assert (get(fake, "/_mock").status, dict(get(fake, "/_mock").headers)["location"]) == (307, "_mock/")
    for path in ("/_mock/ui/", "/_mock/ui/models.d.ts", "/_mock/ui/__init__.py", "/_mock/ui/..%2Findex.html"):
        assert get(fake, path).status == 404


def test_the_page_has_the_same_rules_of_access_except_for_the_token() -> None:
    assert get(Fake(), "/_mock/", ELSEWHERE).status == 403
    assert get(Fake(), "/_mock/", HERE._replace(exposed=True)).status == 403
    assert get(Fake(control_token="let-me-in"), "/_mock/", ELSEWHERE).status == 200
    assert get(Fake(control_token="let-me-in"), "/_mock/", origin="https://other.example").status == 403
    assert get(Fake(control_token="let-me-in"), "/_mock/clock", ELSEWHERE).status == 401
    assert get(Fake(), "/_mock/", method="POST").status == 404


def test_the_modules_insert_no_html_and_load_no_file_of_other_hosts() -> None:
    for path, file in page_files().items():
        text = file.content.decode()
        found = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|\.style\.cssText", text
        )
        assert (path, found) == (path, [])
        hosts = set(re.findall(r"https?://([\w.-]+)", text))
        assert hosts <= {"www.w3.org", "example.com"}


def test_the_types_of_the_control_api_are_up_to_date() -> None:
    """`make docs` writes them."""
    assert FILE.read_text(encoding="utf-8") == model_types()
