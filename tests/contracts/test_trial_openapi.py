"""OpenAPI documents of trial gateways: valid, with valid examples, and strict about kinds of results."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # ships no types
from openapi_spec_validator import validate as validate_document

from kling_contracts.gateways import COMETAPI, KLING, Gateway, Route
from kling_contracts.openapi import build, render
from kling_contracts.openapi.examples import task_example
from kling_contracts.operations import TEXT_TO_IMAGE, Operation, validate
from kling_contracts.vocabulary import COMET_IDS, TaskStatus
from tests.rows import some_rows
from tests.trial_operations import (
    EXPAND,
    SERIES,
    SOUND,
    SPEECH,
    TRIAL,
    TRIAL_KLING,
    TRIAL_OPERATIONS,
    TRIAL_SOURCE,
    VIDEO,
)

# One operation under two paths, and a gateway with only that operation.
TWICE = replace(
    TRIAL, routes=(Route("audio/tts", (SPEECH,), TRIAL_SOURCE), Route("audio/say", (SPEECH,), TRIAL_SOURCE))
)
GATEWAYS = {
    "trial": TRIAL,
    "trial-kling": TRIAL_KLING,
    "focused": TRIAL.focused(VIDEO),
    "switched on": TRIAL_KLING.focused(SOUND),
    "text-to-image on CometAPI": COMETAPI.focused(TEXT_TO_IMAGE),
    "text-to-image on Kling": KLING.focused(TEXT_TO_IMAGE),
    "twice": TWICE,
    **{f"only {each.name}": replace(TRIAL, routes=(TRIAL.route_of(each),)) for each in TRIAL_OPERATIONS},
}
every_gateway = some_rows("gateway", GATEWAYS.values(), usual=4, ids=list(GATEWAYS))


def document_of(gateway: Gateway) -> Any:
    return json.loads(render(build(gateway)))


def media(part: object, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every media type object in the document, with the path to it."""
    if isinstance(part, dict):
        if "schema" in part and "examples" in part:
            yield path, part
        for key, value in part.items():
            yield from media(value, f"{path}/{key}")


def validator(gateway: Gateway, name: str) -> Draft202012Validator:
    components = document_of(gateway)["components"]
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": components})


@every_gateway
def test_the_document_is_valid(gateway: Gateway) -> None:
    """openapi-spec-validator, which also checks unique operation ids, accepts the document."""
    document = document_of(gateway)
    validate_document(document)
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    assert document["info"]["title"].endswith(gateway.main.title)
    assert document["info"]["description"].startswith(gateway.main.doc)


@every_gateway
def test_the_examples_are_true(gateway: Gateway) -> None:
    document = document_of(gateway)
    found = list(media(document))
    assert len(found) > 10
    for path, content in found:
        schema = Draft202012Validator(content["schema"] | {"components": document["components"]})
        for name, example in content["examples"].items():
            assert schema.is_valid(example["value"]), f"{path}/{name}"


@every_gateway
def test_the_request_examples_break_no_rule(gateway: Gateway) -> None:
    """Every operation has examples that break no rule; the full one has all fields that may be combined."""
    document = document_of(gateway)
    for route in gateway.routes:
        first, *others = (*route.operations, *(each for each in route.optional if each is gateway.focus))
        body = document["paths"][gateway.path(route)]["post"]["requestBody"]
        examples = body["content"]["application/json"]["examples"]
        for operation in (first, *others):
            prefix = "" if operation is first else f"{operation.name}-"
            for name in ("full", "empty"):
                assert validate(examples[prefix + name]["value"], operation) == ()
            excluded = {"video_url", "image"} if operation is SOUND else set()
            assert examples[prefix + "full"]["value"].keys() == {f.name for f in operation.fields} - excluded
            if prefix + "inline" in examples:
                read = operation.read(examples[prefix + "inline"]["value"])
                assert read.violations == []
                assert any(picture.data for picture in read.pictures)
            else:
                assert operation in (VIDEO, SPEECH)


def test_the_answer_of_a_synchronous_create_is_the_ended_task() -> None:
    """The finished task, with the success message and id format of the operation; never `submitted`."""
    path = document_of(TRIAL)["paths"]["/kling/v1/audio/tts"]
    answer = path["post"]["responses"]["200"]["content"]["application/json"]
    assert answer["schema"] == {"$ref": "#/components/schemas/AudiosTaskEnded"}
    assert set(answer["examples"]) == {"succeed", "failed"}
    value = answer["examples"]["succeed"]["value"]
    assert value["message"] == "success"
    (result,) = value["data"]["task_result"]["audios"]
    assert set(result) == {"id", "url", "duration"}
    assert (int(value["data"]["task_id"]) >> COMET_IDS.low_bits) + COMET_IDS.epoch_ms == 1777385361501
    assert "callbacks" not in path["post"]
    refused = path["post"]["responses"]["400"]["content"]["application/json"]["examples"]
    assert "external_task_id.unique" not in refused
    assert "503" not in path["post"]["responses"], "it has no model"


