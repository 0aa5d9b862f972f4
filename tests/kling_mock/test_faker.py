"""The provider for Faker: seeded, and checked against the contract."""

from __future__ import annotations

import doctest
import json
import random
import subprocess
import sys
import time
import tomllib
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from faker import Faker
from faker.contrib.pytest import plugin

import kling_mock.faker
from kling_contracts import (
    MULTI_IMAGE,
    Operation,
    validate,
)
from kling_contracts.fields import Choice
from kling_contracts.image_fields import PictureList
from kling_contracts.operations import TEXT_TO_IMAGE
from kling_contracts.vocabulary import ASPECT_RATIOS, KLING_IDS, PROMPT_MAXIMUM
from kling_mock import Fake, ManualClock, Request
from kling_mock.faker import KlingProvider
from tests.kling_mock.faker_providers import operations, provider
from tests.trial_operations import SERIES, SOUND, VIDEO

PATH = "/kling/v1/images/generations"
MANY = 300
PROJECT = Path(__file__).parents[2] / "pyproject.toml"

METHODS: dict[str, Callable[[KlingProvider], object]] = {
    "kling_task_id": KlingProvider.kling_task_id,
    "kling_request_id": KlingProvider.kling_request_id,
    "kling_prompt": KlingProvider.kling_prompt,
    "kling_image_url": KlingProvider.kling_image_url,
    "kling_aspect_ratio": KlingProvider.kling_aspect_ratio,
    "kling_external_task_id": KlingProvider.kling_external_task_id,
    "kling_request": KlingProvider.kling_request,
    "kling_task": KlingProvider.kling_task,
    "kling_callback": KlingProvider.kling_callback,
}


@pytest.fixture
def fake() -> KlingProvider:
    return provider(seed=1)


def test_every_method_is_tested_here() -> None:
    public = {name for name in vars(KlingProvider) if not name.startswith("_")}
    assert public == METHODS.keys()


@pytest.mark.parametrize("name", METHODS)
def test_the_same_seed_gives_the_same_and_another_seed_gives_another(name: str) -> None:
    def draw(seed: int) -> list[object]:
        mine = provider(seed)
        return [METHODS[name](mine) for _ in range(20)]

    assert draw(7) == draw(7)
    assert draw(7) != draw(8)


@pytest.mark.parametrize("name", METHODS)
def test_everything_comes_from_the_generators_own_random(name: str) -> None:
    """Neither the module `random` nor the present time has an effect."""
    mine = provider(3)
    before = random.getstate()
    first = METHODS[name](mine)
    assert random.getstate() == before
    random.seed(99)
    try:
        assert METHODS[name](provider(3)) == first
    finally:
        random.setstate(before)


def test_it_is_used_as_any_provider_and_seeded_with_faker() -> None:
    """As documented: added to a Faker as a class, and repeatable with `seed_instance`."""

    def draw() -> object:
        fake = Faker()
        fake.add_provider(KlingProvider)
        fake.seed_instance(11)
        return [fake.kling_request(), fake.kling_task(status="failed"), fake.unique.kling_task_id()]

    assert draw() == draw()


