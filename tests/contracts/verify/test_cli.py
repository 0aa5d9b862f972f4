"""The command against a server on a socket: its reports, recordings and refusals."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kling_contracts.cli import main
from kling_contracts.gateways import COMETAPI, GATEWAYS, Gateway
from kling_contracts.registry import SUITE, checks_of, judge_recording, verify
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.model import Check, Failure, Result, Verdict
from kling_contracts.verify.plan import Options, plan
from kling_contracts.verify.probes import Probe, ProbeKind
from kling_contracts.verify.recorder import Recorder
from kling_contracts.verify.report import Report, RunInfo
from kling_contracts.verify.reports import html_report, json_report, junit
from kling_contracts.verify.runner import Progress, run
from kling_contracts.vocabulary import API_KEY_VARIABLE, SECOND_API_KEY_VARIABLE, SEED
from kling_mock import Fake

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


@pytest.fixture(scope="module")
def recorded(url: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    options = Options(
        base_url=url, api_key=KEY, only=("responses.*", "refuses.prompt.*", "malformed_bodies.*")
    )
    path = tmp_path_factory.mktemp("recording") / "run.jsonl"
    return run(options, SUITE, run_id="r1", recorder=Recorder(path)), path


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


def test_a_recording_gives_the_same_verdicts(recorded: tuple[Report, Path]) -> None:
    report, path = recorded
    judged = judge_recording(path)
    assert judged.results == report.results
    assert judged.evidence == report.evidence
    assert (judged.run_info.images, judged.run_info.mock, judged.plan != ()) == (
        report.run_info.images,
        report.run_info.mock,
        True,
    )


def test_judging_needs_no_http(recorded: tuple[Report, Path]) -> None:
    code = f"""import sys
from kling_contracts.cli import main
main(["judge", {str(recorded[1])!r}, "--json"])
print([name for name in ("httpx", "rich") if name in sys.modules], file=sys.stderr)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert json.loads(done.stdout)["exit_code"] == 0


