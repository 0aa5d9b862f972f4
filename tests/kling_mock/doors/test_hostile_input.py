"""Hostile input through every door: the service's own kind of error, never a 500, nothing stored."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager

import httpx
import pytest

from kling_contracts.gateways import COMETAPI
from kling_mock import Fake, ManualClock

Send = Callable[[httpx.Request], httpx.Response]
Door = Callable[[Fake], AbstractContextManager[Send]]
Build = Callable[..., httpx.Request]

CREATE = COMETAPI.create_path
BACKSLASH = "\\"


def _in_good(**members: str) -> bytes:
    """A body that is right but for members that are given as the JSON they are spelled in."""
    subjects = '[{"subject_image": "https://h/a.png"}, {"subject_image": "https://h/b.png"}]'
    spelled = {"subject_image_list": subjects, **members}
    return ("{" + ", ".join(f'"{name}": {value}' for name, value in spelled.items()) + "}").encode()


REFUSED = {
    "nothing": b"",
    "blanks": b" \n\t ",
    "no JSON": b"<html>",
    "half a document": _in_good()[:-1],
    "trailing garbage": _in_good() + b"x",
    "two documents": _in_good() + _in_good(),
    "a list": b"[]",
    "null": b"null",
    "true": b"true",
    "a text": b'"x"',
    "a number": b"1",
    "an empty object": b"{}",
    "deep": b"[" * 100_000,
    "deep and closed": b'{"prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "5000 digits": _in_good(n="1" * 5000),
    "NaN": _in_good(n="NaN"),
    "Infinity": _in_good(n="Infinity"),
    "-Infinity": _in_good(n="-Infinity"),
    "1e400": _in_good(n="1e400"),
    "-1e400": _in_good(n="-1e400"),
    "a fraction": _in_good(n="1.5"),
    "true for a number": _in_good(n="true"),
    "invalid UTF-8": _in_good(prompt='"\xff"').replace("\xff".encode(), b"\xff"),
    "overlong UTF-8": _in_good(prompt='"AB"').replace(b"AB", b"\xc0\xaf"),
    "byte order mark": b"\xef\xbb\xbf" + _in_good(),
    "UTF-16": _in_good().decode().encode("utf-16"),
    "UTF-32": _in_good().decode().encode("utf-32-be"),
    "NUL": b"\0" * 50,
    "control character": _in_good(prompt='"a\x01b"'),
    "surrogate in a value": _in_good(prompt=f'"{BACKSLASH}ud800"'),
    "surrogate in an unknown value": _in_good(colour=f'"{BACKSLASH}ud800"'),
    "surrogate in a key": _in_good(**{f"{BACKSLASH}udfff": "1"}),
    "surrogate deep inside": _in_good(extra=f'[[{{"a": "{BACKSLASH}ud800"}}]]'),
    "a million subjects": _in_good(subject_image_list="[" + "0," * 999_999 + "0]"),
    "subjects of the wrong kind": _in_good(subject_image_list='["a", 1, null, [], {}]'),
    "an object for the list": _in_good(subject_image_list='{"0": "a"}'),
    "a data URL": _in_good(style_image='"data:image/png;base64,AAAA"'),
    "a list for a text": _in_good(prompt='["a"]'),
    "an object for the model": _in_good(model_name='{"a": 1}'),
    "gzip that was never announced": b"\x1f\x8b\x08\x00" + bytes(20),
    "multipart": b'--x\r\nContent-Disposition: form-data; name="n"\r\n\r\n1\r\n--x--\r\n',
    "form": b"prompt=a&n=1",
}

ACCEPTED = {
    "duplicate keys": _in_good(n="9").replace(b'"n": 9', b'"n": 10, "n": "x", "n": 1'),
    "blanks around": b" \r\n\t" + _in_good() + b"\n\n",
    "escaped key": _in_good(**{f"{BACKSLASH}u006e": "1"}),
    "a surrogate pair": _in_good(prompt=f'"{BACKSLASH}ud83d{BACKSLASH}ude00"'),
    "many unknown keys": _in_good(**{f"x{number}": "[]" for number in range(10_000)}),
    "1.0 for a number": _in_good(n="1.0"),
    "1e400 in an unknown key": _in_good(cfg_scale="1e400"),
}


def a_fake() -> Fake:
    return Fake(seed=3, clock=ManualClock(), keys=["sk-door"])


def assert_own_error(response: httpx.Response) -> None:
    """One of the three shapes that the service's errors have, and the header that says which rule it was."""
    assert 400 <= response.status_code < 500
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-kling-mock-rule"]
    body = response.json()
    kling = body.keys() == {"code", "message", "request_id"} and isinstance(body["code"], int)
    task = body.keys() == {"code", "message", "data"} and isinstance(body["code"], str)
    comet = body.keys() == {"error"} and body["error"].keys() == {"message", "type", "param", "code"}
    assert kling or task or comet, body


# What a transport could treat in its own way: no bytes, odd bytes, many bytes. The rest is up to the core.
SAMPLE = (
    *("nothing", "blanks", "deep", "invalid UTF-8", "byte order mark", "NUL", "a million subjects"),
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


@pytest.mark.parametrize("name", SAMPLE)
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
        assert send(post(_in_good())).status_code == 200
    fake.check()


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED)
def test_an_odd_body_that_breaks_no_rule_is_accepted(core: Door, post: Build, body: bytes) -> None:
    """JSON leaves these open, and so does the service."""
    fake = a_fake()
    with core(fake) as send:
        response = send(post(body))
    assert (response.status_code, fake.task.request.n) == (200, 1)
    fake.check()


