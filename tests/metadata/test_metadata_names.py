"""Search and sort keys: pure functions, so properties."""
# ruff: noqa: RUF001 - letters that look alike are the point

import sys
import unicodedata
from itertools import groupby

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from satchel.metadata.names import MAX_KEY, fold, natural_key

names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)
tricky = st.text(st.sampled_from("aAbBzéEÉe\u0301iIİı019 ٣۵².-_я"), max_size=12)


@pytest.mark.parametrize(
    ("name", "term"),
    [
        ("README.md", "readme"),
        ("Straße", "STRASSE"),
        ("ΟΔΟΣ.txt", "οδος"),
        ("ОТЧЁТ.docx", "отчёт"),
        ("İSTANBUL", "istanbul"),
        ("ISPARTA", "ısparta"),
        ("Ｆｕｌｌｗｉｄｔｈ", "fullwidth"),
        ("ﬁle", "FILE"),
        ("e\u0301cole", "ÉCOLE"),
        ("東京.jpg", "東京"),
        ("한글.hwp", "\u1112\u1161\u11ab글"),
    ],
)
def test_folding_disregards_case_in_any_script(name, term):
    """What a person calls the same but for case folds to the same text."""
    assert fold(term) in fold(name)


@pytest.mark.parametrize(("one", "other"), [("resume", "résumé"), ("ウ", "ヴ"), ("a", "а")])
def test_folding_keeps_what_differs(one, other):
    """Accents and look-alikes of other scripts stay different."""
    assert fold(one) != fold(other)


def test_folding_any_character_twice_changes_nothing():
    """Every character of Unicode reaches its final form in one call."""
    for code in range(sys.maxunicode + 1):
        folded = fold(chr(code))
        assert fold(folded) == folded


@given(st.text())
def test_folding_any_text_twice_changes_nothing(text):
    """Stability holds for characters side by side, too."""
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize(
    "ordered",
    [
        ["img1", "img2", "img10", "img010b", "img11", "img99", "img100"],
        ["1.txt", "2.txt", "10.txt", "a.txt"],
        ["ecole", "École", "ecole 2", "ecoles", "zebra", "Zebra 2"],
        ["a", "a 1", "a1", "ab"],
        ["v1.2", "v1.10", "v2.0", "v10.0"],
        ["x" + "9" * 8, "x1" + "0" * 8, "x" + "9" * 9, "x" + "9" * 100, "x1" + "0" * 100],
        ["page ٢", "page 3", "page ١٠"],
        ["ёлка", "ель", "жук"],
        ["a0", "a00", "a1"],
    ],
)
def test_natural_order(ordered):
    """Numbers by value, case nowhere, accents last."""
    keys = [natural_key(name) for name in ordered]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


def test_case_does_not_count():
    """Names that differ in case tie; listings break the tie by id."""
    assert natural_key("Photo.JPG") == natural_key("photo.jpg")


def reference(name: str) -> list[tuple[int, int]]:
    """The letters without accents, with each number as one token that stands where digits stand."""
    decomposed = unicodedata.normalize("NFD", fold(name))
    base = [char for char in decomposed if not unicodedata.combining(char)]
    tokens: list[tuple[int, int]] = []
    for is_number, run in groupby(base, str.isdecimal):
        if is_number:
            tokens.append((ord("0"), int("".join(run))))
        else:
            tokens += [(ord(char), 0) for char in run]
    return tokens


@given(names | tricky, names | tricky)
@example("a9", "a10")
@example("a" + "9" * 9, "a1" + "0" * 9)
@example("a 1", "a1")
def test_keys_order_as_the_reference_does(one, other):
    """Comparing keys by code point is comparing letters and numbers one by one."""
    left, right = reference(one), reference(other)
    if left != right:
        assert (natural_key(one) < natural_key(other)) == (left < right)
    else:
        assert natural_key(one).partition("\x01")[0] == natural_key(other).partition("\x01")[0]


@given(names | tricky, names | tricky)
def test_bytes_order_as_code_points_do(one, other):
    """UTF-8 bytes, which the databases compare, order as Python's text does."""
    one, other = natural_key(one), natural_key(other)
    assert (one < other) == (one.encode() < other.encode())


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("1" * 10_000)
@example("\ufdfa" * 85)
@example("\0\x01")
def test_keys_can_be_stored_anywhere(name):
    """No NUL, one separator, and short enough for an index entry in PostgreSQL (2704 bytes)."""
    key = natural_key(name)
    assert "\0" not in key
    assert key.count("\x01") <= 1
    assert len(key) <= MAX_KEY
    assert len(key.encode()) <= 2048


@given(st.text(st.sampled_from("a1\ufdfa"), min_size=500, max_size=600), st.text(st.sampled_from("a1"), max_size=9))
def test_shortened_keys_keep_the_order(name, suffix):
    """Beyond the bound names may tie, but never swap."""
    assert natural_key(name) <= natural_key(name + "z" + suffix)
