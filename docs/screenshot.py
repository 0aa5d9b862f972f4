"""Writes `images/demo.png`, the picture of the README: `python docs/screenshot.py [--browser PATH]`.

Runs the demo, and renders its terminal output and its result image side by side in headless Chromium.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from base64 import b64encode
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from PIL import Image
from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

PICTURE: Final = Path(__file__).parent / "images" / "demo.png"
COLUMNS: Final = 96
SIZE: Final = (1136, 318)
SCALE: Final = 1.6
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
PAGE: Final = """\
<!DOCTYPE html><meta charset="utf-8"><style>
body {{ margin: 0; display: flex; align-items: center; background: #fff; }}
pre {{ margin: 0 16px 0 0; padding: 16px; border-radius: 8px; background: #0c0c0c; color: #d9d9d9;
  font: 13px/19px "DejaVu Sans Mono", monospace; }}
img {{ width: 340px; border-radius: 8px; }}
</style><pre>{terminal}</pre><img src="data:image/png;base64,{image}">
"""


def run_demo(folder: Path) -> tuple[str, bytes]:
    """The terminal output of the demo, with colours, and the bytes of its result image."""
    run = subprocess.run(
        [sys.executable, "-m", "kling_mock", "demo"],
        cwd=folder,
        env=os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"},
        check=True,
        capture_output=True,
        text=True,
    )
    (image,) = (folder / "demo-out").glob("*.png")
    return run.stdout, image.read_bytes()


def as_html(output: str) -> str:
    """Terminal output as HTML, without the lines of the spinner, which a terminal erases."""
    lines = [line for line in output.splitlines() if "waiting for the task" not in line]
    shown = "\n".join(lines).replace("\n\x1b[?25h", "").rstrip()
    console = Console(record=True, width=COLUMNS, file=StringIO())
    console.print(Text.from_ansi(f"$ make demo\n{shown}"))
    return console.export_html(theme=SVG_EXPORT_THEME, code_format="{code}", inline_styles=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the picture. Returns the exit status: 1 if no browser was found."""
    parser = argparse.ArgumentParser(description="Write docs/images/demo.png.")
    parser.add_argument("--browser", help="path of Chromium or Chrome (default: the first one in PATH)")
    browser = parser.parse_args(argv).browser or next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.stderr.write(f"no browser found in PATH ({', '.join(BROWSERS)}); name one with --browser\n")
        return 1
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        output, image = run_demo(folder)
        page, shot = folder / "page.html", folder / "shot.png"
        page.write_text(
            PAGE.format(terminal=as_html(output), image=b64encode(image).decode()), encoding="utf-8"
        )
        subprocess.run(
            [
                browser,
                "--headless",
                "--no-sandbox",
                "--hide-scrollbars",
                f"--force-device-scale-factor={SCALE}",
                f"--window-size={SIZE[0]},{SIZE[1]}",
                f"--screenshot={shot}",
                page.as_uri(),
            ],
            check=True,
            capture_output=True,
        )
        PICTURE.parent.mkdir(exist_ok=True)
        with Image.open(shot) as shown:
            shown.convert("RGB").quantize(128).save(PICTURE, optimize=True)
    sys.stdout.write(f"{PICTURE.relative_to(PICTURE.parents[2])} written, {PICTURE.stat().st_size:,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
