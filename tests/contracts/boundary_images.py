"""The rows of the boundary table about subjects and pictures, typed by hand from the page."""

import math
from typing import Any

from tests.contracts.boundary_rows import (
    BULKY,
    LARGEST,
    NO_LIST,
    NO_OBJECT,
    PAGE_URL,
    PICTURE,
    SUBJECTS,
    SURROGATE,
    TOO_LARGE,
    UNPADDED,
    Row,
    fails,
    good,
    inline,
    jpeg,
    ok,
    png,
    refused,
    subjects,
)

COUNTS = [
    ok("two subjects", subjects(PAGE_URL, PAGE_URL)),
    ok("three subjects", subjects(PAGE_URL, PICTURE, PAGE_URL)),
    ok("four equal subjects, the page's example", subjects(PAGE_URL, PAGE_URL, PAGE_URL, PAGE_URL)),
    ok("four equal inline subjects", subjects(PICTURE, PICTURE, PICTURE, PICTURE)),
    refused("no subject", subjects(), "subject_image_list", "subject_image_list.required"),
    refused("one subject", subjects(PAGE_URL), "subject_image_list", "subject_image_list.min_items"),
    refused("five subjects", subjects(*[PAGE_URL] * 5), "subject_image_list", "subject_image_list.max_items"),
    refused("six subjects", subjects(*[PAGE_URL] * 6), "subject_image_list", "subject_image_list.max_items"),
    refused(
        "fifty subjects", subjects(*[PAGE_URL] * 50), "subject_image_list", "subject_image_list.max_items"
    ),
    ok("unknown field in an item", {"subject_image_list": [SUBJECTS[0] | {"id": 1}, SUBJECTS[1]]}),
]

LIST_TYPES = [
    refused(
        f"list is {name}", {"subject_image_list": value}, "subject_image_list", f"subject_image_list.{rule}"
    )
    for name, value, rule in [
        ("null", None, "required"),
        ("empty text", "", "required"),
        ("empty", NO_LIST, "required"),
        ("text", PAGE_URL, "type"),
        ("text of a list", "[]", "type"),
        ("object", NO_OBJECT, "type"),
        ("object with positions", {"0": SUBJECTS[0], "1": SUBJECTS[1]}, "type"),
        ("one item bare", SUBJECTS[0], "type"),
        ("true", True, "type"),
        ("false", False, "type"),
        ("zero", 0, "type"),
        ("two", 2, "type"),
        ("NaN", math.nan, "type"),
    ]
]

BROKEN_ITEMS = [
    refused(
        f"item {index} of {length} is {name}",
        {"subject_image_list": [item if at == index else SUBJECTS[0] for at in range(length)]},
        f"subject_image_list[{index}]{tail}",
        rule,
    )
    for length in (2, 3, 4)
    for index in range(length)
    for name, item, tail, rule in [
        ("text", PAGE_URL, "", "subject_image_list.item_type"),
        ("null", None, "", "subject_image_list.item_type"),
        ("list", [SUBJECTS[0]], "", "subject_image_list.item_type"),
        ("number", 1, "", "subject_image_list.item_type"),
        ("hollow", {}, ".subject_image", "subject_image.required"),
        ("misspelt", {"image": PAGE_URL}, ".subject_image", "subject_image.required"),
        ("given null", {"subject_image": None}, ".subject_image", "subject_image.required"),
        ("given nothing", {"subject_image": ""}, ".subject_image", "subject_image.required"),
        ("given number", {"subject_image": 5}, ".subject_image", "subject_image.type"),
        ("given list", {"subject_image": [PAGE_URL]}, ".subject_image", "subject_image.type"),
        ("given true", {"subject_image": True}, ".subject_image", "subject_image.type"),
        ("no base64", {"subject_image": "a.png"}, ".subject_image", "subject_image.base64"),
    ]
]

