"""The command `verify`: its flags, output, plan and usage errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kling_contracts.cli import main
from kling_contracts.gateways import COMETAPI, GATEWAYS, Gateway
from kling_contracts.registry import SUITE
from kling_contracts.verify.model import Verdict
from kling_contracts.verify.plan import Options, plan
from kling_contracts.vocabulary import API_KEY_VARIABLE, SECOND_API_KEY_VARIABLE
from kling_mock import Fake
from tests.contracts.verify.conftest import Campaign

KEY, SECOND = "sk-one-secret-0001", "sk-two-secret-0002"
HOSTILE = "<script>alert(1)</script>\x1b[31m\x00\ud800]]>"


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (API_KEY_VARIABLE, SECOND_API_KEY_VARIABLE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Fake(keys=[KEY, SECOND], pace="seconds:0.1,0.1").serve() as served:
        yield served.url


def test_a_correct_server_passes_and_no_output_has_the_key(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(API_KEY_VARIABLE, KEY)
    flags = [f"--report={kind}={tmp_path / kind}" for kind in ("json", "junit", "html")]
    flags += ["--record", str(tmp_path / "record"), "--only", "refuses.prompt.*", "auth.*"]
    assert main(["verify", "--base-url", url, *flags]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("passed: ")
    assert "\x1b" not in shown.out
    assert shown.err == ""
    texts = [shown.out, *(path.read_text(encoding="utf-8") for path in tmp_path.iterdir())]
    assert len(texts) == 5
    for part in (KEY, KEY[:-1], KEY.swapcase(), KEY[: len(KEY) // 2]):
        assert not [text for text in texts if part in text]


def test_a_pipe_gets_no_padding(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Checks that did not run are listed; a line is not padded."""
    given = ["--max-images", "0", "--only", "refuses.prompt.*", "accepts.*", "auth.*"]
    main(["verify", "--base-url", url, "--api-key", KEY, *given])
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("  refuses.prompt.max_length, ") for line in lines)
    assert [line for line in lines if line != line.rstrip()] == []


def test_a_full_disk_ends_the_recording_and_not_the_run(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--record", "/dev/full", "--only", "routing.unknown_ids"]
    assert main(["verify", "--base-url", url, "--api-key", KEY, *flags]) == 0
    assert "--record /dev/full: the recording is incomplete: No space left" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--base-url", "127.0.0.1:8000"], "must begin with http"),
        (["--base-url", "http://me:word@127.0.0.1"], "a password"),
        (["--base-url", "http://127.0.0.1/?a=1"], "must end before ?"),
        (["--report", "pdf=x"], "json=FILE, junit=FILE, html=FILE"),
        (["--report", "json=/nowhere/at/all"], "cannot be written"),
        (["--record", "/nowhere/at/all"], "cannot be written"),
        (["--only", "refuses.prompt.maxlength"], "did you mean 'refuses.prompt.max_length'"),
        (["--max-images", "-1"], "--max-images: must be 0 or more; got -1"),
        (["--deadline", "0"], "above 0; got 0"),
        (["--known", "/nowhere"], "--known /nowhere"),
        (["--only", "refuse.*"], "did you mean 'refuses.*'?"),
        (["--only", "auth"], "did you mean 'auth.*'?"),
        (["--api-key", ""], "--api-key: must not be empty; omit it"),
        (["--api-key", "sk key"], "--api-key: must be printable ASCII without blanks; got 6 characters"),
        (["--plan", "--record", "run.jsonl"], "--plan sends nothing"),
        (["--record", "x.json", "--report", "json=./x.json"], "must not replace the recording"),
        (["--report", "json=x.json", "--report", "html=./x.json"], "the file of another report"),
        (["--second-api-key", KEY], "another account"),
        (["--operation", "tts"], "--operation: CometAPI: unknown operation 'tts'; known: multi-image, "),
        (["--operation", "multi-image", "--gateway", "kling"], "did you mean 'multi-image2image'"),
        (
            ["--operation", "text-to-image", "--only", "result_images.ration"],
            "did you mean 'result_images.ratio'",
        ),
    ],
)
def test_wrong_usage_is_reported_and_nothing_is_sent(
    flags: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing listens at this address: a request would give status 3."""
    assert main(["verify", "--base-url", "http://127.0.0.1:9", "--api-key", KEY, *flags]) == 2
    shown = capsys.readouterr()
    assert expected in shown.err
    assert shown.out == ""


def test_a_check_that_needs_tasks_creates_them_when_it_is_selected_alone(light_campaign: Campaign) -> None:
    only = (
        "errors.duplicate_id",
        "account_isolation.tasks",
        "account_isolation.external_ids",
        "invalid_requests.no_callback",
    )
    report = light_campaign(COMETAPI, only=only).report
    assert {result.check.id: result.verdict for result in report.results} == dict.fromkeys(only, Verdict.PASS)


def test_no_server_and_a_refused_key_are_status_3(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--base-url", "http://127.0.0.1:9", "--api-key", KEY]) == 3
    assert main(["verify", "--base-url", url, "--api-key", "sk-unknown-0000"]) == 3
    assert "the key is refused" in capsys.readouterr().err


@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda each: each.name)
def test_all_required_steps_fit_in_twenty_images(gateway: Gateway) -> None:
    options = Options(
        base_url="http://127.0.0.1:9",
        api_key="access:secret",
        second_api_key=SECOND,
        gateway=gateway,
        max_images=20,
    )
    planned = plan(options, SUITE)
    lacking = {each.missing for each in planned if each.step.required and each.missing}
    assert len(planned) > 40
    assert lacking <= ({"access and secret key"} if not gateway.takes_tokens else set())


def test_a_plan_sends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--base-url", "http://127.0.0.1:9", "--plan", "--json", "--max-images", "20"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["totals"]["creates"] <= shown["totals"]["reserves"] <= 20
    assert main(["verify", "--base-url", "http://127.0.0.1:9", "--plan"]) == 0
    assert "--max-images" in capsys.readouterr().out


def test_an_operation_is_planned_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """The plan has the fields of the operation, and the commands of explain have --operation."""
    flags = ["verify", "--base-url", "http://127.0.0.1:9", "--gateway", "kling", "--plan", "--json"]
    assert main([*flags, "--operation", "text-to-image"]) == 0
    steps = [step["name"] for step in json.loads(capsys.readouterr().out)["steps"]]
    assert "refused: resolution.enum" in steps
    assert main(["explain", "accepts.resolution.enum"]) == 2
    capsys.readouterr()
    assert main(["explain", "accepts.resolution.enum", "--operation", "text-to-image"]) == 0
    assert "--operation text-to-image --only accepts.resolution.enum" in capsys.readouterr().out
    assert main(["explain", "--operation", "tts"]) == 2
    assert "known: multi-image, text-to-image, multi-image2image" in capsys.readouterr().err


def test_a_missing_key_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--base-url", "http://127.0.0.1:9"]) == 2
    assert f"set --api-key, or {API_KEY_VARIABLE}" in capsys.readouterr().err
