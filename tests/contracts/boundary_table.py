"""The boundary table: values and verdicts, typed by hand from the page, independent of the contract."""

import base64
import copy
import math
import struct
from typing import Any, NamedTuple

PAGE_URL = "https://filesystem.site/cdn/20250814/goDW44JIf6eSuxAS7TNringhWjO9kW.png"
SUBJECTS = [{"subject_image": PAGE_URL}, {"subject_image": "https://example.com/b.png"}]
MIB_10 = 10485760


def good(**fields: object) -> dict[str, object]:
    return {"subject_image_list": copy.deepcopy(SUBJECTS), **fields}


def subjects(*pictures: object) -> dict[str, object]:
    return {"subject_image_list": [{"subject_image": picture} for picture in pictures]}


def png(width: int, height: int, size: int = 33) -> bytes:
    head = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR" + struct.pack(">II", width, height)
    return head + bytes(size - len(head))


def jpeg(width: int, height: int) -> bytes:
    frame = b"\xff\xc0\x00\x0b\x08" + struct.pack(">HH", height, width) + b"\x01\x01\x11\x00"
    return b"\xff\xd8" + b"\xff\xe0\x00\x04ab" + b"\xff\xff" + frame


def inline(data: bytes) -> str:
    return base64.b64encode(data).decode()


PICTURE = inline(png(300, 300))
UNPADDED = inline(png(300, 300, 36))
LARGEST = inline(png(300, 300, MIB_10))
TOO_LARGE = inline(png(300, 300, MIB_10 + 1))


class Row(NamedTuple):
    name: str
    body: object
    # (path, rule, code of the create response, effect), or None for a valid body
    due: tuple[str, str, int, str] | None
    # the reason if JSON Schema cannot express the rule
    unsaid: str = ""


def ok(name: str, body: object, unsaid: str = "") -> Row:
    return Row(name, body, None, unsaid)


def refused(name: str, body: object, path: str, rule: str, unsaid: str = "") -> Row:
    return Row(name, body, (path, rule, 1201, "refused"), unsaid)


def fails(name: str, body: object, path: str, rule: str) -> Row:
    return Row(name, body, (path, rule, 0, "fails"))


NO_LIST: list[object] = []
NO_OBJECT: dict[str, object] = {}
SURROGATE = "JSON Schema cannot express lone surrogates"
LIBRARY = "jsonschema fails to print a number of 5000 digits"
BULKY = "a pattern over 14 million characters takes seconds; see test_schema_counts_bytes"

BODIES = [
    refused("body null", None, "request body", "body.type"),
    refused("body array", [], "request body", "body.type"),
    refused("body array of one", [good()], "request body", "body.type"),
    refused("body text", "{}", "request body", "body.type"),
    refused("body number", 1, "request body", "body.type"),
    refused("body true", True, "request body", "body.type"),
    refused("body NaN", math.nan, "request body", "body.type"),
    refused("body empty object", {}, "subject_image_list", "subject_image_list.required"),
    ok("body unknown field", good(negative_prompt="", watermark_info={"enabled": True}, seed=7)),
    ok("body key in other case", good(PROMPT=1)),
    refused("surrogate in unknown value", good(note="\ud800"), "'note'", "body.unicode", SURROGATE),
    refused("surrogate in unknown key", good(**{"\udc00": 1}), "'\\udc00'", "body.unicode", SURROGATE),
    refused("surrogate deep", good(note=[{"a": ["\udfff"]}]), "'note'", "body.unicode", SURROGATE),
    refused("surrogate in deep key", good(note={"a": {"\udfff": 0}}), "'note'", "body.unicode", SURROGATE),
    refused(
        "surrogate in an item",
        {"subject_image_list": [SUBJECTS[0], {"subject_image": PAGE_URL, "note": "\ud800"}]},
        "subject_image_list[1]['note']",
        "body.unicode",
        SURROGATE,
    ),
    refused(
        "surrogate in an unneeded alias",
        good(scence_image=PAGE_URL, scene_image="\ud800"),
        "scene_image",
        "body.unicode",
        SURROGATE,
    ),
    ok("surrogate pair", good(prompt="\U0001f600", note="\U0001f600")),
]

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

UNITS = {
    "ascii": "a",
    "blank": " ",
    "NUL": "\0",
    "BOM": "\ufeff",
    "two bytes": "é",
    "three bytes": "漢",
    "astral": "😀",
    "combining": "e\u0301",
    "ZWJ sequence": "👩\u200d🎨",
    "flag": "🇩🇪",
    "right to left": "\u202eא",
}
PROMPTS = [
    row
    for name, unit in UNITS.items()
    for row in (
        ok(f"prompt 2500 {name}", good(prompt=(unit * 2500)[:2500])),
        refused(f"prompt 2501 {name}", good(prompt=(unit * 2501)[:2501]), "prompt", "prompt.max_length"),
    )
] + [
    ok("prompt 1", good(prompt="x")),
    ok("prompt 1251 astral", good(prompt="😀" * 1251)),
    ok("prompt of blanks", good(prompt="   ")),
    ok("prompt null", good(prompt=None)),
    ok("prompt empty", good(prompt="")),
    refused("prompt padded over", good(prompt=" " + "a" * 2500), "prompt", "prompt.max_length"),
    refused("prompt high surrogate", good(prompt="a\ud83d"), "prompt", "prompt.unicode", SURROGATE),
    refused("prompt low surrogate", good(prompt="\ude00"), "prompt", "prompt.unicode", SURROGATE),
    refused("prompt pair the wrong way", good(prompt="\ude00\ud83d"), "prompt", "prompt.unicode", SURROGATE),
    *[
        refused(f"prompt {value!r}", good(prompt=value), "prompt", "prompt.type")
        for value in (0, 1, True, False, 1.5, ["a"], NO_LIST, NO_OBJECT, math.nan)
    ],
]

