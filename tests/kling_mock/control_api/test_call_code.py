"""A call as code, and sending it again."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import re
import shlex
import subprocess
from typing import Any

from kling_contracts.cases.images import picture
from kling_mock import Request
from tests.kling_mock.conftest import PATH
from tests.kling_mock.control_api.conftest import Control

HOSTILE = (
    'it\'s "quoted" `id` $(id) $HOME \\ \\n %s \n\t\0 {x} ${y} @picture1 \u202e \u2028 \U0001f600 '
    "</script> https://a.test/?q='a'&token=secret"
)
BASE = "https%3A//api.cometapi.com"


def code(control: Control, call: str, language: str, query: str = "") -> str:
    reply = control.send("GET", f"/calls/{call}/code?as={language}{query}")
    assert (reply.status, reply.content_type) == (200, "text/plain; charset=utf-8"), reply.body
    return reply.body.decode()


def last(control: Control) -> str:
    return control.fake.calls[-1].id


def test_a_create_as_code_is_the_same_request(control: Control) -> None:
    """The script of httpx runs; the words of curl and the body of fetch have the same values."""
    prompt = HOSTILE.partition(" https")[0]
    control.caller.ask(prompt=prompt, n=2, callback_url="http://127.0.0.1:1/hook")
    call, wanted = last(control), control.fake.calls[-1].request
    script = code(control, call, "httpx", f"&base_url={BASE}")
    with control.fake.intercept(), contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(script, "code", "exec"), {})
    assert printed.getvalue().startswith("200 ")
    assert (control.fake.calls[-1].request, control.fake.calls[-1].account) == (wanted, "sk-mock-a")

    words = shlex.split(code(control, call, "curl").replace(" \\\n", " "))
    assert words[:5] == ["curl", "-sS", "-i", f"http://127.0.0.1:8000{PATH}", "-H"]
    assert "Authorization: Bearer sk-mock-a" in words
    body = json.loads(words[-1])
    assert (words[-2], body["prompt"], body["n"]) == ("--data-raw", prompt, 2)

    script = code(control, call, "fetch")
    found = re.search(r"body: JSON\.stringify\((.*)\),\n\}\);", script, re.DOTALL)
    assert found is not None
    assert json.loads(found[1]) == body
    assert '"Authorization": "Bearer sk-mock-a"' in script


def test_secrets_are_variables_or_left_out() -> None:
    control = Control(keys=["very-secret-key-1234567", "access-key-1234567:secret-of-the-key-1234567"])
    control.caller.account("very-secret-key-1234567").ask(prompt=HOSTILE)
    for language, variable in {
        "curl": '"Authorization: Bearer $COMETAPI_KEY"',
        "httpx": "os.environ['COMETAPI_KEY']",
        "fetch": "process.env.COMETAPI_KEY",
    }.items():
        text = code(control, last(control), language)
        assert variable in text
        assert "secret" not in text.replace("token=[hidden]", "")
        assert "token=[hidden]" in text
    control.caller.account("wrong-key-123").get(f"{PATH}/1")
    assert "$COMETAPI_KEY" in code(control, last(control), "curl")
    control.fake.handle(Request("GET", f"{PATH}/1"))
    assert "Authorization" not in code(control, last(control), "curl")


def test_an_inline_picture_is_a_file(control: Control, tmp_path: Any) -> None:
    """Its bytes are not kept; the code reads them from a file, whose size and digest it names."""
    inline = picture(300, 300)
    listed = [{"subject_image": inline}, {"subject_image": "https://pictures.test/@picture1.png"}]
    control.caller.ask(prompt=HOSTILE, subject_image_list=listed)
    call, wanted = last(control), control.fake.calls[-1].request
    assert wanted is not None
    (tmp_path / "picture1.png").write_bytes(base64.b64decode(inline))
    script = code(control, call, "httpx", f"&base_url={BASE}")
    assert (
        f"# picture1.png: the picture sent as subject_image_list[0].subject_image: {wanted.pictures[0].size}"
        in script
    )
    with control.fake.intercept(), contextlib.redirect_stdout(io.StringIO()), contextlib.chdir(tmp_path):
        exec(compile(script, "code", "exec"), {})
    assert control.fake.calls[-1].request.pictures == wanted.pictures  # type: ignore[union-attr]

    function = "curl() { cat > body.json; }\n" + code(control, call, "curl")
    subprocess.run(["/bin/sh"], input=function.encode(), cwd=tmp_path, check=True)
    body = json.loads((tmp_path / "body.json").read_bytes())
    assert body["subject_image_list"] == listed
    assert '"subject_image": picture1' in code(control, call, "fetch")


def test_a_query_as_code_has_its_headers(control: Control) -> None:
    task = control.make()
    control.caller.get(
        f"{PATH}/{task.id}", host="localhost:9", x_trace="a'b", user_agent="x", accept_encoding="br"
    )
    assert code(control, last(control), "curl") == (
        f"curl -sS -i http://localhost:9{PATH}/{task.id} \\\n"
        "  -H 'Authorization: Bearer sk-mock-a' \\\n"
        "  -H 'x-trace: a'\"'\"'b'\n"
    )
    control.caller.send("HEAD", "/bs2/../[x]")
    assert "curl -sS -i -g --path-as-is -I 'http://127.0.0.1:8000/bs2/../[x]'" in code(
        control, last(control), "curl"
    )


def test_a_refused_create_is_code_too(control: Control) -> None:
    """Its body is kept as it was sent, if it is small."""
    control.caller.ask(n=99, prompt="a cat", colour="red")
    control.caller.ask(external_task_id="mine")
    control.caller.ask(external_task_id="mine", prompt="again")
    for call in [each for each in control.fake.calls if each.rule is not None]:
        script = code(control, call.id, "httpx", f"&base_url={BASE}").replace("t(\n", "t(\n    ", 1)
        with control.fake.intercept(), contextlib.redirect_stdout(io.StringIO()):
            exec(compile(script, "code", "exec"), {})
        again = control.fake.calls[-1]
        assert (again.rule, again.message, again.request) == (call.rule, call.message, call.request)
    sent = control.ok(
        "POST", f"/calls/{control.fake.calls[1].id}/send", {"changes": {"external_task_id": "b"}}
    )
    assert sent["call"]["status"] == 200


def test_a_body_that_is_not_kept_is_409(control: Control) -> None:
    control.caller.ask(n=99, subject_image_list=[{"subject_image": picture()}] * 2)
    for method, path in (("GET", "code?as=curl"), ("POST", "send")):
        error = control.refused(409, method, f"/calls/{last(control)}/{path}")
        assert (
            error["message"] == "the body of this call is not kept: it was refused by n.maximum; give a body"
        )
    assert control.refused(422, "GET", f"/calls/{last(control)}/code?as=perl")["nearest"] == [
        "curl",
        "httpx",
        "fetch",
    ]
    assert control.refused(422, "GET", f"/calls/{last(control)}/code?base_url=x")["pointer"] == "?base_url"
    control.caller.get("/kling/" + "a" * 5000)
    assert "too long" in control.refused(409, "GET", f"/calls/{last(control)}/code")["message"]


def test_a_call_is_sent_again_as_it_was_or_with_changes(control: Control) -> None:
    control.caller.ask(prompt="a cat", external_task_id="mine", origin="http://127.0.0.1:8000")
    call = last(control)
    refused = control.ok("POST", f"/calls/{call}/send")
    assert (refused["call"]["status"], refused["call"]["rule"]) == (400, "external_task_id.unique")
    assert json.loads(refused["reply"])["code"] == 1201
    sent = control.ok("POST", f"/calls/{call}/send", {"changes": {"external_task_id": "other", "n": 2}})
    made = control.fake.tasks[-1]
    assert (sent["call"]["task_id"], made.request.n, made.request.prompt) == (made.id, 2, "a cat")
    assert made.read()[0].record.origin == "http://127.0.0.1:8000"
    whole = {"subject_image_list": [], "prompt": "a dog"}
    sent = control.ok("POST", f"/calls/{last(control)}/send", {"body": whole})
    assert sent["call"]["rule"] == "subject_image_list.required"
    control.caller.poll(made.id)
    polls = made.polls
    assert control.ok("POST", f"/calls/{last(control)}/send")["call"]["shown"] == "submitted"
    assert made.polls == polls + 1


def test_a_call_with_a_key_or_pictures_that_are_not_kept_is_not_sent() -> None:
    control = Control(keys=["plain-key-1234567", "access-key-1234567:secret-of-the-key-1234567", "sk-mock-*"])
    control.caller.account("plain-key-1234567").ask(prompt="a cat")
    assert control.ok("POST", f"/calls/{last(control)}/send")["call"]["status"] == 200
    from kling_mock.timing.client_time import client_time
    from kling_mock.tokens import sign_token

    token = sign_token("access-key-1234567", "secret-of-the-key-1234567", client_time())
    control.caller.account(token).ask(path="/v1/images/multi-image2image")
    assert control.ok("POST", f"/calls/{last(control)}/send")["call"]["status"] == 200
    control.caller.account("wrong").get(f"{PATH}/1")
    assert "key" in control.refused(409, "POST", f"/calls/{last(control)}/send")["message"]
    control.caller.ask(subject_image_list=[{"subject_image": picture(300, 300)}] * 2)
    call = last(control)
    error = control.refused(409, "POST", f"/calls/{call}/send")
    assert error["message"].startswith("subject_image_list[0].subject_image: the bytes of an inline picture")
    listed = [{"subject_image": f"https://pictures.test/{name}.png"} for name in "ab"]
    assert control.ok("POST", f"/calls/{call}/send", {"changes": {"subject_image_list": listed}})["call"][
        "task_id"
    ]