def answer(operation: Operation, status: TaskStatus) -> dict[str, Any]:
    return {
        "code": 0,
        "message": operation.success_word.value,
        "data": task_example(status, operation),
    }


def test_schemas_refuse_the_wrong_kind_of_result() -> None:
    """The schema accepts a valid response, and refuses one mistake for each of its requirements."""
    ended = validator(TRIAL, "AudiosTaskEnded")
    good = answer(SPEECH, TaskStatus.SUCCEED)
    assert ended.is_valid(good)
    assert ended.is_valid(answer(SPEECH, TaskStatus.FAILED))
    assert not ended.is_valid(answer(SPEECH, TaskStatus.SUBMITTED))
    assert not ended.is_valid(answer(VIDEO, TaskStatus.SUCCEED)), "videos for audios"
    for part, value in (("id", None), ("id", ""), ("duration", 5.1), ("url", "a.mp3")):
        broken = copy.deepcopy(good)
        result = broken["data"]["task_result"]["audios"][0]
        result.pop(part) if value is None else result.update({part: value})
        assert not ended.is_valid(broken), (part, value)
    assert not ended.is_valid(good | {"data": good["data"] | {"task_result": {}}})


@pytest.mark.parametrize("operation", TRIAL_OPERATIONS, ids=lambda each: each.name)
def test_a_callback_has_the_results_of_its_operation(operation: Operation) -> None:
    document = document_of(TRIAL)
    post = document["paths"][TRIAL.path(TRIAL.route_of(operation))]["post"]
    if operation is SPEECH:
        return
    schema = next(iter(post["callbacks"]["taskChanged"].values()))["post"]["requestBody"]["content"]
    name = schema["application/json"]["schema"]["$ref"].rpartition("/")[2]
    judge = validator(TRIAL, name)
    for other in TRIAL_OPERATIONS:
        same = other.result is operation.result
        assert judge.is_valid(task_example(TaskStatus.SUCCEED, other)) is same
        assert judge.is_valid(task_example(TaskStatus.PROCESSING, other))


def test_one_kind_of_result_needs_one_schema_of_a_task() -> None:
    only = GATEWAYS[f"only {EXPAND.name}"]
    assert "Task" in document_of(only)["components"]["schemas"]
    assert [name for name in document_of(only)["components"]["schemas"] if name.endswith("Task")] == ["Task"]
    many = {name for name in document_of(TRIAL)["components"]["schemas"] if name.endswith("Task")}
    assert many == {"Task", "ImagesTask", "VideosTask", "SeriesImagesTask", "AudiosTask"}


def test_operations_of_one_path_have_their_examples_and_schemas() -> None:
    post = document_of(TRIAL_KLING)["paths"]["/v1/videos/text2video"]["post"]
    content = post["requestBody"]["content"]["application/json"]
    assert content["schema"] == {
        "anyOf": [
            {"$ref": "#/components/schemas/TrialVideoRequest"},
            {"$ref": "#/components/schemas/TrialSeriesRequest"},
        ]
    }
    assert {"full", "trial-series-full"} <= set(content["examples"])
    assert "queryByExternalId" in post["responses"]["200"]["links"]


def test_rules_of_nested_fields_and_constraints_are_in_the_document() -> None:
    for operation in (VIDEO, SERIES, SOUND):
        name = "".join(part.capitalize() for part in operation.name.split("-")) + "Request"
        schema = document_of(TRIAL)["components"]["schemas"][name]
        parts = [*schema["properties"].values(), *schema.get("allOf", [])]
        rules = [rule["id"] for part in parts for rule in part.get("x-rules", [])]
        assert rules == [rule for rule in operation.rules if not rule.startswith("body.")]


def test_two_paths_of_one_operation_have_operation_ids_of_their_own() -> None:
    paths = document_of(TWICE)["paths"]
    ids = [paths[f"/kling/v1/audio/{tail}"]["post"]["operationId"] for tail in ("tts", "say")]
    assert ids == ["createTrialSpeech", "createAudioSay"]
