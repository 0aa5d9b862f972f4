"""The types of the parts of a task, looked at one by one."""

from __future__ import annotations

from typing import cast

from kling_contracts.vocabulary import ResultKind


def shape_problem(data: object, kind: ResultKind = ResultKind.IMAGES) -> str | None:
    """What is wrong with the types of a task object, stamps apart; None if nothing is.

    `kind` is that of its results.
    """
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
    results = result.get(kind, [])
    if not isinstance(results, list | None):
        return f"task_result.{kind} is no array"
    problem = _image_problem if kind.drawn else _media_problem
    return next((it for it in map(problem, cast("list[object]", results or [])) if it), None)


def _media_problem(media: object) -> str | None:
    if not isinstance(media, dict):
        return "a result is not an object"
    entry = cast("dict[str, object]", media)
    if not isinstance(entry.get("url"), str):
        return "the url of a result is not a string"
    odd = (name for name in ("id", "duration") if not isinstance(entry.get(name), str | None))
    return next((f"the {name} of a result is not a string" for name in odd), None)


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
