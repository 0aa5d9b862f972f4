"""The fixtures in workers of pytest-xdist: their sockets and reports."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Suite = Callable[..., pytest.RunResult]


def test_sockets_unused_scripts_and_timelines_of_workers(suite: Suite, pytester: pytest.Pytester) -> None:
    """One run of two workers, each of which runs all tests.

    The URL is the same for all tests of a worker, and another one for the other worker, without coordination.
    """
    result = suite(
        """
        import os, httpx, pytest
        from poster import make, poster

        @pytest.mark.parametrize("number", range(3))
        def test_url(kling_server, number):
            with open(f"{os.environ['PYTEST_XDIST_WORKER']}-{number}.url", "w") as note:
                note.write(kling_server.url)

        def test_script(kling):
            kling.when(prompt="cat").fails("no cats")

        def test_script_of_the_server(kling_server):
            kling_server.when(prompt="cat").fails("no cats")
            with httpx.Client(verify=False, trust_env=False) as client:
                make(client, prompt="a cat at sea")

        @pytest.mark.kling(sleep="advance", clock=__import__("kling_mock").ManualClock)
        def test_poster(kling):
            kling.when(prompt="*cat*").succeeds()
            kling.next.fails("Image pixel is invalid")
            poster(prompt="a dog")
        """,
        *("-p", "xdist", "-n", "2", "--dist", "each"),
        apart=True,
    )
    result.assert_outcomes(passed=10, errors=4, failed=2)
    notes: dict[str, set[str]] = {}
    for file in sorted(pytester.path.glob("*.url")):
        notes.setdefault(file.name.partition("-")[0], set()).add(file.read_text())
    assert len(notes) == 2
    assert all(len(urls) == 1 for urls in notes.values())
    assert len(set.union(*notes.values())) == 2
    for fixture, line in (("kling", 10), ("kling_server", 13)):
        result.stdout.fnmatch_lines(
            [f"fixture {fixture}: 1 script had no effect", f"test_users.py:{line}: {fixture}.when(prompt=*"]
        )
    result.stdout.fnmatch_lines(["    prompt: expected 'cat', got 'a cat at sea'; *"])
    result.stdout.fnmatch_lines(
        ["* kling: timeline *", "+0.000s  call      POST *", "unused script #0: *"], consecutive=False
    )
