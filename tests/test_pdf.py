"""Scripts in PDFs: what is found, in however many pieces the bytes come."""

import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satchel.pdf import LONGEST, ScriptSearch

ACTION = b"<< /S /JavaScript /JS (app.alert\\(1\\)) >>"
PLAIN = b"%PDF-1.7\n1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj\n"
END = b"\ntrailer << /Size 9 /Root 1 0 R >>\nstartxref\n9\n%%EOF\n"


def in_stream(content, head, pack=zlib.compress):
    """Objects in a stream, behind all that stands before its data."""
    return head + pack(content) + b"\nendstream\nendobj\n"


def object_stream(content, entries=b"/Filter /FlateDecode", pack=zlib.compress):
    """Objects in a stream of their own, as most writers do since PDF 1.5."""
    length = len(pack(content))
    head = b"7 0 obj\n<< /Type /ObjStm /N 1 /First 4 %s /Length %d >>\nstream\r\n" % (entries, length)
    return in_stream(content, head, pack)


MOST = 1 << 22


def runs(document, size=1 << 20):
    """Whether a script may run, after so many bytes at a time."""
    search = ScriptSearch(MOST)
    for start in range(0, len(document), size):
        search.update(memoryview(document)[start : start + size])
    return search.may_run


HARMLESS = b"3 0 << /Type /Pages /Kids [4 0 R] /Names (JavaScript) /S /JavaS#20cript >>"
OUTLINE = b"5 0 obj << /Title (A \\) (%b) 1 0 obj, \xff\x80) /First 6 0 R /A << /D [3 0 R /Fit] /S /GoTo >> >> endobj\n"

SHOWN = {
    "nothing": b"",
    "plain objects": PLAIN + b"5 0 obj << /T (JavaScript) /S /JavaScrip /JSX /XFA1 /Firs#74 [/Action] >> endobj" + END,
    "an object stream": PLAIN + object_stream(HARMLESS) + END,
    "several": PLAIN + object_stream(HARMLESS) + b"x" * 5000 + object_stream(b"8 0 << >>" * 20_000) + END,
    "one that is not packed": PLAIN + object_stream(HARMLESS, b"", bytes) + END,
    "filters as a list": PLAIN + object_stream(HARMLESS, b"/Filter[ /FlateDecode ]/Extends 5 0 R") + END,
    "a picture": PLAIN + b"<< /Filter /DCTDecode /F 1 >> stream\n" + random.Random(1).randbytes(300_000) + END,
    "a picture with parameters": PLAIN
    + in_stream(b"x", b"8 0 obj << /DecodeParms << /Columns 4 >> /F 1 /N 3 /Filter [/FlateDecode] >> stream\n")
    + object_stream(HARMLESS)
    + END,
    "an outline": PLAIN + OUTLINE + object_stream(HARMLESS) + END,
    "a commented outline": PLAIN + b"5 0 obj\n% Outlines\n<< /First 6 0 R % the first\n>> %\nendobj\n" + END,
    "a list of outlines": PLAIN + b"5 0 obj [ << /First 6 0 R >> (a) <61> .5 -1 true null /A ] endobj\n" + END,
    "deep lists": PLAIN + b"5 0 obj " + b"[<< /A " * 50 + b"null" + b">>]" * 50 + b"endobj\n" + OUTLINE + END,
    "a long string": PLAIN + b"5 0 obj << /Contents <%s> >> endobj\n" % (b"0a" * 3000) + OUTLINE + END,
    "what is not well formed": PLAIN + OUTLINE + b"5 0 obj << /A /B /C >> endobj" + END,
}


def hidden(before, behind=b" >>\nstream\n"):
    """A script in an object stream that viewers unpack, all of what follows its `obj` but the end."""
    entries = b"/Type /ObjStm /N 1 /First 4"
    return PLAIN + in_stream(b"3 0 " + ACTION, b"7 0 obj\n" + before.replace(b"*", entries) + behind) + END


