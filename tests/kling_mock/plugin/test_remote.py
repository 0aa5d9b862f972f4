"""The fixture `kling_remote`: each test has an account of its own on a running server."""

from __future__ import annotations

import pytest

from kling_mock import Fake, RemoteError
from kling_mock.remote.fixture import account_of_test

SUITE = """
import os
import httpx
import pytest

URLS = [{"subject_image": f"https://example.com/{name}.png"} for name in ("cat", "boat")]


def create():
    headers = {"authorization": f"Bearer {os.environ['COMETAPI_KEY']}"}
    url = os.environ["KLING_BASE_URL"] + "/kling/v1/images/generations"
    return httpx.post(url, json={"subject_image_list": URLS}, headers=headers, trust_env=False).json()


def test_scripted(kling_remote):
    kling_remote.next.refuses(1303)
    assert create()["code"] == 1303
    assert kling_remote.tasks == ()


def test_alone(kling_remote):
    create()
    assert kling_remote.task.status == "submitted"
    kling_remote.when(prompt="left behind").fails("no").optional()


def test_unused(kling_remote):
    kling_remote.next.fails("no")


@pytest.mark.kling(pace="instant")
def test_marked(kling_remote):
    pass


def test_failed(kling_remote):
    create()
    kling_remote.next.fails("not reported, because the test fails")
    assert kling_remote.task.polls == 1
"""


def test_tests_share_a_server_with_one_account_each(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(SUITE)
    fake = Fake(pace="held:submitted", keys=["sk-mock-*"])
    with fake.serve() as server:
        monkeypatch.setenv("KLING_MOCK_URL", server.url)
        run = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:randomly")
    run.assert_outcomes(passed=3, failed=1, errors=2)
    run.stdout.fnmatch_lines(["*marker kling: does not apply to the fixture kling_remote*"])
    run.stdout.fnmatch_lines(["*fixture kling_remote: 1 script had no effect*"])
    run.stdout.fnmatch_lines(
        ["*kling_remote: timeline*", "*POST /kling/v1/images/generations -> 200 submitted*"]
    )
    assert len({call.account for call in fake.calls}) == 3
    assert list(fake.scripts) == []
    fake.check()


@pytest.mark.parametrize("token", ["the-token", "no token"])
def test_the_report_of_an_error_has_no_token(token: str) -> None:
    with pytest.raises(RemoteError) as caught, account_of_test("http://127.0.0.1:1", token, "test"):
        pass
    shown = [entry.frame for entry in caught.traceback.filter(caught)][1:]  # without this function
    assert 0 < len(shown) < len(caught.traceback) - 1
    assert token not in [value for frame in shown for value in frame.f_locals.values()]


def test_without_a_url_the_way_out_is_named() -> None:
    with (
        pytest.raises(RemoteError, match=r"kling_mock_url .* KLING_MOCK_URL"),
        account_of_test("", None, "test"),
    ):
        pass


def test_a_server_with_certain_keys_is_refused() -> None:
    with (
        Fake(keys=["sk-mock-a"]).serve() as server,
        pytest.raises(RemoteError, match=r"--keys 'sk-mock-\*'"),
        account_of_test(server.url, None, "test"),
    ):
        pass
