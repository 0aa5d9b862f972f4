"""Servers that refuse with a wrong error, or accept malformed requests."""

from __future__ import annotations

import json
from typing import Final
from uuid import uuid4

from kling_contracts.gateways import COMETAPI
from tests.contracts.verify.faulty_servers.base import FaultyServer, Group
from tests.contracts.verify.faulty_servers.messages import Request, Response, as_list, as_object
from tests.contracts.verify.faulty_servers.refusals import has_own_error, invalid, is_taken, malformed

group: Final = Group()


def _fastapi(response: Response, status: int = 422) -> None:
    response.status = status
    response.json = {"detail": [{"loc": ["body"], "msg": "value is not valid", "type": "value_error"}]}


@group.after("errors.validation")
def errors_of_a_framework(request: Request, response: Response) -> None:
    """Invalid requests are refused with the framework's error."""
    if invalid(request, response) and response.status == 400 and not has_own_error(response):
        _fastapi(response)


@group.after("errors.validation")
def another_code(request: Request, response: Response) -> None:
    """Invalid requests are refused with code 1200."""
    if invalid(request, response) and response.peek.get("code") == 1201 and not has_own_error(response):
        response.body["code"] = 1200


@group.after("errors.validation")
def code_of_errors_as_text(request: Request, response: Response) -> None:
    """The code of an error is the string "1201"."""
    if invalid(request, response) and response.peek.get("code") == 1201 and not has_own_error(response):
        response.body["code"] = "1201"


@group.after("errors.validation")
def no_message_in_errors(request: Request, response: Response) -> None:
    """Invalid requests are refused without a message."""
    if invalid(request, response) and not has_own_error(response) and response.status == 400:
        response.body["message"] = ""


@group.after("errors.bad_json")
def bad_json_422(request: Request, response: Response) -> None:
    """Malformed JSON is refused with the framework's error."""
    if malformed(request) and response.status == 400:
        _fastapi(response)


@group.after("errors.bad_json")
def bad_json_415(request: Request, response: Response) -> None:
    """Malformed JSON is refused with 415."""
    if malformed(request) and response.status == 400:
        response.status = 415


@group.after("errors.unknown_model")
def unknown_model_404(request: Request, response: Response) -> None:
    """An unknown model is refused with 404."""
    if request.creates and any(
        text in str(response.peek) for text in ("and model", "model is not supported")
    ):
        response.status = 404


@group.after("errors.unknown_model", COMETAPI)
def unknown_model_in_the_envelope(request: Request, response: Response) -> None:
    """An unknown model is refused with Kling's error instead of this gateway's."""
    if response.status == 503 and request.creates:
        response.status = 400
        response.json = {"code": 1201, "message": "model is not supported", "request_id": str(uuid4())}


def _duplicate(request: Request, response: Response) -> bool:
    return request.creates and response.status == 400 and is_taken(response)


@group.after("errors.duplicate_id")
def conflict(request: Request, response: Response) -> None:
    """A duplicate external id is refused with 409."""
    if _duplicate(request, response):
        response.status = 409


@group.after("errors.duplicate_id")
def duplicate_code(request: Request, response: Response) -> None:
    """A duplicate external id is refused with the code for too many requests."""
    if _duplicate(request, response):
        response.body["code"] = 1303


@group.after("errors.unknown_task")
def unknown_task_404(request: Request, response: Response) -> None:
    """An unknown task is refused with 404."""
    if request.task_id and response.status == 400:
        response.status = 404


@group.after("errors.unknown_task")
def unknown_task_code(request: Request, response: Response) -> None:
    """An unknown task is refused with the wrong code."""
    if request.task_id and response.status == 400:
        response.body["code"] = 1203 if response.peek["code"] == 1201 else "task_missing"


@group.after("errors.no_key")
def no_key_detail(request: Request, response: Response) -> None:
    """A missing key is refused with the framework's error."""
    if response.status == 401 and not request.headers.get("authorization"):
        response.json = {"detail": "Not authenticated"}


@group.after("errors.wrong_key")
def wrong_key_detail(request: Request, response: Response) -> None:
    """An invalid key is refused with another error shape."""
    if response.status == 401 and request.headers.get("authorization"):
        response.json = {"code": 401, "message": "unauthorised", "request_id": str(uuid4())}


@group.after("errors.allow")
def no_allow(request: Request, response: Response) -> None:
    """405 lacks the Allow header."""
    if response.status == 405:
        response.headers.pop("allow", None)