ODD_KEYS = {
    "none": [("x-other", "1")],
    "empty": [("authorization", "")],
    "scheme alone": [("authorization", "Bearer")],
    "another scheme": [("authorization", "Basic c2stZG9vcg==")],
    "the key alone": [("authorization", "sk-door")],
    "two keys": [("authorization", "Bearer sk-door"), ("authorization", "Bearer sk-door")],
    "a good and a bad key": [("authorization", "Bearer sk-door"), ("authorization", "Bearer sk-bad")],
    "a list of keys": [("authorization", "Bearer sk-door, Bearer sk-door")],
    "beyond ASCII": [("authorization", "Bearer sk-dóór")],
    "another header": [("x-api-key", "sk-door")],
    "a long one": [("authorization", "Bearer " + "k" * 30_000)],
}


@pytest.mark.parametrize("headers", ODD_KEYS.values(), ids=ODD_KEYS)
def test_odd_authorization_is_a_401(
    door: Door, post: Build, get: Build, headers: list[tuple[str, str]]
) -> None:
    """For creates and for queries; what was sent in place of a key is never kept."""
    fake = a_fake()
    encoded = [(name, value.encode("latin-1")) for name, value in headers]
    with door(fake) as send:
        for request in (post(_in_good(), *encoded), get(f"{CREATE}/1", *encoded)):
            response = send(request)
            assert response.status_code == 401
            assert_own_error(response)
    assert fake.tasks == ()
    assert all(name not in {"authorization", "x-api-key"} for call in fake.calls for name, _ in call.headers)
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
    "/_mock",
    "/_mock/",
    "/bs2/upload-kling-api/0000000000/image/1-0_raw_image_0.jpg",
]


@pytest.mark.parametrize("path", ODD_PATHS, ids=lambda path: path[:40])
def test_an_unknown_path_is_a_404_in_the_services_shape(
    door: Door, post: Build, get: Build, path: str
) -> None:
    """Nothing is guessed, decoded or redirected: what is not a route is none."""
    fake = a_fake()
    with door(fake) as send:
        for request in (get(path), post(_in_good(), path=path)):
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


@pytest.mark.parametrize("odd", ODD_IDS, ids=lambda odd: odd[:20])
def test_an_odd_id_is_a_task_that_does_not_exist(door: Door, get: Build, odd: str) -> None:
    """Whatever bytes it is made of; a query string changes nothing."""
    fake = a_fake()
    with door(fake) as send:
        for request in (get(f"{CREATE}/{odd}"), get(f"{CREATE}/{odd}?task_id=1&%ff=%00&&")):
            response = send(request)
            assert response.status_code == 400
            assert response.json()["code"] == "task_not_exist"
            assert_own_error(response)
            assert "set-cookie" not in response.headers
    fake.check()


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "PURGE", "TRACE"])
def test_a_wrong_method_is_a_405_that_names_the_right_one(
    door: Door, post: Build, get: Build, method: str
) -> None:
    """On the create path as on a task's; the body of such a request is of no interest."""
    fake = a_fake()
    with door(fake) as send:
        on_create = post(_in_good())
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


ODD_HEADERS: dict[str, list[tuple[str, str]]] = {
    "no content type": [],
    "another content type": [("content-type", "text/plain")],
    "a broken content type": [("content-type", ";;;=")],
    "a charset": [("content-type", "application/json; charset=latin-1")],
    "the identity encoding": [("content-encoding", "identity")],
    "what SDKs add": [("x-stainless-lang", "js"), ("sec-fetch-mode", "cors"), ("accept-language", "*")],
    "a cookie": [("cookie", "a=b")],
    "an odd accept": [("accept", "text/html;q=2"), ("accept-encoding", "")],
    "a range": [("range", "bytes=0-3")],
    "an origin": [("origin", "https://example.invalid")],
    "x-forwarded-host": [("x-forwarded-host", "evil.invalid")],
}


@pytest.mark.parametrize("headers", ODD_HEADERS.values(), ids=ODD_HEADERS)
def test_headers_and_query_strings_do_not_matter(
    door: Door, post: Build, headers: list[tuple[str, str]]
) -> None:
    """A create is its body and its key. What is charset or encoding elsewhere is UTF-8 here, always."""
    fake = a_fake()
    with door(fake) as send:
        for query in ("", "?model=x&n=9", "?"):
            key = ("authorization", "bEARER  sk-door")
            assert send(post(_in_good(), key, *headers, path=f"{CREATE}{query}")).status_code == 200
    assert [task.request.n for task in fake.tasks] == [1, 1, 1]
    fake.check()


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_body_in_chunks_is_the_same_body(door: Door, post: Build, size: int) -> None:
    """Without a content length, cut anywhere."""
    fake = a_fake()
    whole = post(_in_good(prompt=json.dumps("größe 猫", ensure_ascii=False)))
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


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "gzip, identity", "GZIP"])
def test_an_encoded_body_is_a_415_that_names_the_encoding(door: Door, post: Build, encoding: str) -> None:
    """Whether the body is encoded or not; after the check of the key."""
    fake = a_fake()
    with door(fake) as send:
        key = ("authorization", "Bearer sk-door")
        response = send(post(_in_good(), key, ("content-encoding", encoding)))
        assert (response.status_code, encoding in response.json()["message"]) == (415, True)
        assert_own_error(response)
        assert send(post(_in_good(), ("content-encoding", encoding))).status_code == 401
    assert fake.tasks == ()
    fake.check()


def test_a_body_of_no_length_is_no_json(door: Door, post: Build) -> None:
    """`Content-Length: 0` with a key is the same as no body at all."""
    fake = a_fake()
    with door(fake) as send:
        response = send(post(b"", ("authorization", "Bearer sk-door"), ("content-length", "0")))
    assert (response.status_code, response.json()["code"]) == (400, 1201)
    assert fake.tasks == ()