@pytest.mark.parametrize(
    ("mutate", "expected"),
    [
        (lambda lines: [*lines[:4], lines[4][:30], *lines[5:]], "line 5: not a JSON document"),
        (lambda lines: [*lines[:3], *lines[4:]], "earlier lines are missing: exchange 2 expected, got 3"),
        (lambda lines: ["hello"], "line 1: not a recording"),
        (lambda lines: ["{}"], "line 1: not a recording"),
        (lambda lines: [], "line 1: not a recording"),
        (lambda lines: [lines[0].replace('"version": 1', '"version": 2'), *lines[1:]], "expected, got 2"),
        (lambda lines: [*lines[:-2], lines[-1]], "lines are missing"),
        (lambda lines: [lines[0], '{"end": {}}'], "the summary lacks a field"),
        (
            lambda lines: ['{"format": "kling-contracts recording", "version": 1, "gateway": "kling"}'],
            "header",
        ),
        (lambda lines: [lines[0], '{"exchange": {}}', lines[-1]], "line 2: a field is missing"),
        (lambda lines: [lines[0], '{"other": {}}', lines[-1]], "line 2: neither an exchange"),
    ],
)
def test_a_damaged_recording_is_refused(
    mutate: object,
    expected: str,
    recorded: tuple[Report, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert callable(mutate)
    damaged = tmp_path / "damaged"
    lines: list[str] = mutate(recorded[1].read_text(encoding="utf-8").splitlines())
    damaged.write_text("\n".join(lines), encoding="utf-8")
    assert main(["judge", str(damaged)]) == 2
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        (lambda text: text[: text.rindex("\n", 0, -1) + 1], "ends early, after line {whole}"),
        (lambda text: text[: text.rindex("\n", 0, -1) + 9], "; line {next} is cut off and was ignored"),
        (lambda text: text[: text.index("\n") + 1], "ends early, after line 1"),
    ],
)
def test_an_incomplete_recording_of_a_killed_run_is_judged(
    cut: Callable[[str], str],
    expected: str,
    recorded: tuple[Report, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    left = cut(recorded[1].read_text(encoding="utf-8"))
    whole = left.count("\n")
    path = tmp_path / "killed"
    path.write_text(left, encoding="utf-8")
    assert main(["judge", str(path)]) == 4
    shown = capsys.readouterr().out
    assert shown.startswith("interrupted: ")
    assert expected.format(whole=whole, next=whole + 1) in shown


class Killed(Progress):
    """Judges a recording while it is written, and stores the number of exchanges that it lacks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lines: list[int] = []

    def seen(self, evidence: Evidence) -> None:
        if self._path.exists():
            judged = judge_recording(self._path)
            self.lines.append(len(judged.evidence.exchanges) - len(evidence.exchanges))


def test_a_recording_is_whole_at_any_time(url: str, tmp_path: Path) -> None:
    """Except for the exchange that is being reported."""
    path = tmp_path / "live"
    progress = Killed(path)
    options = Options(base_url=url, api_key=KEY, only=("routing.unknown_ids",))
    verify(options, progress=progress, recorder=Recorder(path))
    assert set(progress.lines) == {-1, 0}
    assert len(progress.lines) > 5


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


def test_a_check_that_needs_tasks_creates_them_when_it_is_selected_alone(url: str) -> None:
    only = (
        "errors.duplicate_id",
        "account_isolation.tasks",
        "account_isolation.external_ids",
        "invalid_requests.no_callback",
    )
    report = verify(Options(base_url=url, api_key=KEY, second_api_key=SECOND, max_images=20, only=only))
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


@pytest.mark.parametrize("check_id", sorted({check.id for each in GATEWAYS for check in checks_of(each)}))
def test_every_check_is_explained(check_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", check_id]) == 0
    shown = capsys.readouterr().out
    assert f"--only {check_id}" in shown
    assert "source  " in shown


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


def test_deviations_may_be_about_any_operation(
    recorded: tuple[Report, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One file serves the runs of several operations."""
    known = tmp_path / "known.toml"
    known.write_text('[[deviation]]\ncheck = "refuses.resolution.enum"\nreason = "r"\nexpires = 2099-01-01\n')
    assert main(["judge", str(recorded[1]), "--known", str(known)]) == 0
    assert "refuses.resolution.enum" in capsys.readouterr().out


def test_a_missing_key_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--base-url", "http://127.0.0.1:9"]) == 2
    assert f"set --api-key, or {API_KEY_VARIABLE}" in capsys.readouterr().err


def test_a_recording_is_not_replaced_by_a_report_on_it(
    recorded: tuple[Report, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before = recorded[1].read_bytes()
    assert main(["judge", str(recorded[1]), "--report", f"html={recorded[1]}"]) == 2
    assert "must not replace the recording" in capsys.readouterr().err
    assert recorded[1].read_bytes() == before


def test_a_deviation_with_an_unknown_check_is_refused(
    recorded: tuple[Report, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = tmp_path / "known.toml"
    known.write_text('[[deviation]]\ncheck = "responses.jsn"\nreason = "r"\nexpires = 2099-01-01\n')
    assert main(["judge", str(recorded[1]), "--known", str(known)]) == 2
    assert "unknown check 'responses.jsn'; did you mean 'responses.json'" in capsys.readouterr().err


@pytest.mark.parametrize("given", ["auth", "auth.*"])
def test_a_group_is_listed(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", given]) == 0
    shown = capsys.readouterr().out
    assert "auth.required" in shown
    assert "answers" not in shown


def test_explain_without_an_id_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    assert all(check.id in capsys.readouterr().out for check in checks_of(COMETAPI)[:1])
    assert main(["explain", "lifecycle.states"]) == 2
    assert "did you mean" in capsys.readouterr().err


def hostile() -> Report:
    exchange = Exchange(
        number=0,
        probe=Probe(ProbeKind.REFUSE, "prompt.max_length", HOSTILE),
        credential="first",
        method="POST",
        target="/kling/v1/images/generations",
        headers=(("authorization", "Bearer $KLING_API_KEY"),),
        body=json.dumps({"prompt": HOSTILE}).encode(),
        sent_at=0.0,
        received_at=0.0,
        status=200,
        answer=HOSTILE.encode("utf-8", "surrogatepass"),
    )
    check = Check(id="a.b", sentence="s", source=SEED, judge=lambda *_: None)
    failure = Failure(HOSTILE, HOSTILE, HOSTILE, (exchange,))
    return Report(
        options=Options(base_url="http://127.0.0.1:9", api_key=KEY),
        results=(Result(check=check, verdict=Verdict.FAIL, examined=1, failures=(failure,)),),
        evidence=Evidence(exchanges=[exchange]),
        run_info=RunInfo(),
        plan=(),
    )


def test_reports_escape_hostile_answers() -> None:
    page = html_report.render(hostile())
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert not re.findall(r"https?://(?!127\.0\.0\.1:9)|\bsrc=|<link|@import|url\(", page)
    suite = ET.fromstring(junit.render(hostile()))
    assert suite.attrib["failures"] == "1"
    assert json.loads(json_report.render(hostile()))["checks"][0]["examples"][0]["sentence"] == HOSTILE
    for text in (page, junit.render(hostile())):
        assert not {"\x1b", "\x00", "\ud800"} & set(text)


def test_keys_are_not_in_the_repr() -> None:
    assert KEY not in repr(hostile().options)


def test_a_closed_pipe_is_not_an_error() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "kling_contracts", "explain"],
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("status", [0, 1])
def test_a_closed_pipe_does_not_change_the_exit_status(
    recorded: tuple[Report, Path], tmp_path: Path, flags: list[str], status: int
) -> None:
    """`| head -1` under `pipefail` gives the status of the verdict."""
    report, path = recorded
    text = path.read_text(encoding="utf-8")
    if status:
        refused = next(each.answer.decode() for each in report.evidence.of(ProbeKind.MALFORMED))
        text = text.replace(json.dumps(refused)[1:-1], json.dumps("nothing")[1:-1])
    changed = tmp_path / "run.jsonl"
    changed.write_text(text, encoding="utf-8")
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "kling_contracts", "judge", str(changed), *flags]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (status, b"")


def test_an_internal_error_is_not_a_failed_check(
    recorded: tuple[Report, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 1 would report a failed check."""

    def mistaken(*_: object, **__: object) -> None:
        raise LookupError("ours")

    monkeypatch.setattr("kling_contracts.registry.judge_recording", mistaken)
    assert main(["judge", str(recorded[1])]) == 4
    shown = capsys.readouterr().err
    assert shown.startswith(
        "kling-contracts: an internal error occurred; it is not a finding about the server\nTraceback"
    )
    assert "LookupError: ours" in shown


def test_an_interrupted_command_is_no_traceback(
    recorded: tuple[Report, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kling_contracts.registry.judge_recording", interrupted)
    assert main(["judge", str(recorded[1])]) == 4
    assert capsys.readouterr().err == "kling-contracts: interrupted; there is no report\n"
