"""Values of settings from their text in a flag or an ini file."""

from __future__ import annotations

from kling_mock.setting_types import TYPES
from kling_mock.settings import annotation_of


def read_switch(name: str, text: str) -> object:
    """The value of a setting from its text; items of a list are separated by commas.

    Raises ValueError that names the setting, TypeError for an unknown name.
    """
    kind = annotation_of(name)
    is_list = kind.startswith(("tuple", "frozenset"))
    if is_list and not text.strip(" ,"):  # a variable without a value: no keys would accept every key
        raise ValueError(f"{name} must not be empty; none is the empty list")
    try:
        if text.lower() == "none" and kind.endswith("| None"):
            return None
        if is_list:
            if text.lower() == "none":
                return ()
            items = [item.strip() for item in text.split(",") if item.strip()]
            number = {"tuple[int, ...]": int, "tuple[float, ...]": float}.get(kind, str)
            return tuple([number(item) for item in items])
        if kind == "bool":
            return {"true": True, "false": False}[text.lower()]
        reader = {"int": int, "float": float}.get(kind.removesuffix(" | None"), str)
        return reader(text)
    except (ValueError, KeyError):
        raise ValueError(f"{name} must be {TYPES[kind].text}, not {text!r}") from None
