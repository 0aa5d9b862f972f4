"""Decoding and encoding JSON: the fast paths give the same results as the standard library."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kling_contracts.image_fields import decode_base64 as careful
from kling_mock import http as decoding
from kling_mock.http import DIGITS_MAXIMUM, FEW, QUICK_BYTES, decode, decode_base64, json_reply
from tests.profiles import share

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
# Objects as lists of pairs, so that a key may be repeated.
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.lists(st.tuples(texts, inner), max_size=4).map(tuple),
    max_leaves=8,
)
spellings = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")])


def spell(tree: Any, blanks: tuple[str, str], *, escaped: bool) -> str:
    match tree:
        case tuple():
            pairs = [
                json.dumps(key, ensure_ascii=escaped) + blanks[1] + spell(value, blanks, escaped=escaped)
                for key, value in tree
            ]
            return "{" + blanks[0].join(pairs) + "}"
        case list():
            return "[" + blanks[0].join(spell(each, blanks, escaped=escaped) for each in tree) + "]"
        case _:
            return json.dumps(tree, ensure_ascii=escaped)


def twice(tree: Any) -> list[str]:
    """The repeated keys, in the order in which their objects end."""
    if isinstance(tree, list):
        return [key for each in tree for key in twice(each)]
    if not isinstance(tree, tuple):
        return []
    inner = [key for _, value in tree for key in twice(value)]
    keys = [key for key, _ in tree]
    return inner + [key for at, key in enumerate(keys) if key in keys[:at]]


def check(tree: Any, blanks: tuple[str, str], *, escaped: bool) -> None:
    text = spell(tree, blanks, escaped=escaped)
    repeated: list[str] = []
    value = decode(text.encode(), repeated)
    assert repr(value) == repr(json.loads(text))  # `repr` distinguishes 1, 1.0 and true
    assert repeated == twice(tree)


LONG = "a" * QUICK_BYTES
EXTREME = [10**400, -(10**20), 1e300, -0.0, 5e-324, "\x7f\u2028\\"]


@share(0.6)
@given(tree=trees, blanks=spellings, escaped=st.booleans(), large=st.booleans())
@example(tree=(("a", 1), ("a", 1)), blanks=(",", ":"), escaped=False, large=False)
@example(tree=(("a", 1), ("a", 1)), blanks=(",", ":"), escaped=False, large=True)
@example(tree=(("a", (("b", 1), ("b", 2))), ("a", ":")), blanks=(", ", ": "), escaped=False, large=False)
@example(tree=(("a", (("b", 1), ("b", 2))), ("a", '"')), blanks=(", ", ": "), escaped=False, large=True)
@example(tree=EXTREME, blanks=(",", ":"), escaped=False, large=False)
@example(tree=EXTREME, blanks=(",", ":"), escaped=False, large=True)
def test_every_notation_is_decoded_as_by_the_standard_library(
    tree: Any, blanks: tuple[str, str], escaped: bool, large: bool
) -> None:
    check([LONG, tree] if large else tree, blanks, escaped=escaped)


def test_the_result_of_a_lossy_decoder_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counterexample: without the comparison of bytes, a repeated key would be missed."""
    monkeypatch.setattr(decoding, "_decode", lambda _: {"a": 1})
    repeated: list[str] = []
    assert decode(b'{"a":1,"a":1}', repeated) == {"a": 1}
    assert repeated == ["a"]
    monkeypatch.setattr(decoding, "_encode", lambda _: b'{"a":1,"a":1}')
    with pytest.raises(AssertionError):
        check((("a", 1), ("a", 1)), (",", ":"), escaped=False)


@pytest.mark.parametrize("body", [b'{"a": "\\/"}', b"[-0]", b"[1E2]", b"[2.0]", b"[1e400]", b' ["a"] \n'])
def test_unusual_notations_are_decoded_correctly(body: bytes) -> None:
    assert repr(decode(body, [])) == repr(json.loads(body))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"1" * (DIGITS_MAXIMUM + 1), f"a number has {DIGITS_MAXIMUM + 1} digits"),
        (b"-" + b"1" * (DIGITS_MAXIMUM + 1), f"a number has {DIGITS_MAXIMUM + 1} digits"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b'{"a": NaN}', "NaN is not valid JSON"),
        (b'["\xff"]', "it is not UTF-8"),
        (b'["\xed\xa0\x80"]', "it is not UTF-8"),
        (b'["a\x01"]', "Invalid control character at character 3"),
        (b"[1,]", "Expecting value at character 3"),
        (b"[1 , \n]", "Expecting value at character 6"),
        (b'{"a":1,}', "Expecting property name enclosed in double quotes at character 7"),
        (b'{"a":[1,], "b":2}', "Expecting value at character 8"),
        (b'{"a":1}x', "Extra data at character 7"),
        (b"", "it is empty"),
        (b" \r\n", "it is empty"),
        (b"prompt=at+sea&n=1", "it is form data"),
        (b"subject_image_list%5B%5D=x", "it is form data"),
        (b'--0f\r\nContent-Disposition: form-data; name="n"\r\n\r\n1\r\n--0f--\r\n', "it is form data"),
        (b"-1=", "it is form data"),
        (b"'{}'", "Expecting value at character 0"),
        (b"--", "Expecting value at character 0"),
    ],
)
def test_invalid_json_has_one_message_on_every_python(body: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        decode(body, [])


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("blank", ["", " "])
def test_the_longest_number_is_accepted_by_both_decoders(sign: str, blank: str) -> None:
    digits = sign + "9" * DIGITS_MAXIMUM
    assert decode(f"[{blank}{digits}]".encode(), []) == [int(digits)]


def test_lone_surrogates_are_left_to_the_rules() -> None:
    assert decode(b'{"prompt":"\\ud800"}', []) == {"prompt": "\ud800"}


def test_large_bodies_are_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the quick decoder, unless they have many parts, or more quotation marks than keys and strings."""

    def never(*_: object) -> object:
        raise AssertionError("the slow decoder was asked")

    monkeypatch.setattr(decoding, "_decode_carefully", never)
    large = {"a": LONG, "b": [LONG, {"c": [None, True, 1, -2.5e-3]}], "d": "x, y"}
    for body in (json.dumps(large), json.dumps(large, indent=1), json.dumps([1] * FEW + [LONG])):
        assert decode(body.encode(), []) == json.loads(body)
    for changed in (
        {"d": 'x "y"'},
        {"e": [1] * (FEW + 1)},
        {"e": "," * (FEW + 1)},
        {"e": ["x"] * (FEW // 2)},
    ):
        with pytest.raises(AssertionError, match="was asked"):
            decode(json.dumps(large | changed).encode(), [])


def test_base64_is_decoded_as_by_the_contract() -> None:
    """All short texts over critical characters, and other characters beside valid text."""
    short = ("".join(each) for size in range(6) for each in itertools.product("AB/=\n-", repeat=size))
    other = ("AA\u00e9=", "AAA\ud800", "AAAA\u2028", "AAAA\0", "AA==\n", "AAAA" * 9999, "AAAA" * 9999 + "A=")
    for text in (*short, *other):
        assert decode_base64(text) == careful(text), text


plain = st.none() | st.booleans() | st.integers() | texts
bodies = st.dictionaries(
    texts, plain | st.lists(plain, max_size=4) | st.dictionaries(texts, plain, max_size=4), max_size=4
)


@share(0.6)
@given(body=bodies)
@example(body={"a": "".join(map(chr, range(0x80)))})
def test_replies_are_encoded_as_by_the_standard_library(body: dict[str, object]) -> None:
    expected = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    assert json_reply(200, body).body == expected
