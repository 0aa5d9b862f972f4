"""The story of a task as a test or as a scenario file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from kling_mock.control_api import models, parameters
from kling_mock.control_api.calls import found_call
from kling_mock.control_api.problems import Problem
from kling_mock.control_api.redacted import Redaction
from kling_mock.control_api.tasks import found_task
from kling_mock.exports.pytest_story import pytest_story
from kling_mock.exports.scenario_story import scenario_story
from kling_mock.exports.task_story import TaskStory, story_of_refusal, story_of_task
from kling_mock.fake import Fake

_FORMS: Final[Mapping[str, Callable[[TaskStory], str]]] = MappingProxyType(
    {"pytest": pytest_story, "scenario": scenario_story}
)


def read_story(fake: Fake, id: str, query: parameters.StoryQuery) -> models.PlainText:  # noqa: A002 -- the name in the path
    """Read the story of a task as a test for pytest, or as a scenario file that repeats its outcome."""
    task, now = found_task(fake, id).read()
    return _written(fake, query, lambda: story_of_task(fake, task, now))


def read_story_of_call(fake: Fake, id: str, query: parameters.StoryQuery) -> models.PlainText:  # noqa: A002 -- the same
    """Read the story of a create: that of its task, or its refusal by a script."""
    call = found_call(fake, id)
    if call.task_id is not None:
        return read_story(fake, call.task_id, query)
    return _written(fake, query, lambda: story_of_refusal(fake, call))


def _written(fake: Fake, query: parameters.StoryQuery, story_of: Callable[[], TaskStory]) -> models.PlainText:
    try:
        story = story_of()
    except ValueError as error:
        raise Problem(409, str(error)) from None
    return models.PlainText(_FORMS[query.as_](_hidden(Redaction(fake), story)).encode())


def _hidden(redaction: Redaction, story: TaskStory) -> TaskStory:
    """The story without secrets, before its values become parts of code."""
    hide = redaction.hide
    return replace(
        story,
        path=hide(story.path),
        body=hide(dict(story.body)),
        settings=hide(dict(story.settings)),
        scripts=hide([dict(each) for each in story.scripts]),
        failure=hide(story.failure),
    )
