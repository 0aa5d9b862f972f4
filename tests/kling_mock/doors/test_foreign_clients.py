"""Clients of other languages: Java's HttpClient, curl, and pages in a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import httpx
import pytest

from kling_mock import Fake
from tests.kling_mock.doors.raw_client import CREATE, connected
from tests.rows import exhaustive

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 100

# The bytes that the client of JDK 17 sends, headers in its order.
JAVA = (
    "POST {path} HTTP/1.1\r\n"
    "Connection: Upgrade, HTTP2-Settings\r\n"
    "Content-Length: {length}\r\n"
    "Host: 127.0.0.1:8000\r\n"
    "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
    "Upgrade: h2c\r\n"
    "User-Agent: Java-http-client/17.0.15\r\n"
    "Authorization: Bearer sk-raw\r\n"
    "Content-Type: application/json\r\n\r\n"
)


@pytest.fixture
def fake() -> Iterator[Fake]:
    fake = Fake(keys=["sk-raw"], pace="polls:1")
    yield fake
    fake.check()


def test_the_bytes_of_a_java_client(fake: Fake, good_body: bytes) -> None:
    """Head and body in two writes, as it sends them."""
    with fake.serve() as server, connected(server.url) as client:
        client.send(JAVA.format(path=CREATE, length=len(good_body)))
        client.send(good_body)
        assert client.read().status == 200
        client.send(JAVA.format(path=f"{CREATE}/{fake.task.id}", length=0).replace("POST", "GET"))
        assert json.loads(client.read().body)["data"]["task_status"] == "succeed"


@pytest.mark.skipif(shutil.which("java") is None, reason="needs a JDK: java is not installed")
@exhaustive
def test_a_java_client(fake: Fake) -> None:
    with fake.serve() as server:
        source = Path(__file__).with_name("Client.java")
        command = ["java", "-XX:TieredStopAtLevel=1", "-Djava.net.useSystemProxies=false", str(source)]
        command.append(server.url)
        run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if "compiler" in run.stderr and "not found" in run.stderr:
        pytest.skip("needs a JDK: this Java has no compiler")
    assert (run.stdout, run.stderr) == ("200 200 true HTTP_1_1\n", "")
    assert dict(fake.calls[0].headers)["user-agent"].startswith("Java-http-client/")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_that_asks_for_http_2(fake: Fake, good_body: bytes) -> None:
    with fake.serve() as server:
        key = "Authorization: Bearer sk-raw"
        command = ["curl", "-s", "--noproxy", "*", "--http2", "-H", key, "--data-binary", "@-"]
        command.append(server.url + CREATE)
        run = subprocess.run(command, input=good_body, capture_output=True, timeout=PATIENCE, check=True)
    assert json.loads(run.stdout)["code"] == 0


PAGE = """<!doctype html><meta charset="utf-8"><title>working</title><script>
(async () => {
  const report = (text) => fetch("/report", {method: "POST", body: text});
  try {
    const create = "SERVER/kling/v1/images/generations";
    const headers = {Authorization: "Bearer sk-raw", "Content-Type": "application/json"};
    const picture = {subject_image: "https://example.com/a.png"};
    const body = JSON.stringify({subject_image_list: [picture, picture]});
    const created = await (await fetch(create, {method: "POST", headers, body})).json();
    const polled = await (await fetch(`${create}/${created.data.task_id}`, {headers})).json();
    const image = await fetch(polled.data.task_result.images[0].url);
    const bytes = new Uint8Array(await image.arrayBuffer());
    const refused = await fetch(create, {method: "POST", headers, body: "{}"});
    let control = "open";
    try { await fetch("SERVER/_mock/health"); } catch (error) { control = "closed"; }
    await report([polled.data.task_status, bytes[1], refused.status,
      refused.headers.get("x-kling-mock-rule").split(";")[0], control].join(" "));
  } catch (error) { await report("error: " + error); }
})();
</script>"""


class _Page(BaseHTTPRequestHandler):
    """A development server: it serves the page and receives its report."""

    server_url: ClassVar[str] = ""
    reports: ClassVar[list[str]] = []
    done: ClassVar[threading.Event] = threading.Event()

    def do_GET(self) -> None:
        content = PAGE.replace("SERVER", self.server_url).encode()
        self.send_response(200 if self.path == "/" else 404)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.reports.append(self.rfile.read(int(self.headers["content-length"])).decode())
        self.send_response(204)
        self.end_headers()
        self.done.set()

    def log_message(self, *_: object) -> None: ...


def visit(fake: Fake, host: str, folder: Path) -> str:
    """The report of the page, opened in a browser as a page of `http://<host>:<port>`."""
    assert BROWSER is not None
    _Page.reports.clear()
    _Page.done.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as site, fake.serve() as server:
        _Page.server_url = server.url
        serving = threading.Thread(target=site.serve_forever, args=(0.01,))
        serving.start()
        rules = "--host-resolver-rules=MAP app.example 127.0.0.1"
        flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-proxy-server",
        ]
        url = f"http://{host}:{site.server_port}/"
        browser = subprocess.Popen(
            [BROWSER, *flags, "--remote-debugging-port=0", rules, f"--user-data-dir={folder}", url],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert _Page.done.wait(PATIENCE), "the page did not report"
        finally:
            browser.terminate()
            browser.wait(20)
            site.shutdown()
            serving.join()
    return _Page.reports[0]


NEEDS_BROWSER = pytest.mark.skipif(BROWSER is None, reason="needs a browser: chromium is not installed")


@NEEDS_BROWSER
def test_a_page_of_a_development_server_creates_polls_and_downloads(fake: Fake, tmp_path: Path) -> None:
    """It reads the rule of a refusal, and does not reach the control API."""
    assert visit(fake, "localhost", tmp_path) == "succeed 80 400 subject_image_list.required closed"


@exhaustive
@NEEDS_BROWSER
def test_a_page_of_another_host_does_not(fake: Fake, tmp_path: Path) -> None:
    assert visit(fake, "app.example", tmp_path).startswith("error: TypeError")
    assert not fake.tasks


# -- the same without a browser

PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}


@pytest.mark.parametrize(
    ("policy", "origin", "allowed"),
    [
        ("loopback", "http://localhost:5173", "http://localhost:5173"),
        ("loopback", "https://app.localhost", "https://app.localhost"),
        ("loopback", "http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("loopback", "http://[::1]:3000", "http://[::1]:3000"),
        ("loopback", "https://app.example", None),
        ("loopback", "http://localhost.app.example", None),
        ("loopback", "null", None),
        ("loopback", "file://localhost", None),
        ("loopback", "http://[", None),
        ("off", "http://localhost:5173", None),
        ("*", "https://app.example", "*"),
        ("*", "null", "*"),
        ("https://app.example", "https://app.example", "https://app.example"),
        ("https://app.example", "http://localhost:5173", None),
        ("https://app.example", "https://app.example.evil.example", None),
        ("null", "null", "null"),
    ],
)
def test_cors(policy: str, origin: str, allowed: str | None, good_body: bytes) -> None:
    """On preflights and on every reply of the imitated service, and never on the control API."""
    fake = Fake(cors=policy, pace="instant")
    allow = "access-control-allow-origin"
    with fake.serve() as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        client.headers.update({"origin": origin, "authorization": "Bearer sk-raw"})
        preflight = client.options(CREATE, headers=PREFLIGHT)
        assert preflight.status_code == (403 if allowed is None else 204)
        if allowed is None:
            assert f"--cors {origin}" in preflight.text
        else:
            assert preflight.headers["access-control-allow-headers"] == "authorization"
            assert "POST" in preflight.headers["access-control-allow-methods"]
        replies = [preflight, client.post(CREATE, content=good_body), client.post(CREATE)]
        replies += [client.get("/nowhere"), client.get(fake.task.images[0])]
        assert [each.headers.get(allow) for each in replies] == [allowed] * 5
        varies = policy not in ("*", "off")
        assert all(("Origin" in each.headers.get("vary", "")) == varies for each in replies[1:])
        for control in (client.get("/_mock/health"), client.options("/_mock/health", headers=PREFLIGHT)):
            assert allow not in control.headers


def test_without_an_origin_there_is_nothing_of_cors(good_body: bytes) -> None:
    with Fake().serve() as server:
        reply = httpx.post(
            server.url + CREATE, content=good_body, headers={"authorization": "Bearer k"}, trust_env=False
        )
    assert not [name for name in reply.headers if name.startswith("access-control") or name == "vary"]


@pytest.mark.parametrize(
    "policy", ["", "loop", "app.example", "https://app.example/", "https://a, https://b"]
)
def test_a_policy_that_is_not_one_is_refused(policy: str) -> None:
    with pytest.raises(ValueError, match=r"^cors: must be loopback, off, \* or an origin"):
        Fake(cors=policy)


def test_the_index_page() -> None:
    """For a browser; a client of the API, which has a key, gets the 404 of the API. No secret is shown."""
    fake = Fake(keys=["sk-mock", "sk-mock-*", "secret-one", "access:secret-two"])
    with fake.serve() as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        page = client.get("/")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert client.head("/").headers["content-length"] == str(len(page.content))
        paths = (CREATE, "/v1/images/multi-image2image", "/_mock/health", 'href="/_mock/"')
        icon = page.text.partition('rel="icon" href="')[2].partition('"')[0]
        assert client.get(icon).headers["content-type"].startswith("image/svg+xml")
        for expected in ("fake", "sk-mock-*", server.url, *paths):
            assert expected in page.text
        assert "2 given at the start" in page.text
        assert "secret" not in page.text
        assert client.get("/", headers={"authorization": "Bearer sk-mock"}).status_code == 404
        assert client.post("/").status_code == 401
    assert "Any key is accepted" in _page(Fake())
    assert "KLING_BASE_URL=https://me.example " in _page(Fake(base_url="https://me.example"))


def _page(fake: Fake) -> str:
    with fake.serve() as server:
        return httpx.get(f"{server.url}/", trust_env=False).text
