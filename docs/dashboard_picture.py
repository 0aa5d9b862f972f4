"""Writes `images/dashboard.png`: `python docs/dashboard_picture.py [--browser PATH]`.

Serves a fake with some tasks, and renders its dashboard in headless Chromium.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw
from playwright.sync_api import sync_playwright

from kling_mock import Fake, ManualClock, Request

PICTURE: Final = Path(__file__).parent / "images" / "dashboard.png"
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
PATH: Final = "/kling/v1/images/generations"
START: Final = 1_795_880_000.0
SIDE: Final = 400
PROMPTS: Final = (
    "a cat at sea, drawn in ink",
    "two robots play chess in a garden",
    "the same kitchen, in the evening",
    "a lighthouse of paper",
    "a poster for a small cinema",
    "the harbour in winter",
    "a cat and a boat, as a stamp",
    "portrait of a gardener",
    "an orange bicycle",
)


def picture(colour: str, shape: str) -> str:
    """A drawn picture in base64."""
    image = Image.new("RGB", (SIDE, SIDE), colour)
    ImageDraw.Draw(image).ellipse((90, 90, 310, 310), fill=shape)
    content = BytesIO()
    image.save(content, "PNG")
    return b64encode(content.getvalue()).decode()


def send(fake: Fake, method: str, path: str, body: object = None, key: str = "sk-mock") -> None:
    headers = (("authorization", f"Bearer {key}"), ("host", "127.0.0.1:8000"))
    content = b"" if body is None else json.dumps(body).encode()
    fake.handle(Request(method, path, headers=headers, body=content, origin="http://127.0.0.1:8000"))


def fill(fake: Fake) -> str:
    """Create and poll tasks in different states; the id of the one to show."""
    fake.callbacks.deliver_to(lambda _: 200)
    pictures = [picture("#31456b", "#f2a65a"), picture("#1b6b5f", "#f4d35e")]
    fake.when(prompt="*kitchen*").fails("Image pixel is invalid")
    for number, prompt in enumerate(PROMPTS):
        body = {
            "subject_image_list": [{"subject_image": each} for each in pictures],
            "prompt": prompt,
            "n": 1 + number % 2,
            "callback_url": "http://127.0.0.1:3000/kling",
        }
        send(fake, "POST", PATH, body, "sk-mock" if number % 3 else "sk-mock-team")
        fake.clock.advance(4)
        for task in list(fake.tasks)[-4:]:
            send(fake, "GET", f"{PATH}/{task.id}", key=task.account)
        fake.clock.advance(3)
    return next(task.id for task in fake.tasks if task.request.prompt == PROMPTS[1])


def main(argv: Sequence[str] | None = None) -> int:
    """Write the picture. Returns the exit status: 1 if no browser was found."""
    parser = argparse.ArgumentParser(description="Write docs/images/dashboard.png.")
    parser.add_argument("--browser", help="path of Chromium or Chrome (default: the first one in PATH)")
    browser = parser.parse_args(argv).browser or next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.stderr.write(f"no browser found in PATH ({', '.join(BROWSERS)}); name one with --browser\n")
        return 1
    fake = Fake(pace="seconds:6,24", clock=ManualClock(START), seed=7, thumbnails=True)
    task = fill(fake)
    with fake.serve() as server, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--headless", "--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1360, "height": 640}, timezone_id="UTC")
        page.goto(f"{server.url}/_mock/#/tasks/{task}")
        page.get_by_role("img", name="Result 1").wait_for()
        page.wait_for_timeout(1500)
        shot = page.screenshot()
        chromium.close()
    with Image.open(BytesIO(shot)) as shown:
        shown.convert("RGB").quantize(128).save(PICTURE, optimize=True)
    sys.stdout.write(f"{PICTURE.relative_to(PICTURE.parents[2])} written, {PICTURE.stat().st_size:,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
