"""Servers that refuse with another error than is due, or that do not refuse nonsense."""

from __future__ import annotations

import json
from typing import Final
from uuid import uuid4

from kling_contracts.gateways import COMETAPI
from kling_contracts.witnesses.message import Answer, Ask, as_list, as_object
from kling_contracts.witnesses.refusal import has_own_error, invalid, is_taken, malformed
from kling_contracts.witnesses.witness import Faulty, Group

group: Final = Group()


def _fastapi(answer: Answer, status: int = 422) -> None:
    answer.status = status
    answer.json = {"detail": [{"loc": ["body"], "msg": "value is not valid", "type": "value_error"}]}


@group.after("errors.validation")
def errors_of_a_framework(ask: Ask, answer: Answer) -> None:
    """Bad requests get the framework's own error."""
    if invalid(ask, answer) and answer.status == 400 and not has_own_error(answer):
        _fastapi(answer)


@group.after("errors.validation")
def another_code(ask: Ask, answer: Answer) -> None:
    """Bad requests have code 1200."""
    if invalid(ask, answer) and answer.peek.get("code") == 1201 and not has_own_error(answer):
        answer.body["code"] = 1200


@group.after("errors.validation")
def code_of_errors_as_text(ask: Ask, answer: Answer) -> None:
    """The code of an error is "1201"."""
    if invalid(ask, answer) and answer.peek.get("code") == 1201 and not has_own_error(answer):
        answer.body["code"] = "1201"


@group.after("errors.validation")
def no_message_in_errors(ask: Ask, answer: Answer) -> None:
    """Bad requests get no message."""
    if invalid(ask, answer) and not has_own_error(answer) and answer.status == 400:
        answer.body["message"] = ""


@group.after("errors.bad_json")
def bad_json_422(ask: Ask, answer: Answer) -> None:
    """Bad JSON gets the framework's own error."""
    if malformed(ask) and answer.status == 400:
        _fastapi(answer)


@group.after("errors.bad_json")
def bad_json_415(ask: Ask, answer: Answer) -> None:
    """Bad JSON gets 415."""
    if malformed(ask) and answer.status == 400:
        answer.status = 415


@group.after("errors.unknown_model")
def unknown_model_404(ask: Ask, answer: Answer) -> None:
    """An unknown model gets 404."""
    if ask.creates and any(text in str(answer.peek) for text in ("and model", "model is not supported")):
        answer.status = 404


@group.after("errors.unknown_model", COMETAPI)
def unknown_model_in_the_envelope(ask: Ask, answer: Answer) -> None:
    """An unknown model is refused as Kling refuses it, not as this gateway does."""
    if answer.status == 503 and ask.creates:
        answer.status = 400
        answer.json = {"code": 1201, "message": "model is not supported", "request_id": str(uuid4())}


def _duplicate(ask: Ask, answer: Answer) -> bool:
    return ask.creates and answer.status == 400 and is_taken(answer)


@group.after("errors.duplicate_id")
def conflict(ask: Ask, answer: Answer) -> None:
    """A duplicate gets 409."""
    if _duplicate(ask, answer):
        answer.status = 409


@group.after("errors.duplicate_id")
def duplicate_code(ask: Ask, answer: Answer) -> None:
    """A duplicate gets the code for too many requests."""
    if _duplicate(ask, answer):
        answer.body["code"] = 1303


@group.after("errors.unknown_task")
def unknown_task_404(ask: Ask, answer: Answer) -> None:
    """An unknown task gets 404."""
    if ask.task_id and answer.status == 400:
        answer.status = 404


@group.after("errors.unknown_task")
def unknown_task_code(ask: Ask, answer: Answer) -> None:
    """An unknown task has another code."""
    if ask.task_id and answer.status == 400:
        answer.body["code"] = 1203 if answer.peek["code"] == 1201 else "task_missing"


@group.after("errors.no_key")
def no_key_detail(ask: Ask, answer: Answer) -> None:
    """Without a key there is the framework's own error."""
    if answer.status == 401 and not ask.headers.get("authorization"):
        answer.json = {"detail": "Not authenticated"}


@group.after("errors.wrong_key")
def wrong_key_detail(ask: Ask, answer: Answer) -> None:
    """A wrong key gets another shape of error."""
    if answer.status == 401 and ask.headers.get("authorization"):
        answer.json = {"code": 401, "message": "unauthorised", "request_id": str(uuid4())}


@group.after("errors.wrong_method")
def no_allow(ask: Ask, answer: Answer) -> None:
    """405 does not tell what is allowed."""
    if answer.status == 405:
        answer.headers.pop("allow", None)


