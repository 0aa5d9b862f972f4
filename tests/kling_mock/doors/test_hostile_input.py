"""Hostile input through every door: the service's own kind of error, never a 500, nothing stored."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.kling_mock.doors.hostile import CREATE, a_fake, assert_own_error, in_good
from tests.rows import each_row, some_rows

if TYPE_CHECKING:
    from tests.kling_mock.doors.conftest import Build, Door

BACKSLASH = "\\"
REFUSED = {
    "nothing": b"",
    "blanks": b" \n\t ",
    "no JSON": b"<html>",
    "half a document": in_good()[:-1],
    "trailing garbage": in_good() + b"x",
    "two documents": in_good() + in_good(),
    "a list": b"[]",
    "null": b"null",
    "true": b"true",
    "a text": b'"x"',
    "a number": b"1",
    "an empty object": b"{}",
    "deep": b"[" * 100_000,
    "deep and closed": b'{"prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "5000 digits": in_good(n="1" * 5000),
    "NaN": in_good(n="NaN"),
    "Infinity": in_good(n="Infinity"),
    "-Infinity": in_good(n="-Infinity"),
    "1e400": in_good(n="1e400"),
    "-1e400": in_good(n="-1e400"),
    "a fraction": in_good(n="1.5"),
    "true for a number": in_good(n="true"),
    "invalid UTF-8": in_good(prompt='"\xff"').replace("\xff".encode(), b"\xff"),
    "overlong UTF-8": in_good(prompt='"AB"').replace(b"AB", b"\xc0\xaf"),
    "byte order mark": b"\xef\xbb\xbf" + in_good(),
    "UTF-16": in_good().decode().encode("utf-16"),
    "UTF-32": in_good().decode().encode("utf-32-be"),
    "NUL": b"\0" * 50,
    "control character": in_good(prompt='"a\x01b"'),
    "surrogate in a value": in_good(prompt=f'"{BACKSLASH}ud800"'),
    "surrogate in an unknown value": in_good(colour=f'"{BACKSLASH}ud800"'),
    "surrogate in a key": in_good(**{f"{BACKSLASH}udfff": "1"}),
    "surrogate deep inside": in_good(extra=f'[[{{"a": "{BACKSLASH}ud800"}}]]'),
    "many subjects": in_good(subject_image_list="[" + "0," * 99_999 + "0]"),
    "a million subjects": in_good(subject_image_list="[" + "0," * 999_999 + "0]"),
    "subjects of the wrong kind": in_good(subject_image_list='["a", 1, null, [], {}]'),
    "an object for the list": in_good(subject_image_list='{"0": "a"}'),
    "a data URL": in_good(style_image='"data:image/png;base64,AAAA"'),
    "a list for a text": in_good(prompt='["a"]'),
    "an object for the model": in_good(model_name='{"a": 1}'),
    "gzip that was never announced": b"\x1f\x8b\x08\x00" + bytes(20),
    "multipart": b'--x\r\nContent-Disposition: form-data; name="n"\r\n\r\n1\r\n--x--\r\n',
    "form": b"prompt=a&n=1",
}


ACCEPTED = {
    "duplicate keys": in_good(n="9").replace(b'"n": 9', b'"n": 10, "n": "x", "n": 1'),
    "blanks around": b" \r\n\t" + in_good() + b"\n\n",
    "escaped key": in_good(**{f"{BACKSLASH}u006e": "1"}),
    "a surrogate pair": in_good(prompt=f'"{BACKSLASH}ud83d{BACKSLASH}ude00"'),
    "many unknown keys": in_good(**{f"x{number}": "[]" for number in range(10_000)}),
    "1.0 for a number": in_good(n="1.0"),
    "1e400 in an unknown key": in_good(cfg_scale="1e400"),
}


# Bodies that transports could treat differently: no bytes, odd bytes, many bytes.
SAMPLE = (
    *("nothing", "blanks", "deep", "invalid UTF-8", "byte order mark", "NUL", "many subjects"),
    *("gzip that was never announced", "multipart"),
)


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_the_core_refuses_a_hostile_body(core: Door, post: Build, body: bytes) -> None:
    """400 with code 1201 in one of the service's own shapes; nothing is stored."""
    fake = a_fake()
    with core(fake) as send:
        response = send(post(body))
    assert_own_error(response)
    assert (response.status_code, response.json()["code"]) == (400, 1201)
    assert fake.tasks == ()
    fake.check()


