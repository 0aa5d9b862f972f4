"""The types of the parts of a task, looked at one by one."""

from __future__ import annotations

from typing import cast


def shape_problem(data: object) -> str | None:
    """What is wrong with the types of a task object, stamps apart; None if nothing is."""
    if not isinstance(data, dict):
        return "data is no object"
    task = cast("dict[str, object]", data)
    for name in ("task_id", "task_status"):
        if not (isinstance(task.get(name), str) and task[name]):
            return f"{name} is no text"
    for name in ("task_status_msg", "final_unit_deduction"):
        if not isinstance(task.get(name), str | None):
            return f"{name} is no text"
    for name in ("task_info", "task_result"):
        if not isinstance(task.get(name), dict | None):
            return f"{name} is no object"
    result = cast("dict[str, object]", task.get("task_result") or {})
    images = result.get("images", [])
    if not isinstance(images, list | None):
        return "task_result.images is no array"
    return next((it for it in map(_image_problem, cast("list[object]", images or [])) if it), None)


def _image_problem(image: object) -> str | None:
    if not isinstance(image, dict):
        return "an image is no object"
    entry = cast("dict[str, object]", image)
    if not isinstance(entry.get("url"), str):
        return "the url of an image is no text"
    index = entry.get("index", 0)
    return (
        None
        if isinstance(index, int) and not isinstance(index, bool)
        else "the index of an image is no integer"
    )
