"""What a file is."""

import bz2
import gzip
import io
import itertools
import lzma
import re
import sqlite3
import struct
import tarfile
import wave
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satchel.media import (
    HEAD_SIZE,
    SCRIPTED_PDF,
    UNKNOWN,
    detect_type,
    inline_type,
    is_text,
    kind_of,
)
from satchel.metadata.records import FileKind

# --- samples ----------------------------------------------------------------------------------------------------------


def png():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0\0\0\0")) + chunk(b"IEND", b"")


def jpeg(segment):
    return b"\xff\xd8" + segment + b"\xff\xdb\0\x43\0" + b"\x10" * 64


def bmp():
    header = struct.pack("<IHHI", 58, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 1, 1, 1, 24, 0, 4, 2835, 2835, 0, 0)
    return b"BM" + header + b"\xff\0\0\0"


def webp(chunk):
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def iso(*brands):
    """The first box of an ISO media file: the major brand, a version, and the compatible brands."""
    body = brands[0] + b"\0\0\0\0" + b"".join(brands[1:])
    return struct.pack(">I", 8 + len(body)) + b"ftyp" + body + b"\0\0\0\x08free"


def matroska(doctype):
    fields = b"\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08"
    fields += b"\x42\x82" + bytes([0x80 | len(doctype)]) + doctype + b"\x42\x87\x81\x04\x42\x85\x81\x02"
    return b"\x1a\x45\xdf\xa3" + bytes([0x80 | len(fields)]) + fields + b"\x18\x53\x80\x67\x01" + b"\xff" * 7


def ogg(codec):
    return b"OggS\0\x02" + b"\0" * 8 + b"\1\2\3\4" + b"\0" * 8 + bytes([1, len(codec)]) + codec


def wav():
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\0" * 64)
    return file.getvalue()


