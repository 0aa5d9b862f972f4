"""The pictures of a task: results and inputs. Reading them here is not a download of the service."""

from __future__ import annotations

import json

from kling_contracts.vocabulary import TaskStatus
from kling_mock.control_api import models, parameters, task_models
from kling_mock.control_api.problems import Problem
from kling_mock.control_api.tasks import found_task
from kling_mock.fake import Fake
from kling_mock.images.metadata import metadata_text
from kling_mock.images.urls import PictureInfo, picture_info, result_url
from kling_mock.task_request import PictureRecord


def read_image(fake: Fake, id: str, index: str, query: parameters.ImageQuery) -> models.PNGImage:  # noqa: A002 -- the name in the path
    """Read a result as a PNG. This is not a download: it is not in the journal, and has no faults."""
    info, _ = _result(fake, id, index, watermark=query.watermark)
    return models.PNGImage(fake.draw(info))


def read_image_info(fake: Fake, id: str, index: str, query: parameters.ImageQuery) -> task_models.ImageInfo:  # noqa: A002 -- the same
    """Read the size of a result, and the metadata in its PNG text."""
    info, url = _result(fake, id, index, watermark=query.watermark)
    size = len(fake.draw(info))
    return task_models.ImageInfo(url, info.width, info.height, size, json.loads(metadata_text(info)))


def read_input(fake: Fake, id: str, index: str) -> models.PNGImage:  # noqa: A002 -- the same
    """Read an input picture as a PNG: its thumbnail, or a pattern of its SHA-256 without one."""
    task, _ = found_task(fake, id).read()
    pictures = task.record.request.pictures
    return models.PNGImage(_draw_input(pictures[_number(index, "input", len(pictures))]))


def _draw_input(picture: PictureRecord) -> bytes:
    if picture.thumbnail is not None:
        return picture.thumbnail
    from kling_mock.images.draw import draw_pattern

    return draw_pattern(picture)


def _result(fake: Fake, task_id: str, index: str, *, watermark: bool) -> tuple[PictureInfo, str]:
    """The contents of a result, and its URL."""
    task, now = found_task(fake, task_id).read()
    record, status = task.record, task.at(now).status
    number = _number(index, "result", record.request.n)
    if status is not TaskStatus.SUCCEED:
        raise Problem(409, f"task {task_id} has no result; its status is {status}")
    if not record.result.drawn:
        raise Problem(409, f"kling-mock draws images only, not {record.result}")
    if watermark and not record.request.watermark:
        raise Problem(409, "watermark: the request did not enable watermarks", "?watermark")
    url = result_url(record, number, fake.settings.seed, watermark=watermark)
    return picture_info(record, number, watermark=watermark), url


def _number(index: str, kind: str, count: int) -> int:
    """The index of one of `count` pictures. Raises a problem (404) for another one."""
    if index in map(str, range(count)):
        return int(index)
    known = f"0 to {count - 1}" if count > 1 else "0" if count else "without one"
    raise Problem(404, f"unknown {kind} {index[:20]!r}; the task has {known}")