@group.server("errors.wrong_method")
class DeleteWorks(Faulty):
    """DELETE of a task seems to work."""

    def serve(self, ask: Ask) -> Answer:
        if ask.method == "DELETE" and ask.key:
            return self.success({})
        return self.right(ask)


@group.after("errors.wrong_method")
def wrong_method_is_bad(ask: Ask, answer: Answer) -> None:
    """A wrong method gets 400."""
    if answer.status == 405:
        answer.status = 400


@group.server("errors.unknown_path")
class AnyPathIsGood(Faulty):
    """Unknown paths are answered with an empty success."""

    def serve(self, ask: Ask) -> Answer:
        if ask.is_api and "nowhere" in ask.path:
            return self.success({})
        return self.right(ask)


@group.after("errors.unknown_path")
def unknown_path_is_bad(ask: Ask, answer: Answer) -> None:
    """Unknown paths get 400."""
    if answer.status == 404:
        answer.status = 400


@group.server("routing.unknown_ids")
class MadeUpTasks(Faulty):
    """An unknown id gets a task that was made up."""

    def serve(self, ask: Ask) -> Answer:
        answer = self.right(ask)
        if ask.task_id.isdigit() and answer.status == 400 and len(ask.task_id) > 30:
            stamp = int(self.now() * 1000)
            return self.success(
                {
                    "task_id": ask.task_id,
                    "task_status": "processing",
                    "created_at": stamp,
                    "updated_at": stamp,
                }
            )
        return answer


@group.server("routing.unknown_ids")
class EmptyForUnknownIds(Faulty):
    """An unknown id gets a success with nothing in it."""

    def serve(self, ask: Ask) -> Answer:
        answer = self.right(ask)
        if answer.status == 400 and ask.task_id == "no-such-task":
            return self.success({})
        return answer


class _Lenient(Faulty):
    """A body that is no JSON object is repaired, and the task made."""

    def repaired(self, raw: bytes) -> bytes:
        return raw

    def serve(self, ask: Ask) -> Answer:
        if ask.creates and not ask.peek:
            ask.content = self.repaired(ask.raw)
        return self.right(ask)


@group.server("malformed_bodies.refused")
class ReadsTheFirstValue(_Lenient):
    """What follows the first JSON value of a body is not read."""

    def repaired(self, raw: bytes) -> bytes:
        try:
            value, _ = json.JSONDecoder().raw_decode(raw.decode())
        except (ValueError, RecursionError):
            return raw
        return json.dumps(value).encode()


@group.server("malformed_bodies.refused")
class TakesNaN(_Lenient):
    """NaN passes, as this language's parser lets it."""

    def serve(self, ask: Ask) -> Answer:
        if ask.creates and b"NaN" in ask.raw:
            ask.content = ask.raw.replace(b"NaN", b"1")
        return self.right(ask)


@group.server("malformed_bodies.refused")
class TakesTrailingCommas(_Lenient):
    """A comma before a closing brace is skipped."""

    def repaired(self, raw: bytes) -> bytes:
        return raw.replace(b",}", b"}")


@group.server("malformed_bodies.refused")
class TakesTheFirstOfAList(_Lenient):
    """A list of one request is that request."""

    def serve(self, ask: Ask) -> Answer:
        if ask.creates and (listed := as_list(ask.json)):
            ask.content = json.dumps(listed[0]).encode()
        return self.right(ask)


@group.server("malformed_bodies.refused")
class TakesAnyEncoding(_Lenient):
    """Bytes that are no UTF-8 are replaced."""

    def repaired(self, raw: bytes) -> bytes:
        return raw.decode("utf-8", "replace").encode()


@group.after("errors.wrong_method")
def allows_everything(ask: Ask, answer: Answer) -> None:
    """Allow names every method there is."""
    if answer.status == 405:
        answer.headers["allow"] = "GET, POST, PUT, PATCH, DELETE"


@group.after("errors.wrong_method")
def framework_says_no(ask: Ask, answer: Answer) -> None:
    """A wrong method is refused with the error of a framework."""
    if answer.status == 405:
        answer.json = {"detail": "Method Not Allowed"}


@group.after("errors.unknown_path")
def framework_knows_no_path(ask: Ask, answer: Answer) -> None:
    """An unknown path is refused with the error of a framework."""
    if answer.status == 404:
        answer.json = {"detail": "Not Found"}


@group.after("errors.wrong_key", COMETAPI)
def errors_without_a_type(ask: Ask, answer: Answer) -> None:
    """The error about a key has no type."""
    if answer.status == 401 and ask.key:
        as_object(answer.body["error"]).pop("type")