NUMBERS = [
    *[ok(f"n {value!r}", good(n=value)) for value in (1, 2, 5, 8, 9, 1.0, 2.0, 9.0, None, "")],
    *[
        refused(f"n {value!r}", good(n=value), "n", f"n.{rule}")
        for value, rule in [
            (0, "minimum"),
            (-1, "minimum"),
            (-0.0, "minimum"),
            (0.0, "minimum"),
            (-(10**30), "minimum"),
            (10, "maximum"),
            (10.0, "maximum"),
            (10**30, "maximum"),
            (1e300, "maximum"),
            (1.5, "integer"),
            (0.5, "integer"),
            (9.000001, "integer"),
            (math.inf, "integer"),
            (-math.inf, "integer"),
            (math.nan, "integer"),
            (float("1e400"), "integer"),
            (True, "type"),
            (False, "type"),
            ("1", "type"),
            ("one", "type"),
            (" ", "type"),
            ([1], "type"),
            ([], "type"),
            ({}, "type"),
        ]
    ],
    refused("n of 5000 digits", good(n=10**5000), "n", "n.maximum", LIBRARY),
]

RATIOS = ["16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9"]
CHOICES = [
    *[ok(f"ratio {text}", good(aspect_ratio=text)) for text in RATIOS],
    *[
        refused(f"ratio {text!r}", good(aspect_ratio=text), "aspect_ratio", "aspect_ratio.enum")
        for text in [
            "9:21",
            "5:4",
            "4:5",
            "32:18",
            "8:4.5",
            "16:10",
            "2:1",
            "1:2",
            "16x9",
            "16/9",
            "16-9",
            "1.78",
            "auto",
            "16:9:1",
            "169",
            ":",
            "16:",
            ":9",
            *(
                "16:9 ",
                " 16:9",
                "16 : 9",
                "16:9\n",
                "16:9\0",
                "16\uff1a9",
                "\uff11\uff16:\uff19",
                "016:9",
                "16:09",
                "\ud800",
            ),
        ]
    ],
    *[
        refused(f"ratio {value!r}", good(aspect_ratio=value), "aspect_ratio", "aspect_ratio.type")
        for value in (1, 1.0, 1.78, True, False, ["16:9"], [16, 9], {"w": 16}, {}, math.nan)
    ],
    ok("ratio null", good(aspect_ratio=None)),
    ok("ratio empty", good(aspect_ratio="")),
    ok("model", good(model_name="kling-v2")),
    ok("model null", good(model_name=None)),
    ok("model empty", good(model_name="")),
    *[
        refused(f"model {text!r}", good(model_name=text), "model_name", "model_name.enum")
        for text in (
            "kling-v1",
            "kling-v2-1",
            "KLING-V2",
            "kling-v2 ",
            " kling-v2",
            "kling_v2",
            "kling-v",
            "v2",
        )
    ],
    *[
        refused(f"model {value!r}", good(model_name=value), "model_name", "model_name.type")
        for value in (2, True, ["kling-v2"], NO_OBJECT, 2.0)
    ],
]

CALLBACKS = [
    *[ok(f"callback {name}", good(callback_url=url)) for name, url in WEB.items()],
    *[
        refused(f"callback {name}", good(callback_url=url), "callback_url", "callback_url.url")
        for name, url in NO_HOST.items()
    ],
    *[
        refused(f"callback {url!r}", good(callback_url=url), "callback_url", "callback_url.url")
        for url in (
            "example.com/x",
            "/x",
            "//example.com/x",
            "ftp://example.com",
            "mailto:a@example.com",
            "x",
            " ",
        )
    ],
    refused("callback port", good(callback_url="http://a:65536/"), "callback_url", "callback_url.url"),
    ok("callback highest port", good(callback_url="http://a:65535/")),
    refused("callback blank before", good(callback_url=" http://a/"), "callback_url", "callback_url.url"),
    refused(
        "callback surrogate",
        good(callback_url="http://a/\udc00"),
        "callback_url",
        "callback_url.unicode",
        SURROGATE,
    ),
    *[
        refused(f"callback {value!r}", good(callback_url=value), "callback_url", "callback_url.type")
        for value in (1, True, NO_LIST, NO_OBJECT, ["http://a/"])
    ],
    ok("callback null", good(callback_url=None)),
    ok("callback empty", good(callback_url="")),
]

EXTERNAL_IDS = [
    *[ok(f"external id {text!r}", good(external_task_id=text)) for text in ("a", " ", "é/%2F?#", "😀", "\0")],
    ok("external id long", good(external_task_id="x" * 5000)),
    ok("external id null", good(external_task_id=None)),
    ok("external id empty", good(external_task_id="")),
    refused(
        "external id surrogate",
        good(external_task_id="\ud800"),
        "external_task_id",
        "external_task_id.unicode",
        SURROGATE,
    ),
    *[
        refused(
            f"external id {value!r}",
            good(external_task_id=value),
            "external_task_id",
            "external_task_id.type",
        )
        for value in (1, 0, True, NO_LIST, NO_OBJECT, ["a"])
    ],
]

ROWS = [
    *BODIES,
    *COUNTS,
    *LIST_TYPES,
    *BROKEN_ITEMS,
    *PICTURES,
    *PROMPTS,
    *NUMBERS,
    *CHOICES,
    *CALLBACKS,
    *EXTERNAL_IDS,
]