SCRIPTED = {
    "an action": PLAIN + ACTION + END,
    "a name that is written otherwise": PLAIN + b"<< /S /J#61va#53cript /JS 5 0 R >>" + END,
    "every letter otherwise": PLAIN + b"/" + b"".join(b"#%02x" % letter for letter in b"JavaScript") + b" " + END,
    "nothing but the script": PLAIN + b"5 0 obj << /AA << /F << /JS (app.alert) >> >> >> endobj" + END,
    "nothing but the script, in a list": PLAIN + b"5 0 obj [ << /AA << /F << /J#53(app.alert) >> >> >> ] endobj" + END,
    "nothing but the script, packed": PLAIN + object_stream(b"3 0 << /JS (app.alert) >>") + END,
    "nothing but the script, in an object that has no end": PLAIN + b"5 0 obj << /A /B /C >> 6 0 obj << /JS 1 >>" + END,
    "a form in XFA": PLAIN + b"5 0 obj << /AcroForm << /XFA 6 0 R >> >> endobj" + END,
    "in an object stream": PLAIN + object_stream(b"3 0 " + ACTION) + END,
    "far into it": PLAIN + object_stream(b"3 0 << >> " * 50_000 + ACTION) + END,
    "in the second one": PLAIN + object_stream(HARMLESS) + object_stream(b"3 0 " + ACTION) + END,
    "in one that is not packed": PLAIN + object_stream(b"3 0 << /JS (app.alert) >>", b"", bytes) + END,
    "in one with another end": PLAIN + object_stream(HARMLESS + b" endstream << /JS (app) >>", b"", bytes) + END,
    "behind one": PLAIN + object_stream(HARMLESS) + ACTION + END,
    "encrypted": (PLAIN + END).replace(b"/Root 1 0 R", b"/Root 1 0 R/Encr#79pt 8 0 R"),
    "packed in vain": PLAIN + object_stream(HARMLESS, pack=lambda data: random.Random(2).randbytes(len(data))) + END,
    "packed twice": PLAIN + object_stream(HARMLESS, b"/Filter [/ASCIIHexDecode /FlateDecode]") + END,
    "packed in another way": PLAIN + object_stream(HARMLESS, b"/Filter /LZWDecode") + END,
    "packed with parameters": PLAIN + object_stream(HARMLESS, b"/Filter /FlateDecode /DecodeParms 8 0 R") + END,
    "two filters, of which one counts": PLAIN + object_stream(HARMLESS, b"/Filter /FlateDecode /Filter 8 0 R") + END,
    "a filter that is none": PLAIN + object_stream(b"3 0 << /JS () >>", b"/X /Filter /FlateDecode 8", bytes) + END,
    "in another file": PLAIN + object_stream(HARMLESS, b"/F (other.pdf)") + END,
    "described in depth": PLAIN + object_stream(HARMLESS, b"/Filter /FlateDecode /X << /Y 1 >>") + END,
    "with a comment": PLAIN + object_stream(HARMLESS, b"/Filter /FlateDecode %>> stream\n") + END,
    "without a type": hidden(b"<< /N 1 /Firs#74 4 /Filter /FlateDecode"),
    "behind a comment": hidden(b"<< /Filter /FlateDecode %<<\n*"),
    "behind an object in a comment": hidden(b"<< /Filter /FlateDecode %7 0 obj <<\n*"),
    "behind an object in a string": hidden(b"<< * /X (7 0 obj <<) /Filter /FlateDecode"),
    "in an object in a string": PLAIN
    + b"6 0 obj << /X (7 0 obj << /N 1 /First 4 /Filter /ASCIIHexDecode >>\nstream\n"
    + (b"3 0 " + ACTION).hex().encode()
    + b"\nendstream) >> endobj"
    + END,
    "behind an object that is read over": hidden(b"<< /Filter /FlateDecode /X 7 0 obj << *"),
    "behind an end that is read over": hidden(b"<< /Filter /FlateDecode /X >> endobj\n7 0 obj << *"),
    "behind a list that is read over": hidden(b"<< /Filter /FlateDecode /X [ >> endobj\n7 0 obj << *"),
    "behind blanks without an end": hidden(b"<< /Filter /FlateDecode /X%sendobj 7 0 obj << *" % (b" " * LONGEST * 2)),
    "behind a long string": hidden(b"<< /Filter /FlateDecode /X (%s) *" % (b" " * 2 * LONGEST)),
    "behind a comment before it": hidden(b"%<<\n << * /Filter /FlateDecode"),
    "blank to some": hidden(b"<< * /Filter\x80/FlateDecode", b">>\xffstream\n"),
    "with more behind the word": hidden(b"<< * /Filter /FlateDecode", b">> stream %\n"),
    "with less behind the word": hidden(b"<< * /Filter /FlateDecode", b">> stream\r"),
    "with a comment before the word": hidden(b"<< * /Filter /FlateDecode", b">> %\nstream\n"),
    "behind a number that is not apart": hidden(b"<< * /Filter /LZWDecode").replace(b"0 obj", b"0obj"),
    "cut off": (PLAIN + object_stream(HARMLESS))[:-40],
    "cut off before": PLAIN + b"7 0 obj << /Type /ObjStm /First 4 /Filter [",
    "one in another": PLAIN + object_stream(object_stream(HARMLESS), pack=lambda data: zlib.compress(data, 0)) + END,
}


