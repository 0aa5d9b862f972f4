"""Writes the generated pages: `python -m docs.generate [--check]`.

The rules and responses of the service are data in `contracts`, with a source each; the settings of the mock
are data in `kling_mock.settings`. The pages contain that data as tables, and a few paragraphs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from docs.faithful_page import faithful
from docs.settings_page import settings

HERE: Final = Path(__file__).parent
PAGES: Final = {"faithful.md": faithful, "settings.md": settings}


def main(argv: Sequence[str] | None = None) -> int:
    """Write the pages; with `--check` only compare them. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Write the generated pages of docs/.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is out of date")
    check = parser.parse_args(argv).check
    stale: list[str] = []
    for name, render in PAGES.items():
        path, text = HERE / name, render()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.write_text(text, encoding="utf-8")
    for name in stale:
        sys.stdout.write(f"docs/{name} {'is out of date: run make docs' if check else 'written'}\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
