"""Scripts in PDFs: what is found, in however many pieces the bytes come."""

import random
import zlib

import pytest

from satchel.pdf import ScriptSearch

ACTION = b"<< /S /JavaScript /JS (app.alert\\(1\\)) >>"
PLAIN = b"%PDF-1.7\n1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj\n"
END = b"\ntrailer << /Size 9 /Root 1 0 R >>\nstartxref\n9\n%%EOF\n"


def object_stream(content, entries=b"/Filter /FlateDecode", pack=zlib.compress):
    """Objects in a stream of their own, as most writers do since PDF 1.5."""
    packed = pack(content)
    head = b"7 0 obj\n<< /Type /ObjStm /N 1 /First 4 %s /Length %d >>\nstream\r\n" % (entries, len(packed))
    return head + packed + b"\nendstream\nendobj\n"


MOST = 1 << 20


def runs(document, size=1 << 20):
    """Whether a script may run, after so many bytes at a time."""
    search = ScriptSearch(MOST)
    for start in range(0, len(document), size):
        search.update(memoryview(document)[start : start + size])
    return search.may_run


HARMLESS = b"3 0 << /Type /Pages /Kids [4 0 R] /Names (JavaScript) /S /JavaS#20cript >>"

SHOWN = {
    "nothing": b"",
    "plain objects": PLAIN + b"(/S JavaScript) /JavaScrip /JS /Action" + END,
    "an object stream": PLAIN + object_stream(HARMLESS) + END,
    "several": PLAIN + object_stream(HARMLESS) + b"x" * 5000 + object_stream(b"8 0 << >>" * 20_000) + END,
    "one that is not packed": PLAIN + object_stream(HARMLESS, b"", bytes) + END,
    "filters as a list": PLAIN + object_stream(HARMLESS, b"/Filter[ /FlateDecode ]/Extends 5 0 R") + END,
    "a picture": PLAIN + b"<< /Filter /DCTDecode /F 1 >> stream\n" + random.Random(1).randbytes(300_000) + END,
}

SCRIPTED = {
    "an action": PLAIN + ACTION + END,
    "a name that is written otherwise": PLAIN + b"<< /S /J#61va#53cript /JS 5 0 R >>" + END,
    "every letter otherwise": PLAIN + b"/" + b"".join(b"#%02x" % letter for letter in b"JavaScript") + END,
    "a form in XFA": PLAIN + b"<< /AcroForm << /XFA 6 0 R >> >>" + END,
    "in an object stream": PLAIN + object_stream(b"3 0 " + ACTION) + END,
    "far into it": PLAIN + object_stream(b"3 0 << >> " * 50_000 + ACTION) + END,
    "in the second one": PLAIN + object_stream(HARMLESS) + object_stream(b"3 0 " + ACTION) + END,
    "in one that is not packed": PLAIN + object_stream(b"3 0 " + ACTION, b"", bytes) + END,
    "behind one": PLAIN + object_stream(HARMLESS) + ACTION + END,
    "encrypted": PLAIN + object_stream(HARMLESS, pack=lambda data: random.Random(2).randbytes(len(data))) + END,
    "packed twice": PLAIN + object_stream(HARMLESS, b"/Filter [/ASCIIHexDecode /FlateDecode]") + END,
    "packed in another way": PLAIN + object_stream(HARMLESS, b"/Filter /LZWDecode") + END,
    "packed with parameters": PLAIN + object_stream(HARMLESS, b"/Filter /FlateDecode /DecodeParms 8 0 R") + END,
    "two filters, of which one counts": PLAIN + object_stream(HARMLESS, b"/Filter /FlateDecode /Filter 8 0 R") + END,
    "in another file": PLAIN + object_stream(HARMLESS, b"/F (other.pdf)") + END,
    "described in depth": PLAIN + object_stream(HARMLESS, b"/Filter /FlateDecode /X << /Y 1 >>") + END,
    "with a comment": PLAIN + object_stream(HARMLESS, b"/Filter /FlateDecode %>> stream\n") + END,
    "a type that is written otherwise": (PLAIN + object_stream(HARMLESS) + END).replace(b"/ObjStm", b"/Obj#53tm"),
    "a type that stands elsewhere": PLAIN + b"9 0 obj /ObjStm endobj " + b"x" * 2000 + END,
    "at the very end": PLAIN + b"9 0 obj /ObjStm",
    "cut off": (PLAIN + object_stream(HARMLESS))[:-40],
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


def test_what_unpacks_without_an_end_is_not_unpacked():
    """A bomb is given up at a bound, in little memory."""
    bomb = object_stream(b"\0" * (1 << 22))
    assert len(bomb) < 10_000
    assert runs(PLAIN + bomb + END)
    assert not runs(PLAIN + object_stream(b"\0" * (1 << 19)) + END)