@pytest.mark.parametrize("size", [1 << 20, 1000, 7])
@pytest.mark.parametrize("case", SHOWN)
def test_without_a_script(case, size):
    """Names that only look like it, and object streams as writers make them, are nothing to fear."""
    document = SHOWN[case]
    assert not runs(document[:50_000] if size == 7 else document, size)


@pytest.mark.parametrize("size", [1 << 20, 1000, 7])
@pytest.mark.parametrize("case", SCRIPTED)
def test_with_a_script_or_what_may_hide_one(case, size):
    """However it is spelled and packed; and what cannot be looked into."""
    assert runs(SCRIPTED[case], size)


@pytest.mark.parametrize("case", ["an action", "in an object stream", "a name that is written otherwise"])
def test_wherever_the_bytes_are_divided(case):
    """A name, a dictionary and a stream are found in two pieces as in one."""
    document = SCRIPTED[case]
    for place in range(len(document)):
        search = ScriptSearch(MOST)
        search.update(memoryview(document)[:place])
        search.update(memoryview(document)[place:])
        assert search.may_run, place


@pytest.mark.parametrize(("length", "shown"), [(LONGEST * 3 // 4, True), (LONGEST * 2, False)])
def test_an_object_is_as_long_as_a_signature(length, shown):
    """One that is too long to be read is a doubt, so that an object stream or an outline behind it counts."""
    long = PLAIN + b"5 0 obj << /Contents <%s> >> endobj\n" % (b"0" * length)
    assert runs(long + OUTLINE + END) != shown
    assert not runs(long + END)


def test_what_unpacks_without_an_end_is_not_unpacked():
    """A bomb is given up at a bound, in little memory."""
    bomb = object_stream(b"\0" * MOST)
    assert len(bomb) < 10_000
    assert runs(PLAIN + bomb + END)
    assert not runs(PLAIN + object_stream(b"\0" * (MOST // 2)) + END)


EMPTY = [
    (object_stream(b""), 5000),
    (object_stream(b"", b"", bytes), 5000),
    (object_stream(b"/J" * 500), 800),
    (b"5 0 obj<<>>", 20_000),
    (b"5 0 obj[[[[[]]]]]", 20_000),
]


@pytest.mark.parametrize(("one", "many"), EMPTY)
def test_many_of_what_takes_time_count(one, many):
    """Objects of nothing are not free: as many as take as long as the bound are too many."""
    assert not runs(one * 100)
    assert runs(one * many)


BLANKS = st.text("\0\t\n\f\r ", min_size=1, max_size=3).map(str.encode)
COMMENTS = st.one_of(BLANKS, st.sampled_from([b"%\n", b" % << (\r", b"%7 0 obj\n"]))


@st.composite
def object_streams(draw, content, gaps, escape=st.just(False)):  # noqa: B008
    """A document with the content in an object stream, written in one of the ways that the standard allows."""

    def name(text):
        return b"/" + b"".join(b"#%02X" % letter if draw(escape) else bytes([letter]) for letter in text)

    def gap():
        return draw(gaps)

    packed = zlib.compress(content, draw(st.integers(0, 9)))
    values = {b"Type": name(b"ObjStm"), b"N": b"1", b"First": b"4", b"Length": b"%d" % len(packed)}
    values[b"Filter"] = draw(st.sampled_from([b"%s", b"[%s]", b"[ %s ]"])) % name(b"FlateDecode")
    order = draw(st.permutations(sorted(values)))
    entries = b"".join(name(key) + gap() + values[key] + gap() for key in order)
    head = b"7" + draw(BLANKS) + b"0" + draw(BLANKS) + b"obj" + gap() + b"<<" + gap() + entries + b">>" + gap()
    return PLAIN + head + b"stream" + draw(st.sampled_from([b"\n", b"\r\n"])) + packed + b"\nendstream endobj" + END


SCRIPTS = st.sampled_from([ACTION, b"<< /JS 5 0 R >>", b"<</JS()>>", b"<< /X#46A [] >>", b"<</S/Java#53cript/JS()>>"])


@given(st.data(), st.integers(1, 400))
def test_a_script_is_found_however_its_stream_is_written(data, size):
    """Whatever blanks, comments, escapes and order, and in whatever pieces."""
    content = b"3 0 " + data.draw(SCRIPTS)
    assert runs(data.draw(object_streams(content, COMMENTS, st.booleans())), size)


@given(object_streams(HARMLESS, BLANKS), st.integers(1, 400))
def test_what_is_harmless_is_shown_however_its_stream_is_written(document, size):
    """Whatever blanks and order, in whatever pieces: so it is the script that is found."""
    assert not runs(document, size)
