"""What a file is called."""
# ruff: noqa: RUF001  (names in the scripts of the world look alike, which is their purpose here)

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from satchel.errors import Code, SatchelError
from satchel.filenames import MAX_FILENAME_BYTES, clean_filename

NAMES = {
    "plain": ("report.pdf", "report.pdf"),
    "spaces inside": ("my holiday  photo.jpg", "my holiday  photo.jpg"),
    "spaces around": ("  a.txt \t", "a.txt"),
    "no-break and ideographic spaces around": ("\u00a0\u3000a.txt\u3000\u00a0", "a.txt"),
    "trailing dots": ("a.txt...", "a.txt"),
    "trailing dots and spaces": ("a.txt . . ", "a.txt"),
    "hidden": (".bashrc", ".bashrc"),
    "many dots": ("..a..b", "..a..b"),
    "punctuation": ("Bob's (1) [a] {b} #1 50% & co; x=y, ~z!.txt", "Bob's (1) [a] {b} #1 50% & co; x=y, ~z!.txt"),
    "quotes": ('a"b".txt', "ab.txt"),
    "typographic quotes": ("“a” «b».txt", "“a” «b».txt"),
    "unix path": ("/etc/passwd", "passwd"),
    "windows path": ("C:\\Users\\me\\a.txt", "a.txt"),
    "mixed path": ("..\\../x/..\\b.txt", "b.txt"),
    "line breaks": ("a\r\nSet-Cookie: x=1.txt", "aSet-Cookie: x=1.txt"),
    "NUL": ("a\0.txt", "a.txt"),
    "C1 controls and DEL": ("a\x80\x9f\x7fb", "ab"),
    "line separators": ("a\u2028b\u2029c", "abc"),
    "right-to-left override": ("invoice\u202egpj.exe", "invoicegpj.exe"),
    "bidirectional isolates and marks": ("\u2066a\u2069\u200eb\u200f\u061c", "ab"),
    "zero-width space and byte order mark": ("\ufeffa\u200bb\u2060", "ab"),
    "soft hyphen": ("in\u00advoice.txt", "invoice.txt"),
    "Hangul fillers": ("\u3164a\uffa0\u115f\u1160", "a"),
    "language tags": ("a\U000e0041\U000e007f.txt", "a.txt"),
    "lone surrogates": ("a\ud800b\udfff.txt", "ab.txt"),
    "joiner between Latin letters": ("pay\u200dpal\u200c.txt", "paypal.txt"),
    "Cyrillic": ("Отчёт за год.docx", "Отчёт за год.docx"),
    "Chinese": ("年度报告（终稿）.pdf", "年度报告（终稿）.pdf"),
    "Arabic": ("تقرير ٢٠٢٦.pdf", "تقرير ٢٠٢٦.pdf"),
    "Hebrew": ("דוח שנתי.pdf", "דוח שנתי.pdf"),
    "Devanagari": ("वार्षिक रिपोर्ट.pdf", "वार्षिक रिपोर्ट.pdf"),
    "Thai": ("รายงานประจำปี.pdf", "รายงานประจำปี.pdf"),
    "Persian with its joiner": ("می\u200cخواهم.txt", "می\u200cخواهم.txt"),
    "Sinhala with its joiner": ("ශ්\u200dරී.txt", "ශ්\u200dරී.txt"),
    "emoji family": ("👩\u200d👩\u200d👧 ❤️.png", "👩\u200d👩\u200d👧 ❤️.png"),
    "decomposed": ("e\u0301te\u0301.txt", "été.txt"),
    "composed by a removal": ("e\u200b\u0301.txt", "é.txt"),
    "ellipsis is no dot": ("wait…", "wait…"),
}


@pytest.mark.parametrize(("raw", "clean"), NAMES.values(), ids=NAMES)
def test_a_name_keeps_its_script_and_loses_what_deceives(raw, clean):
    """A name is cleaned as the table says."""
    assert clean_filename(raw) == clean


