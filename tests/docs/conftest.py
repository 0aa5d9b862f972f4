"""The pages of the documentation, and a runner of their blocks."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import httpcore  # noqa: F401 -- see below
import httpcore2  # noqa: F401 -- see below
import pytest

import kling_client.commands  # noqa: F401 -- see below
import kling_mock.callbacks.applications
import kling_mock.callbacks.receiver_loop
import kling_mock.callbacks.receivers
import kling_mock.doors.httpx_interception
import kling_mock.doors.webhook_sender
import kling_mock.shared_server
import kling_mock.timing.time_skipping  # noqa: F401 -- see below
from tests.docs.pages import ROOT, Page

if TYPE_CHECKING:
    from tests.docs.page_runner import PageRunner

# pytester removes the modules that a run inside this process was the first to import. A module imported twice
# has two classes of each name, so the modules that a page could be the first to import are imported above.

# So that their failed assertions show values.
pytest.register_assert_rewrite("tests.docs.page_runner", "tests.docs.project")


@pytest.fixture
def runner(
    request: pytest.FixtureRequest, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Path], PageRunner]]:
    """Makes the runner of a page; its working directory has `cat.png` and `boat.png`."""
    from tests.docs.page_runner import PageRunner  # after the call of register_assert_rewrite

    for name in ("cat.png", "boat.png"):
        shutil.copy(ROOT / "kling_mock" / "samples" / name, pytester.path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")  # the proxy of this machine, if any, is elsewhere
    monkeypatch.syspath_prepend(str(pytester.path))
    with ExitStack() as stack:
        yield lambda path: PageRunner(Page.read(path), request, pytester, stack)


@pytest.fixture
def readme() -> Page:
    return Page.read(ROOT / "README.md")
