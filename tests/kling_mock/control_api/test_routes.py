"""The routes of create requests, as data for a form."""

from __future__ import annotations

from tests.kling_mock.control_api.conftest import Control


def test_each_enabled_operation_has_a_route_with_its_fields() -> None:
    """With the limits of the boundary table, and the spelling of each gateway."""
    routes = Control(operations=["text-to-image"]).ok("GET", "/routes")["routes"]
    found = {(each["gateway"], each["operation"]): each for each in routes}
    assert ("CometAPI", "text-to-image") in found
    main = found["CometAPI", "multi-image"]
    assert main["path"] == "/kling/v1/images/generations"
    fields = {each["name"]: each for each in main["fields"]}
    expected: dict[str, tuple[object, ...]] = {
        "subject_image_list": ("pictures", True, None, 2, 4, "subject_image"),
        "scence_image": ("picture", False, None, None, None, None),
        "n": ("integer", False, 1, 1, 9, None),
        "prompt": ("text", False, None, None, 2500, None),
        "aspect_ratio": ("choice", False, "16:9", None, None, None),
        "callback_url": ("text", False, None, None, None, None),
    }
    for name, values in expected.items():
        keys = ("kind", "required", "default", "minimum", "maximum", "item")
        assert tuple(fields[name][key] for key in keys) == values, name
    assert "3:2" in fields["aspect_ratio"]["options"]
    names = {each["name"] for each in found["Kling", "multi-image2image"]["fields"]}
    assert "scene_image" in names
    default = Control().ok("GET", "/routes")["routes"]
    assert ("CometAPI", "text-to-image") not in {(each["gateway"], each["operation"]) for each in default}