def zipped(*members):
    """A zip of (name, content) pairs; `mimetype` is stored first and plain, as EPUB and OpenDocument want it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members:
            method = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()


def office(folder):
    types = '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
    return zipped(("[Content_Types].xml", types), ("_rels/.rels", types), (f"{folder}/document.xml", types))


def opendocument(kind):
    return zipped(("mimetype", f"application/vnd.oasis.opendocument.{kind}"), ("content.xml", "<x/>"))


def tar(format_):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format_) as archive:
        member = tarfile.TarInfo("a.txt")
        member.size = 3
        archive.addfile(member, io.BytesIO(b"abc"))
    return file.getvalue()


def sqlite():
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE t (a)")
        return database.serialize()


def ole():
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 16 + b"\x3e\0\3\0\xfe\xff\x09\0" + b"\0" * 480


NOISE = b"\x05\xe2\x91\x00" * 100  # means nothing in any format
MP3_FRAME = b"\xff\xfb\x90\x64" + b"\0" * 413
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"

# name -> (bytes, media type): recognised by the bytes, so the name must not matter.
BY_BYTES = {
    "a.png": (png(), "image/png"),
    "jfif.jpg": (jpeg(b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"), "image/jpeg"),
    "exif.jpg": (jpeg(b"\xff\xe1\0\x10Exif\0\0II*\0\x08\0\0\0"), "image/jpeg"),
    "bare.jpg": (jpeg(b""), "image/jpeg"),
    "a.gif": (b"GIF89a\1\0\1\0\x80\0\0\xff\xff\xff\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;", "image/gif"),
    "old.gif": (b"GIF87a\1\0\1\0\x80\0\0\xff\xff\xff\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;", "image/gif"),
    "lossy.webp": (webp(b"VP8 \x0a\0\0\0\x30\1\0\x9d\1\x2a\1\0\1\0"), "image/webp"),
    "lossless.webp": (webp(b"VP8L\x0d\0\0\0\x2f\0\0\0\x10\x07\x10\x11"), "image/webp"),
    "extended.webp": (webp(b"VP8X\x0a\0\0\0\x10\0\0\0\0\0\0\0\0\0"), "image/webp"),
    "a.bmp": (bmp(), "image/bmp"),
    "little.tiff": (b"II*\0\x08\0\0\0\1\0\0\1\3\0\1\0\0\0\1\0\0\0\0\0\0\0", "image/tiff"),
    "big.tiff": (b"MM\0*\0\0\0\x08\0\1\1\0\0\3\0\0\0\1\0\1\0\0\0\0\0\0", "image/tiff"),
    "a.ico": (
        b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0\x68\4\0\0\x16\0\0\0\x28\0\0\0" + b"\0" * 50,
        "image/vnd.microsoft.icon",
    ),
    "a.psd": (b"8BPS\0\1\0\0\0\0\0\0\0\3\0\0\0\1\0\0\0\1\0\x08\0\3", "image/vnd.adobe.photoshop"),
    "a.jxl": (b"\0\0\0\x0cJXL \r\n\x87\n" + iso(b"jxl ", b"jxl "), "image/jxl"),
    "a.avif": (iso(b"avif", b"mif1", b"miaf"), "image/avif"),
    "sequence.avif": (iso(b"avis", b"avif", b"msf1"), "image/avif"),
    "generic.avif": (iso(b"mif1", b"avif", b"miaf"), "image/avif"),
    "a.heic": (iso(b"heic", b"mif1", b"heic"), "image/heic"),
    "generic.heic": (iso(b"mif1", b"mif1", b"heic"), "image/heic"),
    "a.heif": (iso(b"mif1", b"mif1"), "image/heif"),
    "a.mp4": (iso(b"isom", b"isom", b"iso2", b"avc1", b"mp41"), "video/mp4"),
    "v2.mp4": (iso(b"mp42", b"mp42", b"isom"), "video/mp4"),
    "fragmented.mp4": (iso(b"iso5", b"iso6", b"mp41"), "video/mp4"),
    "dash.mp4": (iso(b"dash", b"iso6"), "video/mp4"),
    "psp.mp4": (iso(b"MSNV", b"MSNV"), "video/mp4"),
    "a.m4v": (iso(b"M4V ", b"M4V ", b"mp42"), "video/mp4"),
    "a.m4a": (iso(b"M4A ", b"M4A ", b"mp42", b"isom"), "audio/mp4"),
    "a.m4b": (iso(b"M4B ", b"M4B "), "audio/mp4"),
    "a.mov": (iso(b"qt  ", b"qt  "), "video/quicktime"),
    "old.mov": (b"\0\0\0\x6cmoov\0\0\0\x6cmvhd" + b"\0" * 90, "video/quicktime"),
    "a.3gp": (iso(b"3gp4", b"3gp4", b"isom"), "video/3gpp"),
    "a.webm": (matroska(b"webm"), "video/webm"),
    "a.mkv": (matroska(b"matroska"), "video/x-matroska"),
    "a.avi": (b"RIFF\x24\0\0\0AVI LIST\x10\0\0\0hdrlavih8\0\0\0", "video/x-msvideo"),
    "a.mpg": (b"\0\0\1\xba\x44\0\4\0\4\1\1\x89\xc3\xf8\0\0\1\xbb", "video/mpeg"),
    "a.ts": ((b"\x47\x40\0\x10" + b"\xff" * 184) * 6, "video/mp2t"),
    "a.flv": (b"FLV\1\5\0\0\0\x09\0\0\0\0", "video/x-flv"),
    "theora.ogv": (ogg(b"\x80theora\3\2\1" + b"\0" * 34), "video/ogg"),
    "tagged.mp3": (b"ID3\4\0\0\0\0\0\x0aTIT2\0\0\0\0" + MP3_FRAME, "audio/mpeg"),
    "cover.mp3": (b"ID3\3\0\0\0\0\x1f\x76" + b"\0" * 4086, "audio/mpeg"),
    "bare.mp3": (MP3_FRAME * 4, "audio/mpeg"),
    "a.aac": ((b"\xff\xf1\x50\x80\x02\x1f\xfc" + b"\x21" * 10) * 20, "audio/aac"),
    "a.flac": (b"fLaC\0\0\0\x22\x10\0\x10\0\0\0\0\0\0\0\x0a\xc4\x42\xf0" + b"\0" * 20, "audio/flac"),
    "vorbis.ogg": (ogg(b"\1vorbis\0\0\0\0\2\x44\xac\0\0" + b"\0" * 16), "audio/ogg"),
    "a.opus": (ogg(b"OpusHead\1\2\x38\1\x80\xbb\0\0\0\0\0"), "audio/ogg"),
    "a.wav": (wav(), "audio/wav"),
    "a.aiff": (b"FORM\0\0\0\x2eAIFFCOMM\0\0\0\x12\0\1\0\0\0\0\0\x10\x40\x0e\xac\x44", "audio/aiff"),
    "a.mid": (b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk", "audio/midi"),
    "a.pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n", "application/pdf"),
    "ascii.pdf": (b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n", "application/pdf"),
    "a.ps": (b"%!PS-Adobe-3.0\n%%Pages: 1\n", "application/postscript"),
    "a.rtf": (b"{\\rtf1\\ansi hello}", "application/rtf"),
    "a.zip": (zipped(("a.txt", "hello")), "application/zip"),
    "empty.zip": (zipped(), "application/zip"),
    "a.docx": (office("word"), DOCX),
    "a.xlsx": (office("xl"), XLSX),
    "a.pptx": (office("ppt"), PPTX),
    "a.odt": (opendocument("text"), "application/vnd.oasis.opendocument.text"),
    "a.ods": (opendocument("spreadsheet"), "application/vnd.oasis.opendocument.spreadsheet"),
    "a.odp": (opendocument("presentation"), "application/vnd.oasis.opendocument.presentation"),
    "a.epub": (
        zipped(("mimetype", "application/epub+zip"), ("META-INF/container.xml", "<x/>")),
        "application/epub+zip",
    ),
    "a.jar": (zipped(("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")), "application/java-archive"),
    "a.apk": (zipped(("AndroidManifest.xml", "x"), ("classes.dex", "x")), "application/vnd.android.package-archive"),
    "a.7z": (b"7z\xbc\xaf\x27\x1c\0\4" + b"\1" * 24, "application/x-7z-compressed"),
    "v4.rar": (b"Rar!\x1a\7\0\xcf\x90\x73\0\0\x0d\0\0\0\0\0\0\0", "application/vnd.rar"),
    "v5.rar": (b"Rar!\x1a\7\1\0\x33\x92\xb5\xe5\x0a\1\5\6\0\5\1\1\0", "application/vnd.rar"),
    "ustar.tar": (tar(tarfile.USTAR_FORMAT), "application/x-tar"),
    "pax.tar": (tar(tarfile.PAX_FORMAT), "application/x-tar"),
    "gnu.tar": (tar(tarfile.GNU_FORMAT), "application/x-tar"),
    "a.tar.gz": (gzip.compress(tar(tarfile.GNU_FORMAT)), "application/gzip"),
    "a.svgz": (gzip.compress(b"<svg/>"), "application/gzip"),
    "a.bz2": (bz2.compress(b"hello"), "application/x-bzip2"),
    "a.xz": (lzma.compress(b"hello"), "application/x-xz"),
    "a.zst": (b"\x28\xb5\x2f\xfd\x04\x58\x29\0\0hello", "application/zstd"),
    "a.sqlite": (sqlite(), "application/vnd.sqlite3"),
    "a.ttf": (b"\0\1\0\0\0\x0c\0\x80\0\3\0\x40DSIG" + b"\0" * 28, "font/ttf"),
    "apple.ttf": (b"true\0\x0c\0\x80\0\3\0\x40glyf" + b"\0" * 40, "font/ttf"),
    "a.otf": (b"OTTO\0\x0b\0\x80\0\3\0\x30CFF " + b"\0" * 30, "font/otf"),
    "a.ttc": (b"ttcf\0\1\0\0\0\0\0\2" + b"\0" * 20, "font/collection"),
    "a.woff2": (b"wOF2\0\1\0\0\0\0\x10\0\0\x0c\0\0" + b"\0" * 28, "font/woff2"),
    "a.wasm": (b"\0asm\1\0\0\0\1\4\1\x60\0\0", "application/wasm"),
    "a.class": (b"\xca\xfe\xba\xbe\0\0\0\x34\0\x10", "application/java-vm"),
    "a.parquet": (b"PAR1\x15\4\x15\0" + b"\0" * 20, "application/vnd.apache.parquet"),
    "a.swf": (b"CWS\x09\x10\0\0\0x\x9c", "application/x-shockwave-flash"),
    "polyglot.gif": (b"GIF89a/*<html><script>fetch('/pwned')</script>*/=1;", "image/gif"),
}

# name -> (bytes, media type): the name says more than the bytes, or the bytes say nothing.
BY_NAME = {
    "a.txt": (b"hello world\n", "text/plain"),
    "letter": (b"a", "text/plain"),
    "a.unheard-of": (b"hello world\n", "text/plain"),
    "notes.log": (b"2026-01-01 00:00:00 INFO x\n", "text/plain"),
    "a.ini": (b"[a]\nb=c\n", "text/plain"),
    "a.py": (b"import os\n\n\ndef f():\n    return 1\n", "text/x-python"),
    "script": (b"#!/usr/bin/env python3\nprint(1)\n", "text/x-python"),
    "a.sh": (b"echo hi\n", "text/x-shellscript"),
    "a.js": (b"const a = () => 1;\n", "text/javascript"),
    "module.ts": (b"export interface A { a: string }\n", "text/x-typescript"),
    "a.css": (b"body { color: red }\n", "text/css"),
    "a.json": (b'{"a": [1, 2, 3]}\n', "application/json"),
    "long.json": (b"[" + b'{"a": 1},' * 1000, "application/json"),
    "json": (b'{"a": [1, 2, 3]}\n', "application/json"),
    "a.ndjson": (b'{"a":1}\n{"a":2}\n', "application/x-ndjson"),
    "a.geojson": (b'{"type": "Point"}', "application/geo+json"),
    "a.yaml": (b"a: 1\nb:\n  - c\n", "application/yaml"),
    "a.toml": (b"[a]\nb = 1\n", "application/toml"),
    "a.csv": (b"a,b\n1,2\n", "text/csv"),
    "a.tsv": (b"a\tb\n1\t2\n", "text/tab-separated-values"),
    "README.md": (b"# Title\n\ntext *em*\n", "text/markdown"),
    "a.java": (b"package a;\nimport java.util.*;\npublic class A {}\n", "text/x-java"),
    "a.go": (b"package main\n\nfunc main() {}\n", "text/x-go"),
    "a.rs": (b'fn main() { println!("x"); }\n', "text/x-rust"),
    "a.c": (b"#include <stdio.h>\nint main(void) { return 0; }\n", "text/x-c"),
    "a.sql": (b"select 1;\n", "application/sql"),
    "Makefile": (b"all:\n\techo\n", "text/x-makefile"),
    "upper.PY": (b"x = 1\n", "text/x-python"),
    "script.html.txt": (b"use <script> and <b> to make bold\n", "text/plain"),
    "a.html": (b"just text\n", "text/html"),
    "a.php": (b"<?php echo 1; ?>", "text/x-php"),
    "a.vtt": (b"WEBVTT\n\n00:01.000 --> 00:02.000\nhi\n", "text/vtt"),
    "a.eml": (b"From: a@b\nTo: c@d\nSubject: x\n\nhi\n", "message/rfc822"),
    "fake.png": (b"not a picture", "text/plain"),
    "binary.png": (NOISE, UNKNOWN),
    "fake.mp4": (NOISE, UNKNOWN),
    "fake.pdf": (NOISE, UNKNOWN),
    "fake.docx": (NOISE, UNKNOWN),
    "fake.exe": (NOISE, UNKNOWN),
    "nul.txt": (b"hello\0world", UNKNOWN),
    "zeros": (b"\0" * 100, UNKNOWN),
    "one byte": (b"\xff", UNKNOWN),
    "a.iso": (b"\0" * HEAD_SIZE, "application/x-iso9660-image"),
    "a.tga": (b"\0\0\2" + b"\0" * 15, "image/x-tga"),
    "odd.docx": (zipped(("x.txt", "x")), DOCX),
    "odd.xlsx": (zipped(("x.txt", "x")), XLSX),
    "book.cbz": (zipped(("1.png", png())), "application/vnd.comicbook+zip"),
    "a.whl": (zipped(("a/__init__.py", "x")), "application/zip"),
    "picture.zip.png": (zipped(("x.txt", "x")), "application/zip"),
    "a.doc": (ole(), "application/msword"),
    "a.xls": (ole(), "application/vnd.ms-excel"),
    "a.msi": (ole(), "application/x-msi"),
    "ole": (ole(), "application/x-ole-storage"),
    "generic.m4a": (iso(b"isom", b"isom", b"mp42"), "audio/mp4"),
    "raw.dng": (b"II*\0\x08\0\0\0\1\0\0\1\3\0\1\0\0\0\1\0\0\0\0\0\0\0", "image/x-adobe-dng"),
    "windows-1251.txt": ("Привет, мир".encode("cp1251"), "text/plain"),
    "latin-1.csv": ("naïve;café\n".encode("latin-1"), "text/csv"),
    "shift-jis.txt": ("こんにちは世界".encode("shift-jis"), "text/plain"),
    "latin-1": ("naïve café\n".encode("latin-1"), UNKNOWN),
}

SCRIPT = "fetch('/pwned')"
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>fetch("/pwned")</script></svg>'

# Text that a browser would make a document of -> its media type, whatever the name says.
MARKUP = {
    f"<!DOCTYPE html><html><script>{SCRIPT}</script>": "text/html",
    f"  \n\t<!doctype  HTML><script>{SCRIPT}</script>": "text/html",
    f"<HTML><script>{SCRIPT}</script>": "text/html",
    f"<script>{SCRIPT}</script>": "text/html",
    f"<body onload={SCRIPT}>": "text/html",
    f"<img src=x onerror={SCRIPT}>": "text/html",
    f"<iframe srcdoc='<script>{SCRIPT}</script>'>": "text/html",
    f"<div onclick={SCRIPT}>": "text/html",
    f"<p><script>{SCRIPT}</script>": "text/html",
    f"<!-- a comment --><html><script>{SCRIPT}</script>": "text/html",
    "<!--" + "x" * 5000 + f"--><script>{SCRIPT}</script>": "text/html",
    f"\ufeff<html><script>{SCRIPT}</script>": "text/html",
    SVG: "image/svg+xml",
    f'<?xml version="1.0"?>\n{SVG}': "image/svg+xml",
    f"<!-- a comment -->\n{SVG}": "image/svg+xml",
    f'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x">\n{SVG}': "image/svg+xml",
    f'<!DOCTYPE svg [\n<!ENTITY a "b">\n]>\n{SVG}': "image/svg+xml",
    f'<?xml version="1.0"?><?xml-stylesheet href="x"?><!-- c -->{SVG}': "image/svg+xml",
    '<s:svg xmlns:s="http://www.w3.org/2000/svg"><s:script/></s:svg>': "image/svg+xml",
    '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>': "application/xhtml+xml",
    '<?xml version="1.0"?>\n<note/>': "application/xml",
    '<note xmlns:h="http://www.w3.org/1999/xhtml"><h:script/></note>': "application/xml",
    '<math xmlns="http://www.w3.org/1998/Math/MathML"/>': "application/mathml+xml",
    '<?xml version="1.0"?>' + "<!-- " + "x" * 5000: "application/xml",
}

SCRIPTS_OF_THE_WORLD = {
    "Latin": "The quick brown fox\n",
    "Russian": "Съешь же ещё этих мягких булок\n",
    "Greek": "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία\n",
    "Hebrew": "דג סקרן שט בים\n",
    "Arabic": "نص حكيم له سر قاطع\n",
    "Hindi": "ऋषियों को सताने वाले\n",
    "Thai": "เป็นมนุษย์สุดประเสริฐ\n",
    "Chinese": "視野無限廣\n",
    "Japanese": "いろはにほへと\n",
    "Korean": "키스의 고유조건은\n",
    "emoji": "😀🎉👩\u200d👧\n",
}


@pytest.mark.parametrize("sample", BY_BYTES)
@pytest.mark.parametrize("name", [None, "file", "file.txt", "file.png", "file.html"])
def test_bytes_decide_under_any_name(sample, name):
    """What the bytes say stands under the right name, under none, and under a wrong one."""
    head, media_type = BY_BYTES[sample]
    assert detect_type(head[:HEAD_SIZE], name or sample, "text/html") == media_type


@pytest.mark.parametrize("name", BY_NAME)
def test_the_name_refines_what_bytes_leave_open(name):
    """A name says which kind of text or archive it is, but never makes a picture of what is none."""
    head, media_type = BY_NAME[name]
    assert detect_type(head[:HEAD_SIZE], name, None) == media_type


@pytest.mark.parametrize("text", MARKUP)
@pytest.mark.parametrize("name", ["file", "a.txt", "a.png", "a.md", "a.js", "a.json"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_markup_is_never_mistaken(text, name, encoding):
    """HTML, SVG and XML are known by content in every encoding that a browser tells from the bytes; none is shown."""
    media_type = detect_type(text.encode(encoding)[:HEAD_SIZE], name, "image/png")
    assert media_type == MARKUP[text]
    assert inline_type(media_type) is None


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("a.rss", "application/rss+xml"), ("a.kml", "application/vnd.google-earth.kml+xml"), ("a.xml", "application/xml")],
)
def test_the_name_tells_which_xml(name, media_type):
    """XML without a root of its own type is refined by the name."""
    assert detect_type(b'<?xml version="1.0"?><x/>', name, None) == media_type


@pytest.mark.parametrize("text", SCRIPTS_OF_THE_WORLD.values(), ids=SCRIPTS_OF_THE_WORLD)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be-with-mark", "utf-32"])
def test_text_is_text_in_any_script(text, encoding):
    """Text of every script is text, in UTF-8 and in what a byte order mark announces."""
    big_endian = encoding == "utf-16-be-with-mark"
    encoded = b"\xfe\xff" + text.encode("utf-16-be") if big_endian else text.encode(encoding)
    assert detect_type(encoded, "a.txt", None) == "text/plain"


@pytest.mark.parametrize("shift", range(4))
@pytest.mark.parametrize("text", SCRIPTS_OF_THE_WORLD.values(), ids=SCRIPTS_OF_THE_WORLD)
def test_the_border_of_the_head_may_cut_a_character(text, shift):
    """A character that the 4096th byte cuts in two does not make text binary."""
    long = (b"x" * shift + text.encode() * 1000)[: 2 * HEAD_SIZE]
    assert detect_type(long[:HEAD_SIZE], "a.txt", None) == "text/plain"
    assert detect_type(long, "a.txt", None) == "text/plain"


def test_a_short_file_may_not_end_within_a_character():
    """UTF-8 that is broken off before the border is not UTF-8, so only a text name makes it text."""
    assert detect_type("мир".encode()[:-1], "file", None) == UNKNOWN


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.txt", "text/plain"),
        ("a.md", "text/markdown"),
        ("a.json", "application/json"),
        ("__init__.py", "text/x-python"),
        ("a.png", UNKNOWN),
        ("a.zip", UNKNOWN),
        ("file", UNKNOWN),
    ],
)
def test_an_empty_file_is_what_its_name_says_where_that_is_text(name, media_type):
    """Nothing is valid text, and neither a picture nor an archive."""
    assert detect_type(b"", name, "image/png") == media_type


@pytest.mark.parametrize(
    ("declared", "media_type"),
    [
        ("application/x-blender", "application/x-blender"),
        ("Application/X-Blender; version=1", "application/x-blender"),
        ("model/vnd.usda", "model/vnd.usda"),
        ("chemical/x-pdb", "chemical/x-pdb"),
        (None, UNKNOWN),
        ("", UNKNOWN),
        ("nonsense", UNKNOWN),
        ("a/b/c", UNKNOWN),
        ("application/x\r\nSet-Cookie: a", UNKNOWN),
        ("application/" + "x" * 200, UNKNOWN),
        ("image/png", UNKNOWN),
        ("image/svg+xml", UNKNOWN),
        ("video/mp4", UNKNOWN),
        ("audio/mpeg", UNKNOWN),
        ("application/pdf", UNKNOWN),
        ("application/zip", UNKNOWN),
        ("application/json", UNKNOWN),
        ("text/plain", UNKNOWN),
        ("text/html", UNKNOWN),
        ("application/xhtml+xml", UNKNOWN),
        ("application/xml", UNKNOWN),
        ("application/javascript", UNKNOWN),
        ("multipart/related", UNKNOWN),
        ("font/ttf", UNKNOWN),
    ],
)
def test_the_clients_word_comes_last(declared, media_type):
    """What the client says counts where bytes and name say nothing, and never makes a file that is shown or run."""
    assert detect_type(NOISE, "file.blend", declared) == media_type


def test_the_clients_word_does_not_overrule():
    """Bytes and names that say something are not overruled."""
    assert detect_type(png(), "a.png", "application/x-blender") == "image/png"
    assert detect_type(b"hello", "file", "application/x-blender") == "text/plain"
    assert detect_type(b"\0" * 10, "a.iso", "application/x-blender") == "application/x-iso9660-image"


@given(
    st.one_of(st.binary(max_size=64), st.sampled_from([head for head, _ in BY_BYTES.values()]).map(bytes)),
    st.binary(max_size=64),
    st.sampled_from(["file", "a.txt", "a.png", "a.html", "a.docx", "a.mp4", "a.m4a", "a.svg"]),
    st.sampled_from([None, "image/png", "text/html", "video/mp4"]),
)
def test_any_bytes_have_a_type(head, tail, name, declared):
    """Detection never fails, gives a bare lower-case type, and shows nothing on the word of the name or the client."""
    media_type = detect_type(head + tail, name, declared)
    assert re.fullmatch(r"[a-z0-9.+-]+/[a-z0-9.+-]+", media_type)
    if not is_text(media_type) and inline_type(media_type):
        assert inline_type(detect_type(head + tail, "file", None))


# --- kinds and previews -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("media_type", "kind"),
    [
        ("image/png", FileKind.IMAGE),
        ("image/svg+xml", FileKind.IMAGE),
        ("image/heic", FileKind.IMAGE),
        ("video/mp4", FileKind.VIDEO),
        ("video/x-matroska", FileKind.VIDEO),
        ("audio/mpeg", FileKind.AUDIO),
        ("audio/x-mpegurl", FileKind.TEXT),
        ("application/pdf", FileKind.PDF),
        ("text/plain", FileKind.TEXT),
        ("TEXT/Plain; charset=utf-8", FileKind.TEXT),
        ("text/html", FileKind.TEXT),
        ("application/json", FileKind.TEXT),
        ("application/geo+json", FileKind.TEXT),
        ("application/xml", FileKind.TEXT),
        ("application/atom+xml", FileKind.TEXT),
        ("application/yaml", FileKind.TEXT),
        ("message/rfc822", FileKind.TEXT),
        ("application/zip", FileKind.ARCHIVE),
        ("application/gzip", FileKind.ARCHIVE),
        ("application/x-7z-compressed", FileKind.ARCHIVE),
        ("application/vnd.rar", FileKind.ARCHIVE),
        ("application/x-iso9660-image", FileKind.ARCHIVE),
        (DOCX, FileKind.OTHER),
        ("application/epub+zip", FileKind.OTHER),
        ("font/ttf", FileKind.OTHER),
        (UNKNOWN, FileKind.OTHER),
        ("", FileKind.OTHER),
    ],
)
def test_kinds(media_type, kind):
    """A type belongs to the kind that a person would file it under."""
    assert kind_of(media_type) is kind


@pytest.mark.parametrize(
    "media_type",
    [
        *("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"),
        *("video/mp4", "video/webm", "video/ogg", "video/quicktime"),
        *("audio/mpeg", "audio/ogg", "audio/wav", "audio/flac", "audio/mp4", "audio/aac", "audio/webm"),
        "application/pdf",
    ],
)
def test_media_that_browsers_decode_are_shown_as_they_are(media_type):
    """Pictures, films, sounds and PDF are shown under their own type."""
    assert inline_type(media_type) == media_type
    assert inline_type(f"{media_type.upper()}; a=b") == media_type


def test_a_document_that_may_run_a_script_is_not_shown():
    """It stays a PDF to a person."""
    assert inline_type(SCRIPTED_PDF) is None
    assert kind_of(SCRIPTED_PDF) is FileKind.PDF


@pytest.mark.parametrize(
    "media_type",
    [
        *(
            "text/plain",
            "text/css",
            "text/javascript",
            "application/javascript",
            "text/csv",
            "text/markdown",
            "text/x-python",
        ),
        *("application/json", "application/geo+json", "application/yaml", "application/toml", "application/sql"),
        *("text/calendar", "text/vtt", "text/x-python", "text/x-anything", "message/rfc822"),
    ],
)
def test_text_is_shown_as_plain_text(media_type):
    """Text of any kind, source code too, is shown as plain text."""
    assert inline_type(media_type) == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    "media_type",
    [
        *(
            "text/html",
            "TEXT/HTML; charset=utf-8",
            "application/xhtml+xml",
            "image/svg+xml",
            "text/xml",
            "application/xml",
        ),
        *(
            "text/xsl",
            "application/rss+xml",
            "application/mathml+xml",
            "multipart/related",
            "application/x-shockwave-flash",
        ),
        *("application/zip", DOCX, "application/rtf", "image/tiff", "image/heic", "image/x-unheard-of", "font/ttf"),
        *(UNKNOWN, "application/wasm", "application/x-shockwave-flash", "", "nonsense"),
    ],
)
def test_what_is_not_on_the_list_is_only_downloaded(media_type):
    """Markup, which can carry scripts, and everything unknown is not shown."""
    assert inline_type(media_type) is None


def test_every_sample_is_shown_only_where_its_kind_can_be():
    """Over all samples, what is shown is a picture, a film, a sound, PDF or text."""
    shown = {kind_of(kind) for _, kind in itertools.chain(BY_BYTES.values(), BY_NAME.values()) if inline_type(kind)}
    assert shown == {FileKind.IMAGE, FileKind.VIDEO, FileKind.AUDIO, FileKind.PDF, FileKind.TEXT}


def test_a_signature_that_chance_makes_is_believed_of_a_fitting_name():
    """Two bytes make a fax for libmagic; any archive of one's own may begin with them."""
    head = b"\0\1" + bytes(range(128, 256)) * 8
    assert detect_type(head, "backup.bin") == UNKNOWN
    assert detect_type(head, "letter.g3") == "image/g3fax"
