"""A page of the dashboard in headless Chromium, with a served fake whose clock stands still.

Playwright's loop runs in the thread of the test while a browser is open, so these tests call no asyncio.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

import pytest

from kling_mock import Fake
from tests.kling_mock.conftest import Caller

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Error, Locator, Page, ViewportSize

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-software-rasterizer",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Two cores may be busy with the other tests.
PATIENCE: Final = 20_000
SIZE: Final[ViewportSize] = {"width": 1040, "height": 600}
PERMISSIONS: Final = ["clipboard-read", "clipboard-write"]


def give_up(reason: str) -> NoReturn:
    """Skip the test, or fail it where the variable says that a browser must be there."""
    if os.environ.get("KLING_MOCK_REQUIRE_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        give_up("needs a browser: chromium is not installed")
    try:
        from playwright.sync_api import expect, sync_playwright
    except ImportError:
        give_up("needs the package playwright")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


class Dashboard:
    """A page of the dashboard, and the served fake that it shows. `problems` are errors in its console."""

    def __init__(self, page: Page, url: str, fake: Fake) -> None:
        self.page = page
        self.fake = fake
        self.caller = Caller(fake, "sk-mock")
        self.url = f"{url}/_mock/"
        self.problems: list[str] = []

    def open(self, place: str = "") -> Page:
        """Load a place of the dashboard, such as `#/calls`, and wait until it is connected."""
        self.page.goto("about:blank")
        self.page.goto(self.url + place)
        self.expect(self.page.locator("#connection")).to_have_text("live")
        return self.page

    def go(self, place: str) -> None:
        """Go to another place of the open dashboard, and wait until it has loaded its data."""
        self.page.goto(self.url + place)
        main = self.page.locator("main")
        self.expect(main).to_have_attribute("data-place", self.page.evaluate("location.hash"))
        self.expect(main).to_have_attribute("aria-busy", "false")

    def expect(self, locator: Locator) -> Any:
        """Assertions that wait."""
        from playwright.sync_api import expect

        return expect(locator)

    @property
    def rows(self) -> Locator:
        """The visible rows of the list."""
        return self.page.locator(".row")

    @property
    def width(self) -> int:
        """The width of the page in pixels, which is more than that of the window if it scrolls."""
        return cast("int", self.page.evaluate("document.documentElement.scrollWidth"))


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """A page for all tests of a module: another one would cost two seconds of CPU each."""
    context = browser.new_context(viewport=SIZE, reduced_motion="reduce", permissions=PERMISSIONS)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    yield page
    context.close()


@pytest.fixture
def dashboard(page: Page) -> Iterator[Dashboard]:
    """The dashboard of a new fake, whose clock stands still. The test fails if the console has an error."""
    fake = Fake(pace="seconds:2,8", keys=["sk-mock", "sk-mock-*"])
    fake.clock.freeze()
    with fake.serve() as server:
        shown = Dashboard(page, server.url, fake)

        def keep(message: ConsoleMessage | Error) -> None:
            if getattr(message, "type", "error") in ("error", "warning"):
                shown.problems.append(
                    str(message.message if isinstance(message, Exception) else message.text)
                )

        page.on("console", keep)
        page.on("pageerror", keep)
        yield shown
        page.remove_listener("console", keep)
        page.remove_listener("pageerror", keep)
        page.goto("about:blank")
    assert shown.problems == []