@some_rows("name", SAMPLE, usual=3)
def test_every_door_refuses_a_hostile_body_as_the_core_does(
    door: Door, core: Door, post: Build, name: str
) -> None:
    """Byte for byte; nothing is stored, and the door accepts the next request."""
    body = REFUSED[name]
    with core(a_fake()) as send:
        expected = send(post(body))
    fake = a_fake()
    with door(fake) as send:
        came = send(post(body))
        assert (came.status_code, came.content) == (expected.status_code, expected.content)
        assert_own_error(came)
        assert fake.tasks == ()
        assert send(post(in_good())).status_code == 200
    fake.check()


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED)
def test_an_odd_body_that_breaks_no_rule_is_accepted(core: Door, post: Build, body: bytes) -> None:
    """JSON leaves these open, and so does the service."""
    fake = a_fake()
    with core(fake) as send:
        response = send(post(body))
    assert (response.status_code, fake.task.request.n) == (200, 1)
    fake.check()


ODD_PATHS = [
    "/",
    "//",
    "/kling",
    "/kling/",
    "/kling/v1/images",
    f"{CREATE}/",
    f"{CREATE}//",
    f"{CREATE}/1/",
    f"{CREATE}/1/2",
    f"/{CREATE}",
    f"{CREATE}.json",
    CREATE.upper(),
    CREATE.replace("/v1/", "%2Fv1%2F"),
    CREATE.replace("generations", "%67enerations"),
    "/v1/images/generation",
    f"/{'a' * 20_000}",
    "/%00",
    "/%ff%fe",
]


@each_row("path", ODD_PATHS, ids=lambda path: path[:40])
def test_an_unknown_path_is_a_404_in_the_services_shape(
    door: Door, post: Build, get: Build, path: str
) -> None:
    """No path is guessed, decoded or redirected."""
    fake = a_fake()
    with door(fake) as send:
        for request in (get(path), post(in_good(), path=path)):
            response = send(request)
            assert response.status_code == 404
            assert_own_error(response)
    assert fake.tasks == ()
    fake.check()


ODD_IDS = [
    "0",
    "-1",
    "%00",
    "%ff%fe%80",
    "%2e%2e%2fetc%2fpasswd",
    "1%2F2",
    "%F0%9F%90%88",
    "%ED%A0%80",
    "%",
    "%zz",
    "'%20or%201=1",
    "%3Cscript%3E",
    "%7Bid%7D",
    "9" * 5000,
    "%0d%0aset-cookie:%20a=b",
]


@each_row("odd", ODD_IDS, ids=lambda odd: odd[:20])
def test_an_odd_id_is_a_task_that_does_not_exist(door: Door, get: Build, odd: str) -> None:
    """For all bytes in it; a query string changes nothing."""
    fake = a_fake()
    with door(fake) as send:
        for request in (get(f"{CREATE}/{odd}"), get(f"{CREATE}/{odd}?task_id=1&%ff=%00&&")):
            response = send(request)
            assert response.status_code == 400
            assert response.json()["code"] == "task_not_exist"
            assert_own_error(response)
            assert "set-cookie" not in response.headers
    fake.check()


@each_row("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "PURGE", "TRACE"])
def test_a_wrong_method_is_a_405_that_names_the_right_one(
    door: Door, post: Build, get: Build, method: str
) -> None:
    """On the create path as on a task's; the body of such a request is of no interest."""
    fake = a_fake()
    with door(fake) as send:
        on_create = post(in_good())
        on_create.method = method
        refused = send(on_create)
        assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
        assert_own_error(refused)
        if method != "GET":
            refused = send(get(f"{CREATE}/1", method=method))
            assert (refused.status_code, refused.headers["allow"]) == (405, "GET")
            assert_own_error(refused)
    assert fake.tasks == ()
    fake.check()


class Chunks(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body without a length, a few bytes at a time."""

    def __init__(self, body: bytes, size: int) -> None:
        self._pieces = [body[at : at + size] for at in range(0, len(body), size)]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_body_in_chunks_is_the_same_body(door: Door, post: Build, size: int) -> None:
    """Without a content length, cut anywhere."""
    fake = a_fake()
    whole = post(in_good(prompt=json.dumps("größe 猫", ensure_ascii=False)))
    headers = [(name, value) for name, value in whole.headers.raw if name.lower() != b"content-length"]
    cut = httpx.Request(
        "POST",
        whole.url,
        headers=[*headers, (b"transfer-encoding", b"chunked")],
        stream=Chunks(whole.read(), size),
    )
    with door(fake) as send:
        assert send(cut).status_code == 200
    assert fake.task.request.prompt == "größe 猫"
    fake.check()


def test_a_body_of_no_length_is_no_json(door: Door, post: Build) -> None:
    """`Content-Length: 0` with a key is the same as no body at all."""
    fake = a_fake()
    with door(fake) as send:
        response = send(post(b"", ("authorization", "Bearer sk-door"), ("content-length", "0")))
    assert (response.status_code, response.json()["code"]) == (400, 1201)
    assert fake.tasks == ()