def test_faker_seed_repeats_it_in_a_process_of_its_own() -> None:
    """`Faker.seed` applies to the whole process."""
    code = (
        "from faker import Faker\n"
        "from kling_mock.faker import KlingProvider\n"
        "fake = Faker(); fake.add_provider(KlingProvider)\n"
        "Faker.seed(5); first = fake.kling_request()\n"
        "Faker.seed(5); assert fake.kling_request() == first\n"
        "print(fake.kling_task_id())\n"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert runs[0].stdout == runs[1].stdout != ""


faker = plugin.faker
_session_faker = plugin._session_faker


def test_it_is_added_to_the_fixture_that_faker_gives_pytest(faker: Faker) -> None:
    """The plugin itself is not loaded in runs of this suite; its fixtures are those above."""
    faker.add_provider(KlingProvider)
    assert validate(faker.kling_request()) == ()


def test_only_the_extra_installs_it() -> None:
    """Its pytest plugin slows every run of a user's suite, so it is opt-in."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    assert [name for name, needs in extras.items() if any("faker>" in need for need in needs)] == ["faker"]
    assert "faker" in extras["all"][0]
    assert not any("faker" in need for need in project["dependencies"])


def test_the_example_of_its_documentation_is_right() -> None:
    assert doctest.testmod(kling_mock.faker) == (0, 6)


def test_each_method_is_documented_and_typed() -> None:
    for method in METHODS.values():
        assert method.__doc__
        assert "return" in method.__annotations__


# -- single values


def test_task_ids_are_snowflakes_of_eighteen_digits_from_the_past(fake: KlingProvider) -> None:
    for _ in range(MANY):
        task_id = fake.kling_task_id()
        assert len(task_id) == 18
        assert task_id.isdecimal()
        assert task_id.isascii()
        born = (int(task_id) >> KLING_IDS.low_bits) + KLING_IDS.epoch_ms
        assert 1_577_836_800_000 < born < time.time() * 1000
    assert len({fake.kling_task_id() for _ in range(MANY)}) == MANY


def test_request_ids_are_uuids_of_version_four(fake: KlingProvider) -> None:
    for _ in range(MANY):
        text = fake.kling_request_id()
        assert str(uuid.UUID(text)) == text
        assert (uuid.UUID(text).version, uuid.UUID(text).variant) == (4, uuid.RFC_4122)


@pytest.mark.parametrize("max_length", [1, 2, 7, 40, PROMPT_MAXIMUM.value])
def test_prompts_respect_the_limit_and_are_never_blank(max_length: int, fake: KlingProvider) -> None:
    for _ in range(MANY):
        prompt = fake.kling_prompt(max_length=max_length)
        assert 1 <= len(prompt) <= max_length
        assert prompt == prompt.strip()


def test_some_prompts_are_not_ascii(fake: KlingProvider) -> None:
    ascii_only = {fake.kling_prompt().isascii() for _ in range(MANY)}
    assert ascii_only == {True, False}


@pytest.mark.parametrize("max_length", [0, -1])
def test_a_maximum_length_below_1_is_refused(max_length: int, fake: KlingProvider) -> None:
    with pytest.raises(ValueError, match=f"max_length must be at least 1; got {max_length}"):
        fake.kling_prompt(max_length)


def test_image_urls_have_a_reserved_host(fake: KlingProvider) -> None:
    for _ in range(MANY):
        url = fake.kling_image_url()
        assert url.startswith("https://pictures.example.com/")
        assert url.endswith((".png", ".jpg"))


def test_all_aspect_ratios_are_drawn(fake: KlingProvider) -> None:
    assert {fake.kling_aspect_ratio() for _ in range(MANY)} == set(ASPECT_RATIOS.value)


def test_external_ids_do_not_repeat(fake: KlingProvider) -> None:
    assert len({fake.kling_external_task_id() for _ in range(MANY)}) == MANY


# -- requests


@operations
def test_requests_break_no_rule_of_the_contract(operation: Operation, fake: KlingProvider) -> None:
    bodies = [fake.kling_request(operation) for _ in range(MANY)]
    for body in bodies:
        assert validate(json.loads(json.dumps(body)), operation) == ()
    for field in operation.fields:
        given = {any(name in body for name in field.names) for body in bodies}
        assert given == ({True} if field.required else {True, False}), field.name
    assert {name for body in bodies for name in body} == operation.keys


def test_every_part_of_an_object_is_drawn(fake: KlingProvider) -> None:
    bodies = [fake.kling_request(VIDEO) for _ in range(MANY)]
    cameras = [json.loads(json.dumps(body[key])) for body in bodies for key in body if "camera" in key]
    configs = [camera["config"] for camera in cameras if "config" in camera]
    assert {key for config in configs for key in config} == {"pan", "zoom", "zoom_in"}
    assert {config.keys() >= {"zoom", "zoom_in"} for config in configs} == {False}


def test_fixed_fields_determine_the_others(fake: KlingProvider) -> None:
    """Of fields that exclude each other the fixed one stays; a field that a fixed one requires is present."""
    for _ in range(50):
        assert (
            fake.kling_request(SOUND, video="https://a.test/v.mp4").keys().isdisjoint({"video_id", "image"})
        )
        assert validate(fake.kling_request(VIDEO, sound=True), VIDEO) == ()
        assert "series_amount" in fake.kling_request(SERIES, result="series")
    both = fake.kling_request(SOUND, video_id="1", video_url="https://a.test/v.mp4")
    assert [each.rule.id for each in validate(both, SOUND)] == ["video_id.exactly_one"]


def test_requests_have_two_to_four_subjects_some_of_them_inline(fake: KlingProvider) -> None:
    lists = [json.loads(json.dumps(fake.kling_request()["subject_image_list"])) for _ in range(MANY)]
    assert {len(subjects) for subjects in lists} == {2, 3, 4}
    kinds = {item["subject_image"].startswith("https://") for subjects in lists for item in subjects}
    assert kinds == {True, False}


def test_the_fake_accepts_them_and_their_tasks_succeed(fake: KlingProvider) -> None:
    """An independent check beside the contract: the replies of the fake."""
    service = Fake(clock=ManualClock(), pace="instant")
    for _ in range(60):
        body = json.dumps(fake.kling_request()).encode()
        bearer = ("authorization", "Bearer sk-mock")
        assert service.handle(Request("POST", PATH, "", (bearer,), body)).status == 200
    assert {task.status for task in service.tasks} == {"succeed"}


def test_fixed_fields_are_not_changed(fake: KlingProvider) -> None:
    for _ in range(50):
        body = fake.kling_request(prompt="a cat", n=0, scene_image="https://a.test/s.png")
        assert (body["prompt"], body["n"], body["scene_image"]) == ("a cat", 0, "https://a.test/s.png")
        assert "scence_image" not in body, "one spelling of a field is enough"
    assert [violation.rule.id for violation in validate(body)] == ["n.minimum"]


def test_an_unknown_fixed_field_is_an_error(fake: KlingProvider) -> None:
    with pytest.raises(TypeError, match=r"field 'aspect_ration'; did you mean 'aspect_ratio'\?"):
        fake.kling_request(aspect_ration="1:1")
    with pytest.raises(TypeError, match="unknown text-to-image field 'scence_image'"):
        fake.kling_request(TEXT_TO_IMAGE, scence_image="https://a.test/s.png")


def test_limits_come_from_the_declaration(fake: KlingProvider) -> None:
    """A changed limit in the contract changes the drawn values."""
    subjects, model = MULTI_IMAGE.field("subject_image_list"), MULTI_IMAGE.field("model_name")
    assert isinstance(subjects, PictureList)
    assert isinstance(model, Choice)
    five = replace(
        subjects, minimum=subjects.minimum._replace(value=5), maximum=subjects.maximum._replace(value=5)
    )
    future = replace(model, options=model.options._replace(value=("kling-v9",)), required=True)
    body = fake.kling_request(replace(MULTI_IMAGE, fields=(five, future)))
    assert len(json.loads(json.dumps(body["subject_image_list"]))) == 5
    assert body["model_name"] == "kling-v9"
