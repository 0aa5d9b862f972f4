"""Removal of secrets from texts."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts.redaction import PART, Redactor, escape_controls, hide_in_urls

KEY = "sk-4f/A+9cQ7&x_Lm2-0123456789abcdef"


def redactor(key: str = KEY) -> Redactor:
    made = Redactor("[part]")
    made.add({key: "[key]"})
    return made


FORMS = {
    "plain": KEY,
    "JSON": json.dumps(KEY)[1:-1].replace("/", "\\/"),
    "percent": quote(KEY, safe=""),
    "percent, lower case": quote(KEY, safe="").replace("%2F", "%2f").replace("%2B", "%2b"),
    "percent, every character": "".join(f"%{byte:02x}" for byte in KEY.encode()),
    "percent, every character, upper case": "".join(f"%{byte:02X}" for byte in KEY.encode()),
    "HTML": html.escape(KEY),
    "hexadecimal": KEY.encode().hex(),
    "hexadecimal, upper case": KEY.encode().hex().upper(),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_key_is_replaced_in_every_encoding(form: str) -> None:
    assert redactor().text(f"<{form}>") == "<[key]>"
    assert redactor().content(b"\xff<" + form.encode()) == b"\xff<[key]"


@pytest.mark.parametrize("before", ["", "u", "us", "user:", ":"])
@pytest.mark.parametrize("after", ["", "@h", " and more"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_key_is_replaced_in_base64_at_every_position(before: str, after: str, encode: object) -> None:
    assert callable(encode)
    text = encode(f"{before}{KEY}{after}".encode()).decode()
    shown = redactor().text(text)
    assert "[key]" in shown
    rest = "".join(shown.replace("[key]", "").split("="))
    assert len(rest) <= (len(before) + len(after)) * 4 / 3 + 4


@given(st.integers(0, len(KEY) - PART), st.integers(PART, len(KEY)), st.text("yz ", max_size=9))
def test_every_part_of_eight_characters_is_replaced(begin: int, length: int, around: str) -> None:
    part = KEY[begin : begin + length]
    shown = redactor().text(f"{around}{part}{around}")
    assert shown in {f"{around}{mark}{around}" for mark in ("[part]", "[key]")}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_halves_of_encoded_keys_are_replaced(form: str) -> None:
    half = len(form) // 2
    for part in (form[:half], form[half:], form[half // 2 : -half // 2]):
        shown = redactor().text(f"<{part}>")
        assert "[part]" in shown
        assert len(shown.replace("[part]", "")) <= 8


def test_other_texts_are_unchanged() -> None:
    """Counterexamples: fewer characters of the key, as gateways mask it; parts of a short key."""
    for text in ("sk-4f/A***cdef", "", "x" * 10_000, KEY[:7], KEY[3:10] + " " + KEY[11:18]):
        assert redactor().text(text) == text
    assert redactor("sk-mock-1").text("sk-mock-2 sk-mock-1") == "sk-mock-2 [key]"


@given(st.binary(max_size=200))
def test_bytes_without_the_key_are_unchanged(content: bytes) -> None:
    assert redactor().content(content) == content


def test_adjacent_and_overlapping_parts_are_all_replaced() -> None:
    text = f"{KEY[:12]}{KEY[:12]}{KEY[5:20]}-{KEY}{KEY[-9:]}"
    shown = redactor().text(text)
    assert not any(KEY[at : at + 4] in shown for at in range(len(KEY) - 3))


def test_the_longer_of_two_secrets_is_replaced_first_and_marks_are_kept() -> None:
    made = Redactor()
    made.add({"secret-one": "[1]"})
    made.add({"secret-one-and-two": "[2]", "secret-one": "[3]"})
    assert made.text("secret-one secret-one-and-two") == "[1] [2]"
    assert made.whole(b"secret-one secret-o") == b"[1] secret-o"


def test_lone_surrogates_and_non_ascii_keys() -> None:
    assert redactor().text(f"\ud800{KEY}\udfff") == "\ud800[key]\udfff"
    assert redactor("schlüssel-schlüssel").text("x schlüssel-schlüssel") == "x [key]"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:pass@h.test/a", "https://h.test/a"),
        ("HTTPS://user@h.test", "HTTPS://h.test"),
        ("https://h/a?token=abc", "https://h/a?token=[hidden]"),
        ("https://h/a?x=1&key=b#access_token=c", "https://h/a?x=[hidden]&key=[hidden]#access_token=[hidden]"),
        ("https://h/a?abcdef", "https://h/a?[hidden]"),
        ("https://h/a?", "https://h/a?"),
        ("'https://u:p@h/a?sig=1' and https://h/b", "'https://h/a?sig=[hidden]' and https://h/b"),
        ("https://proxy/https://u:p@h/a", "https://proxy/https://h/a"),
        ("redis://:pass@h:6379/0", "redis://h:6379/0"),
        ("POST /hook?api_key=1&n=2", "POST /hook?api_key=[hidden]&n=2"),
        ("/x?X-Amz-Signature=ab&X-Amz-Credential=c", "/x?X-Amz-Signature=[hidden]&X-Amz-Credential=[hidden]"),
        ("/kling/v1/images?pageNum=1", "/kling/v1/images?pageNum=1"),
        ("mail a@b.test: x=1", "mail a@b.test: x=1"),
        ("n: n is at most 9 (got 12)", "n: n is at most 9 (got 12)"),
    ],
)
def test_secrets_of_urls_are_hidden(text: str, shown: str) -> None:
    assert hide_in_urls(text) == shown


@pytest.mark.parametrize(
    "char", ["\x1b", "\x00", "\x07", "\x7f", "\x9b", "\u202e", "\u2066", "\u2028", "\ud800"]
)
def test_control_characters_are_escaped(char: str) -> None:
    shown = escape_controls(f"a{char}b")
    assert shown.isprintable()
    assert shown.startswith("a\\")
    assert escape_controls(f"a{char}\n", keep=f"{char}\n") == f"a{char}\n"


def test_printable_text_is_unchanged() -> None:
    assert escape_controls("Größe 猫 \\x1b") == "Größe 猫 \\x1b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("?a=?token=x", "?a=?token=[hidden]"),
        ("?key=?token=x&b=c;sig=d", "?key=[hidden]&b=c;sig=[hidden]"),
        ("#x.api-key=a'&Token=b", "#x.api-key=[hidden]'&Token=[hidden]"),
        ("?key=&token=&a=b", "?key=&token=&a=b"),
        ("?tok=en, key=x", "?tok=en, key=x"),
    ],
)
def test_parameters_are_hidden_by_their_name(text: str, shown: str) -> None:
    assert hide_in_urls(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "=?" + "key" * 100_000,
        "x://y= " + "a." * 100_000,
        "=" + "&key" * 100_000,
        "http://" + ":/" * 100_000 + "=",
        "a=" + "://" * 100_000,
    ],
)
def test_a_long_text_without_secrets_takes_linear_time(text: str) -> None:
    """Counterexample: a pattern that tried every part of a name took minutes for the first of these."""
    assert hide_in_urls(text).startswith(text[:2])
