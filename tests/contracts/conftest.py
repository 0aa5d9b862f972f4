"""A sample of requests of every class, shared by the tests of validators."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_contracts.operations import Operation
from kling_contracts.strategies import (
    BoundaryRequest,
    FailingRequest,
    InvalidRequest,
    boundary_classes,
    failing_classes,
    invalid_classes,
)
from tests.profiles import CI

Tagged = BoundaryRequest | InvalidRequest | FailingRequest


@pytest.fixture(scope="session")
def sample() -> list[Tagged]:
    """Requests of every class, drawn once per session; a few of megabytes are last."""
    found: list[Tagged] = []

    def draw(classes: list[st.SearchStrategy[Tagged]], examples: int) -> None:
        @settings(CI, max_examples=examples)
        @given(st.tuples(*classes))
        def collect(cases: tuple[Tagged, ...]) -> None:
            found.extend(cases)

        collect()

    bulky: list[st.SearchStrategy[Tagged]] = []
    for classes in (boundary_classes(), invalid_classes(), failing_classes()):
        small = [each for label, each in classes.items() if "max_bytes" not in label]
        for start in range(0, len(small), 10):
            draw(list(small[start : start + 10]), 4)
        bulky += [each for label, each in classes.items() if "max_bytes" in label]
    draw(bulky, 2)
    return found


URL = "https://example.com/cat.png"
HostileBodies = Callable[[Operation, "st.SearchStrategy[Any]"], "st.SearchStrategy[object]"]


@pytest.fixture(scope="session")
def hostile_bodies() -> HostileBodies:
    """Strategy for bodies in which every field has any of the given values, or a valid one."""

    def bodies(operation: Operation, values: st.SearchStrategy[Any]) -> st.SearchStrategy[object]:
        items = st.dictionaries(st.sampled_from(("subject_image", "note")), values | st.just(URL), max_size=2)
        good: dict[str, st.SearchStrategy[Any]] = {
            "subject_image_list": st.lists(items, max_size=6),
            "model_name": st.sampled_from(("kling-v2", "kling-v2-1")),
            "n": st.integers(-1, 11),
            "aspect_ratio": st.sampled_from(("1:1", "9:21")),
        }
        names = [*sorted(operation.keys), "note"]
        fields = {name: values | st.just(URL) | good.get(name, st.just("")) for name in names}
        return values | st.fixed_dictionaries({}, optional=fields)

    return bodies