@group.server("errors.wrong_method")
class DeleteWorks(FaultyServer):
    """DELETE of a task is answered with success."""

    def serve(self, request: Request) -> Response:
        if request.method == "DELETE" and request.key:
            return self.success({})
        return self.right(request)


@group.after("errors.wrong_method")
def wrong_method_is_bad(request: Request, response: Response) -> None:
    """A wrong method is refused with 400."""
    if response.status == 405:
        response.status = 400


@group.server("errors.unknown_path")
class AnyPathIsGood(FaultyServer):
    """Unknown paths are answered with an empty success."""

    def serve(self, request: Request) -> Response:
        if request.is_api and "nowhere" in request.path:
            return self.success({})
        return self.right(request)


@group.after("errors.unknown_path")
def unknown_path_is_bad(request: Request, response: Response) -> None:
    """Unknown paths are refused with 400."""
    if response.status == 404:
        response.status = 400


@group.server("routing.unknown_ids")
class MadeUpTasks(FaultyServer):
    """A query for an unknown id is answered with an invented task."""

    def serve(self, request: Request) -> Response:
        response = self.right(request)
        if request.task_id.isdigit() and response.status == 400 and len(request.task_id) > 30:
            stamp = int(self.now() * 1000)
            return self.success(
                {
                    "task_id": request.task_id,
                    "task_status": "processing",
                    "created_at": stamp,
                    "updated_at": stamp,
                }
            )
        return response


@group.server("routing.unknown_ids")
class EmptyForUnknownIds(FaultyServer):
    """A query for an unknown id is answered with an empty success."""

    def serve(self, request: Request) -> Response:
        response = self.right(request)
        if response.status == 400 and request.task_id == "no-such-task":
            return self.success({})
        return response


class _Lenient(FaultyServer):
    """Repairs a body that is not a JSON object, and creates the task."""

    def repaired(self, raw: bytes) -> bytes:
        return raw

    def serve(self, request: Request) -> Response:
        if request.creates and not request.peek:
            request.content = self.repaired(request.raw)
        return self.right(request)


@group.server("malformed_bodies.extensions")
class ReadsTheFirstValue(_Lenient):
    """Text after the first JSON value of a body is ignored."""

    def repaired(self, raw: bytes) -> bytes:
        try:
            value, _ = json.JSONDecoder().raw_decode(raw.decode())
        except (ValueError, RecursionError):
            return raw
        return json.dumps(value).encode()


@group.server("malformed_bodies.extensions")
class TakesNaN(_Lenient):
    """NaN is accepted, as Python's parser does by default."""

    def serve(self, request: Request) -> Response:
        if request.creates and b"NaN" in request.raw:
            request.content = request.raw.replace(b"NaN", b"1")
        return self.right(request)


@group.server("malformed_bodies.extensions")
class TakesTrailingCommas(_Lenient):
    """A trailing comma is accepted."""

    def repaired(self, raw: bytes) -> bytes:
        return raw.replace(b",}", b"}")


@group.server("malformed_bodies.refused")
class TakesTheFirstOfAList(_Lenient):
    """A list that contains a request is accepted as the request."""

    def serve(self, request: Request) -> Response:
        if request.creates and (listed := as_list(request.json)):
            request.content = json.dumps(listed[0]).encode()
        return self.right(request)


@group.server("malformed_bodies.extensions")
class TakesAnyEncoding(_Lenient):
    """Invalid UTF-8 is replaced."""

    def repaired(self, raw: bytes) -> bytes:
        return raw.decode("utf-8", "replace").encode()


@group.after("errors.allow")
def allows_everything(request: Request, response: Response) -> None:
    """Allow lists every method."""
    if response.status == 405:
        response.headers["allow"] = "GET, POST, PUT, PATCH, DELETE"


@group.after("errors.wrong_method")
def framework_says_no(request: Request, response: Response) -> None:
    """A wrong method is refused with the framework's error."""
    if response.status == 405:
        response.json = {"detail": "Method Not Allowed"}


@group.after("errors.unknown_path")
def framework_knows_no_path(request: Request, response: Response) -> None:
    """An unknown path is refused with the framework's error."""
    if response.status == 404:
        response.json = {"detail": "Not Found"}


@group.after("errors.wrong_key", COMETAPI)
def errors_without_a_type(request: Request, response: Response) -> None:
    """The error for an invalid key has no type."""
    if response.status == 401 and request.key:
        as_object(response.body["error"]).pop("type")
