"""Figures of the dashboard with many tasks: `python -m benchmarks.dashboard [--browser PATH]`.

Prints, for 1,000 and 10,000 tasks: first contentful paint, the time until rows are shown, the longest task of
the main thread, also while 20 tasks a second are created, and the time until scrolling and a search have an
answer. Each figure is in milliseconds, measured in headless Chromium. Tasks of less than 50 ms count as 0.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from playwright.sync_api import Page, sync_playwright

from kling_mock import Fake, Request

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
FLAGS: Final = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
PATH: Final = "/kling/v1/images/generations"
PICTURES: Final = [{"subject_image": f"https://pictures.test/{name}.png"} for name in "ab"]
HEADERS: Final = (("authorization", "Bearer sk-mock"), ("host", "127.0.0.1"))
LIVE_SECONDS: Final = 5.0
OBSERVE: Final = """
window.longest = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.longest = Math.max(window.longest, entry.duration);
}).observe({ type: "longtask", buffered: true });
"""

PAINT: Final = "performance.getEntriesByName('first-contentful-paint')[0].startTime"

# Types a text into the search if there is one, and waits until an element has a text. Returns the
# milliseconds since then, or since the start of the page or another instant.
UNTIL: Final = """async ([typed, selector, text, since]) => {
  const input = document.querySelector('.toolbar input');
  const start = typed ? performance.now() : since;
  if (typed) {
    input.value = typed.trim();
    input.dispatchEvent(new Event('input'));
  }
  const has = (element) => element.textContent.includes(text);
  const found = () => [...document.querySelectorAll(selector)].some(has);
  while (!found()) await new Promise(requestAnimationFrame);
  return performance.now() - start;
}"""


def create(fake: Fake, number: int) -> None:
    body = {"subject_image_list": PICTURES, "prompt": f"number {number} of many, a cat at sea"}
    reply = fake.handle(Request("POST", PATH, headers=HEADERS, body=json.dumps(body).encode()))
    if reply.status != 200:
        raise RuntimeError(reply.body.decode())


@contextmanager
def created_meanwhile(fake: Fake, first: int) -> Iterator[None]:
    """Create 20 tasks a second in a thread."""
    done = threading.Event()

    def run() -> None:
        number = first
        while not done.wait(0.05):
            create(fake, number)
            number += 1

    thread = threading.Thread(target=run)
    thread.start()
    yield
    done.set()
    thread.join()


def measure(page: Page, fake: Fake, count: int, url: str) -> dict[str, float]:
    """The figures for a served fake with a number of tasks."""
    for number in range(count):
        create(fake, number)
    fake.clock.advance(20)  # a part of them has ended
    page.goto(f"{url}/")  # the first page of a browser costs more than a second
    page.add_init_script(OBSERVE)
    page.goto(f"{url}/_mock/")
    found = {"rows": float(page.evaluate(UNTIL, ["", ".row", "number", 0]))}
    page.wait_for_timeout(1000)
    found["first contentful paint"] = float(page.evaluate(PAINT))
    found["longest task at the start"] = float(page.evaluate("window.longest"))
    page.evaluate("window.longest = 0")
    start = float(page.evaluate("performance.now()"))
    page.evaluate("document.querySelector('.list').scrollTop = 150 * 46")
    found["scrolling"] = float(page.evaluate(UNTIL, ["", ".row", f"number {count - 151} of", start]))
    found["search"] = float(page.evaluate(UNTIL, ["number 7 of", ".count", "1 task", 0]))
    page.evaluate(UNTIL, [" ", ".count", f"{count:,} tasks", 0])
    with created_meanwhile(fake, count):
        page.wait_for_timeout(LIVE_SECONDS * 1000)
    found["longest task afterwards"] = float(page.evaluate("window.longest"))
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures. Returns the exit status: 1 if no browser was found."""
    parser = argparse.ArgumentParser(description="Measure the dashboard with many tasks.")
    parser.add_argument("--browser", help="path of Chromium or Chrome (default: the first one in PATH)")
    path = parser.parse_args(argv).browser or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        sys.stderr.write(f"no browser found in PATH ({', '.join(BROWSERS)}); name one with --browser\n")
        return 1
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        for count in (1_000, 10_000):
            fake = Fake(pace="seconds:5,60", seed=1)
            with fake.serve() as server:
                context = browser.new_context(viewport={"width": 1280, "height": 800})
                figures = measure(context.new_page(), fake, count, server.url)
                context.close()
            for name, value in figures.items():
                sys.stdout.write(f"{count:>6} tasks  {name:<28} {value:7.0f} ms\n")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