@pytest.mark.parametrize(
    "raw",
    ["", " ", ".", "..", "...", ". .", "/", "a/", "..\\", "dir/..", '"', "\0", "\u202e", "\u200d", "\ud800", "\u3000."],
)
def test_a_name_of_which_nothing_is_left_is_refused(raw):
    """Nothing left is INVALID_FILENAME."""
    with pytest.raises(SatchelError) as refusal:
        clean_filename(raw)
    assert refusal.value.code is Code.INVALID_FILENAME


LONG_NAMES = {
    "Latin": ("a" * 300 + ".txt", "a" * 251 + ".txt"),
    "exactly full": ("a" * 251 + ".txt", "a" * 251 + ".txt"),
    "double extension": ("a" * 300 + ".tar.gz", "a" * 248 + ".tar.gz"),
    "no extension": ("a" * 300, "a" * 255),
    "too long for an extension": ("a" * 200 + "." + "b" * 100, "a" * 200 + "." + "b" * 54),
    "hidden": ("." + "a" * 300, "." + "a" * 254),
    "two bytes a letter": ("ж" * 200 + ".txt", "ж" * 125 + ".txt"),
    "three bytes a letter": ("報" * 100 + ".txt", "報" * 83 + ".txt"),
    "four bytes a letter": ("𝒳" * 100 + ".pdf", "𝒳" * 62 + ".pdf"),
    "extension in another script": ("a" * 300 + ".текст", "a" * 244 + ".текст"),
    "marks stay with their letter": ("a" * 250 + "q\u0323\u0301.txt", "a" * 250 + ".txt"),
    "emoji stay whole": ("a" * 245 + "👩\u200d👧.txt", "a" * 245 + ".txt"),
    "skin tones stay with their emoji": ("a" * 245 + "👍🏿.txt", "a" * 245 + ".txt"),
    "nothing but marks": ("\u0323" * 300 + ".txt", "\u0323" * 125 + ".txt"),
    "cut at a space": ("a" * 254 + "  b", "a" * 254),
}


@pytest.mark.parametrize(("raw", "clean"), LONG_NAMES.values(), ids=LONG_NAMES)
def test_a_long_name_is_cut_before_its_extension(raw, clean):
    """A name has 255 bytes at most, keeps its extension, and is never cut within a character."""
    assert clean_filename(raw) == clean


def test_a_huge_name_costs_little():
    """A name of a million combining marks, spaces or dots is cleaned at once; naive normalisation takes minutes."""
    assert len(clean_filename("a" + "\u0323\u0301" * 500_000 + ".txt").encode()) <= MAX_FILENAME_BYTES
    assert clean_filename("a" + " ." * 500_000 + "b").startswith("a")
    assert clean_filename("a" + "/x" * 500_000) == "x"


TRICKY = st.text(
    st.one_of(
        st.sampled_from("aZ.é/\\\"' \u3000\u200c\u200d\u202e\u0301\u0323\ud800\x00\r\n\x7fجअ👩🏽٫%"), st.characters()
    ),
    max_size=400,
)


@given(TRICKY)
@example("a\u200c\u3000")
@example("x" * 300 + "\u0301\u200d.y")
@example("\u0915\u200d" * 90 + ".\u0915")
def test_a_clean_name_is_valid_and_stays_as_it_is(raw):
    """Whatever comes in, a clean name is a legal label, in NFC, and its own clean name."""
    try:
        name = clean_filename(raw)
    except SatchelError:
        return
    assert 0 < len(name.encode()) <= MAX_FILENAME_BYTES
    assert not set(name) & set('/\\"')
    assert not any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in name)
    assert not set(name) & set("\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
    assert name == name.strip()
    assert not name.endswith(".")
    assert unicodedata.is_normalized("NFC", name)
    assert clean_filename(name) == name


@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=60))
def test_letters_and_digits_of_any_script_stay(raw):
    """A short name of letters and digits comes out as it went in, but for normalisation and invisible fillers."""
    letters = re.sub("[\u115f\u1160\u3164\uffa0]", "", raw)
    if letters:
        assert clean_filename(raw) == unicodedata.normalize("NFC", letters)