NO_BASE64 = {
    "data URI": "data:image/png;base64," + PICTURE,
    "ftp": "ftp://example.com/a.png",
    "file": "file:///a.png",
    "relative": "/a.png",
    "one slash": "http:/example.com/a.png",
    "missing padding": inline(png(300, 300, 34)).rstrip("="),
    "one of two paddings": inline(png(300, 300, 34))[:-1],
    "padding too many": inline(png(300, 300, 33)) + "=",
    "a group of padding": inline(png(300, 300, 33)) + "====",
    "padding inside": PICTURE[:8] + "=" + PICTURE[9:],
    "only padding": "====",
    "URL-safe": PICTURE[:-4] + "-_-_",
    "inner newline": PICTURE[:20] + "\n" + PICTURE[20:],
    "inner blanks": PICTURE[:20] + "    " + PICTURE[20:],
    "last newline": PICTURE + "\n",
    "leading blank": " " + PICTURE,
    "non-ASCII": "é" * 4,
    "full-width": "\uff21" * 4,
    "NUL": PICTURE[:4] + "\0\0\0\0" + PICTURE[4:],
    "surrogate": "AAA\ud800",
    "one character": "A",
    "blank": " ",
}
NO_HOST = {
    "nothing after slashes": "http://",
    "path only": "https:///a.png",
    "query only": "http://?a.png",
    "fragment only": "HTTP://#a",
    "port only": "http://:80/a.png",
    "user only": "http://me@/a.png",
    "blank in host": "http://exam ple.com/a.png",
    "newline in host": "http://\nexample.com/a.png",
    "tab at the end": "http://example.com\t",
}
WEB = {
    "plain": "http://example.com/a.png",
    "upper-case scheme": "HTTPS://EXAMPLE.COM/A.PNG",
    "mixed scheme": "hTtP://example.com",
    "port": "http://example.com:8080/a.png",
    "address": "http://127.0.0.1/a.png",
    "bracketed address": "http://[::1]:80/a.png",
    "user": "https://a:b@example.com/a.png",
    "query without path": "https://example.com?a=1",
    "blank in path": "https://example.com/my picture.png",
    "international": "https://müller.example/ä.png",
}
LIKE_NO_PICTURE = {
    "text": inline(b"hello"),
    "gif": inline(b"GIF89a" + bytes(30)),
    "webp": inline(b"RIFF\x00\x00\x00\x00WEBPVP8 "),
    "only a signature": inline(b"\x89PNG\r\n\x1a\n"),
    "png cut off": inline(png(300, 300)[:23]),
    "jpeg cut off": inline(jpeg(300, 300)[:18]),
    "jpeg without frame": inline(b"\xff\xd8\xff\xd9"),
    "jpeg with a broken segment": inline(b"\xff\xd8\xff\xe0\x00\x00" + jpeg(300, 300)[2:]),
    "svg": inline(b"<svg/>"),
    "four letters": "AAAA",
}


def picture_rows(key: str, rule: str, path: str, body: Any) -> list[Row]:
    rows = [refused(f"{key} {name}", body(text), path, f"{rule}.base64") for name, text in NO_BASE64.items()]
    rows += [refused(f"{key} {name}", body(text), path, f"{rule}.url") for name, text in NO_HOST.items()]
    rows += [ok(f"{key} URL {name}", body(text)) for name, text in WEB.items()]
    rows += [
        fails(f"{key} is {name}", body(text), path, f"{rule}.format")
        for name, text in LIKE_NO_PICTURE.items()
    ]
    rows += [
        ok(f"{key} {width}x{height} {kind.__name__}", body(inline(kind(width, height))))
        for width, height in [(300, 300), (301, 300), (750, 300), (300, 750), (1000, 400), (65535, 65535)]
        for kind in (png, jpeg)
    ]
    rows += [
        fails(
            f"{key} {width}x{height} {kind.__name__}",
            body(inline(kind(width, height))),
            path,
            f"{rule}.{which}",
        )
        for width, height, which in [
            (299, 300, "min_side"),
            (300, 299, "min_side"),
            (200, 200, "min_side"),
            (1, 1, "min_side"),
            (0, 0, "min_side"),
            (299, 3000, "min_side"),
            (751, 300, "shape"),
            (300, 751, "shape"),
            (1001, 400, "shape"),
            (400, 1001, "shape"),
        ]
        for kind in (png, jpeg)
    ]
    return [
        *rows,
        ok(f"{key} no padding", body(UNPADDED)),
        refused(f"{key} port too high", body("http://example.com:65536/a"), path, f"{rule}.url"),
        refused(f"{key} port no number", body("http://example.com:a/a"), path, f"{rule}.url"),
        refused(f"{key} surrogate in URL", body(PAGE_URL + "\ud800"), path, f"{rule}.url", SURROGATE),
        refused(f"{key} number", body(1), path, f"{rule}.type"),
        refused(f"{key} true", body(True), path, f"{rule}.type"),
        refused(f"{key} object", body({"url": PAGE_URL}), path, f"{rule}.type"),
        refused(f"{key} list", body([PAGE_URL]), path, f"{rule}.type"),
        ok(f"{key} exactly 10 MiB", body(LARGEST), BULKY),
        refused(f"{key} one byte over", body(TOO_LARGE), path, f"{rule}.max_bytes", BULKY),
    ]


PICTURES = [
    *picture_rows(
        "subject",
        "subject_image",
        "subject_image_list[1].subject_image",
        lambda text: subjects(PAGE_URL, text),
    ),
    *picture_rows("scence", "scence_image", "scence_image", lambda text: good(scence_image=text)),
    *picture_rows("scene", "scence_image", "scene_image", lambda text: good(scene_image=text)),
    *picture_rows("style", "style_image", "style_image", lambda text: good(style_image=text)),
    ok("both scenes", good(scence_image=PAGE_URL, scene_image=PICTURE)),
    ok("an alias beside its name is ignored", good(scence_image=PAGE_URL, scene_image=5)),
    ok("the alias for an empty name", good(scence_image="", scene_image=PAGE_URL)),
    refused(
        "a bad alias for an empty name",
        good(scence_image="", scene_image=5),
        "scene_image",
        "scence_image.type",
    ),
    refused(
        "a bad alias for null", good(scence_image=None, scene_image="x"), "scene_image", "scence_image.base64"
    ),
]
