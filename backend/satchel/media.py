"""What a file is: detect its type, tell its kind, decide what may be shown in place.

Pure functions, no I/O. A type is decided by the bytes. The name only refines an answer that the bytes leave open, and
the client's word counts only where bytes and name are silent: whoever uploads can write anything in either.
"""

import codecs
import re
from functools import cache

from pure_magic_rs import MagicDb

from satchel.filenames import SPACES
from satchel.filenames import extension as extension_of
from satchel.metadata.records import FileKind

HEAD_SIZE = 4096
"""Bytes from the start of a file that `detect_type` looks at; 2 KiB are too few to tell an .xlsx from a .zip."""

UNKNOWN = "application/octet-stream"
PDF = "application/pdf"
SCRIPTED_PDF = "application/pdf; scripts=yes"
"""A PDF that may run a script in its viewer (see `satchel.pdf`): it is saved, and not shown."""

# --- types ------------------------------------------------------------------------------------------------------------

# One spelling for types that have many: the registered one, or the one browsers know.
_CANONICAL = {
    "application/vnd.ms-opentype": "font/otf",
    "application/x-java-applet": "application/java-vm",
    "audio/x-aiff": "audio/aiff",
    "audio/x-hx-aac-adts": "audio/aac",
    "audio/x-m4a": "audio/mp4",
    "audio/x-wav": "audio/wav",
    "text/rtf": "application/rtf",
    "text/x-script.python": "text/x-python",
    "text/xml": "application/xml",
    "video/x-m4v": "video/mp4",
}

# What a name says about text, and about bytes that are valid text in an encoding we cannot prove.
_TEXT_NAMES = {
    extension: media_type
    for media_type, extensions in {
        "text/plain": "txt text log ini cfg conf env properties asc nfo gitignore dockerignore editorconfig lock",
        "text/markdown": "md markdown mdx",
        "text/csv": "csv",
        "text/tab-separated-values": "tsv tab",
        "text/html": "html htm",
        "text/css": "css",
        "text/javascript": "js mjs cjs jsx",
        "text/x-typescript": "ts mts cts tsx",
        "text/x-scss": "scss",
        "text/x-less": "less",
        "text/x-vue": "vue",
        "text/x-svelte": "svelte",
        "text/x-python": "py pyi pyw",
        "text/x-c": "c h",
        "text/x-c++": "cc cpp cxx hh hpp hxx ino",
        "text/x-csharp": "cs",
        "text/x-rust": "rs",
        "text/x-go": "go",
        "text/x-java": "java",
        "text/x-kotlin": "kt kts",
        "text/x-scala": "scala",
        "text/x-swift": "swift",
        "text/x-dart": "dart",
        "text/x-ruby": "rb",
        "text/x-php": "php",
        "text/x-perl": "pl pm",
        "text/x-lua": "lua",
        "text/x-r": "r",
        "text/x-julia": "jl",
        "text/x-haskell": "hs",
        "text/x-elixir": "ex exs",
        "text/x-clojure": "clj cljs",
        "text/x-asm": "asm s",
        "text/x-shellscript": "sh bash zsh fish",
        "text/x-msdos-batch": "bat cmd",
        "text/x-powershell": "ps1 psm1",
        "text/x-makefile": "makefile mk",
        "text/x-dockerfile": "dockerfile",
        "text/x-cmake": "cmake",
        "text/x-protobuf": "proto",
        "text/x-diff": "diff patch",
        "text/x-tex": "tex sty cls bib",
        "text/x-rst": "rst",
        "text/calendar": "ics",
        "text/vcard": "vcf",
        "text/vtt": "vtt",
        "application/x-subrip": "srt",
        "application/sql": "sql",
        "application/graphql": "graphql gql",
        "application/json": "json map json5 har",
        "application/x-ndjson": "ndjson jsonl",
        "application/geo+json": "geojson",
        "application/ld+json": "jsonld",
        "application/manifest+json": "webmanifest",
        "application/x-ipynb+json": "ipynb",
        "application/yaml": "yaml yml",
        "application/toml": "toml",
        "application/xml": "xml xsd plist",
        "application/x-pem-file": "pem crt key csr",
        "message/rfc822": "eml",
        "audio/x-mpegurl": "m3u m3u8",
    }.items()
    for extension in extensions.split()
}

# What a name may make of bytes that are only known in general: (what the bytes say, extension) -> type.
_BINARY_NAMES = {
    (general, extension): media_type
    for general, names in {
        "application/zip": {
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
            "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
            "application/vnd.oasis.opendocument.text": "odt",
            "application/vnd.oasis.opendocument.spreadsheet": "ods",
            "application/vnd.oasis.opendocument.presentation": "odp",
            "application/epub+zip": "epub",
            "application/java-archive": "jar war",
            "application/vnd.android.package-archive": "apk",
            "application/vnd.comicbook+zip": "cbz",
            "application/vnd.google-earth.kmz": "kmz",
            "application/x-xpinstall": "xpi",
            "model/3mf": "3mf",
        },
        "application/x-ole-storage": {
            "application/msword": "doc dot",
            "application/vnd.ms-excel": "xls xlt",
            "application/vnd.ms-powerpoint": "ppt pps",
            "application/vnd.ms-outlook": "msg",
            "application/x-msi": "msi",
        },
        "application/vnd.rar": {"application/vnd.comicbook-rar": "cbr"},
        "application/xml": {
            "application/atom+xml": "atom",
            "application/rss+xml": "rss",
            "application/gpx+xml": "gpx",
            "application/vnd.google-earth.kml+xml": "kml",
            "application/xslt+xml": "xsl xslt",
        },
        "image/tiff": {
            "image/x-adobe-dng": "dng",
            "image/x-nikon-nef": "nef",
            "image/x-sony-arw": "arw",
            "image/x-pentax-pef": "pef",
        },
        "video/mp4": {"audio/mp4": "m4a m4b"},
        "video/webm": {"audio/webm": "weba"},
        "video/x-matroska": {"audio/x-matroska": "mka"},
        # Formats whose first bytes cannot be recognised, and only those: a .png that is no PNG stays unknown.
        UNKNOWN: {
            "application/x-iso9660-image": "iso",
            "application/x-apple-diskimage": "dmg",
            "application/x-brotli": "br",
            "application/x-numpy": "npy",
            "application/vnd.ms-cab-compressed": "cab",
            "image/x-tga": "tga",
            "model/stl": "stl",
        },
    }.items()
    for media_type, extensions in names.items()
    for extension in extensions.split()
}

# Signatures that the library does not know, or knows without a media type: (offset, bytes) -> type.
_SIGNATURES = (
    (0, b"\x00\x01\x00\x00\x00", "font/ttf"),
    (0, b"true\x00", "font/ttf"),
    (0, b"ttcf\x00", "font/collection"),
    (0, b"\x00asm", "application/wasm"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
)
_ISO_BRANDS = (
    # ISO 14496-12, 4.3: the major brand alone does not tell; a HEIF writer may name AVIF among the compatible ones.
    ({b"avif", b"avis"}, "image/avif"),
    ({b"heic", b"heix", b"hevc", b"hevx"}, "image/heic"),
    ({b"M4A ", b"M4B "}, "audio/mp4"),
    ({b"qt  "}, "video/quicktime"),
    ({b"M4V ", b"MSNV"}, "video/mp4"),
)

_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}")


def detect_type(head: bytes, filename: str, declared: str | None = None) -> str:
    """The media type of a file: lower case, without parameters.

    `head` is the file's first `HEAD_SIZE` bytes (the whole file where it is shorter; more is ignored), `filename` a
    clean name, `declared` what the client said. Text that is HTML, SVG or XML by content is called so under any name.
    """
    head = head[:HEAD_SIZE]
    extension = extension_of(filename)
    text = _decode(head)
    if text is None:
        return _binary_type(head, extension, declared)
    if not text:
        return _TEXT_NAMES.get(extension, UNKNOWN)
    return _text_type(text, extension)


def _text_type(text: str, extension: str) -> str:
    markup = _markup(text)
    if markup:
        return _BINARY_NAMES.get((markup, extension), markup)
    named = _TEXT_NAMES.get(extension)
    seen = _recognise(text.encode())
    if not is_text(seen) and seen != UNKNOWN:
        return seen  # some formats begin as text: PDF, PostScript, a GIF that is also a script
    # Between kinds of text the library guesses by words ("import" makes Perl of Java), so the name goes first.
    # Its HTML and XML are guesses too: real markup has been found above.
    return named or ("text/plain" if _is_markup(seen) or seen == UNKNOWN else seen)


# Types that the library tells by so few bits that random bytes have them, with the extensions that bear them out.
_BY_CHANCE = {
    "audio/x-mp4a-latm": {"latm", "loas"},
    "audio/x-syx": {"syx"},
    "image/g3fax": {"fax", "g3"},
    "image/x-amiga-icon": {"info"},
    "image/x-award-bioslogo": {"epa"},
}


def _binary_type(head: bytes, extension: str, declared: str | None) -> str:
    seen = _recognise(head)
    if extension not in _BY_CHANCE.get(seen, {extension}):
        seen = UNKNOWN
    refined = _BINARY_NAMES.get((seen, extension), seen)
    if refined != UNKNOWN:
        return refined
    if extension in _TEXT_NAMES and not _CONTROL.search(head):
        return _TEXT_NAMES[extension]  # text in an older encoding, such as windows-1251 or Shift JIS
    return _believable(declared) or UNKNOWN


def _recognise(head: bytes) -> str:
    """What the bytes alone say, in one spelling, or `UNKNOWN`."""
    for offset, signature, media_type in _SIGNATURES:
        if head.startswith(signature, offset):
            return media_type
    if head[4:8] == b"ftyp":
        brands = {head[index : index + 4] for index in (8, *range(16, min(int.from_bytes(head[:4]), 256), 4))}
        for known, media_type in _ISO_BRANDS:
            if brands & known:
                return media_type
    try:
        seen = _library().best_magic_buffer(head).mime_type.lower()
    except ValueError:
        return UNKNOWN
    return _CANONICAL.get(seen, seen)


@cache
def _library() -> MagicDb:
    return MagicDb()  # 30 ms to load, safe to share


def _believable(declared: str | None) -> str | None:
    """The client's word where it cannot do harm: a type that is neither shown, nor run, nor known by its bytes."""
    media_type = _bare(declared or "")
    if not _MEDIA_TYPE.fullmatch(media_type) or _is_markup(media_type) or kind_of(media_type) is not FileKind.OTHER:
        return None
    return media_type if media_type.startswith(("application/", "model/", "chemical/")) else None


# --- text and markup --------------------------------------------------------------------------------------------------

# Bytes that text in no ASCII-compatible encoding holds; as in file(1), BEL to CR and ESC are fine.
_CONTROL = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def _decode(head: bytes) -> str | None:
    """The text that `head` is, or None. UTF-8 in any script, or UTF-16 and UTF-32 with a byte order mark."""
    mark, encoding = next((bom for bom in _BOMS if head.startswith(bom[0])), (b"", "utf-8"))
    complete = len(head) < HEAD_SIZE  # otherwise the end may have cut a character in two
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head[len(mark) :], final=complete)
    except UnicodeDecodeError:
        return None
    return None if _CONTROL.search(text.encode()) else text


# How HTML may begin, from the MIME Sniffing standard, 7.1, and the few elements more that parsers also open with.
_HTML = re.compile(
    r"<(?:!doctype\s+html|(?:html|head|body|script|iframe|style|title|meta|link|base|h[1-6]|div|span|font|table|img|form|"
    r"input|button|video|audio|object|embed|center|frameset|template|br|a|b|p|ul|ol)(?=[\s/>]|\Z))",
    re.IGNORECASE,
)
_ROOT = re.compile(r"<(?:[\w.-]+:)?([A-Za-z_][\w.-]*)")
_XML_ROOTS = {"svg": "image/svg+xml", "html": "application/xhtml+xml", "math": "application/mathml+xml"}


def _markup(text: str) -> str | None:
    """The HTML, SVG or XML type of a text that begins as such, after white space and comments, else None."""
    is_xml = False
    rest = text.lstrip("\ufeff" + SPACES)
    while True:
        if rest.startswith("<!--"):
            rest = _after(rest, "-->")
            if not rest:
                return "application/xml" if is_xml else "text/html"
        elif rest.startswith("<?xml"):
            is_xml = True
            rest = _after(rest, "?>")
        elif is_xml and rest.startswith("<?"):
            rest = _after(rest, "?>")
        elif rest[:9].lower() == "<!doctype" and not _HTML.match(rest):
            is_xml = True
            rest = _after(rest, "]>" if "[" in rest.partition(">")[0] else ">")
        else:
            break
        rest = rest.lstrip(SPACES)
    root = _ROOT.match(rest)
    name = root.group(1).lower() if root else ""
    if is_xml or name in {"svg", "math"}:
        return _XML_ROOTS.get(name, "application/xml")
    if _HTML.match(rest):
        return "text/html"
    return "application/xml" if root and re.match(r"[^>]*\sxmlns(?::[\w.-]+)?\s*=", rest) else None


def _after(text: str, mark: str) -> str:
    return text.partition(mark)[2]


# --- kinds and previews -----------------------------------------------------------------------------------------------

_ARCHIVES = {
    "application/gzip",
    "application/java-archive",
    "application/vnd.comicbook+zip",
    "application/vnd.comicbook-rar",
    "application/vnd.debian.binary-package",
    "application/vnd.ms-cab-compressed",
    "application/vnd.rar",
    "application/x-7z-compressed",
    "application/x-apple-diskimage",
    "application/x-brotli",
    "application/x-bzip2",
    "application/x-compress",
    "application/x-cpio",
    "application/x-iso9660-image",
    "application/x-lz4",
    "application/x-lzma",
    "application/x-rpm",
    "application/x-tar",
    "application/x-xz",
    "application/zip",
    "application/zlib",
    "application/zstd",
}
_TEXT_TYPES = frozenset(_TEXT_NAMES.values()) | {"application/mbox", "application/pgp-keys", "application/javascript"}

# What a browser decodes without running anything in it, under the names that browsers know; but for `SCRIPTED_PDF`.
_INLINE = {
    "image/avif",
    "image/bmp",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "video/mp4",
    "video/ogg",
    "video/quicktime",
    "video/webm",
    "audio/aac",
    "audio/flac",
    "audio/mp4",
    "audio/mpeg",
    "audio/ogg",
    "audio/wav",
    "audio/webm",
    PDF,
}


def kind_of(content_type: str) -> FileKind:
    """What a file of this type is to a person."""
    media_type = _bare(content_type)
    if media_type == PDF:
        return FileKind.PDF
    if media_type in _ARCHIVES:
        return FileKind.ARCHIVE
    if media_type.startswith("image/"):
        return FileKind.IMAGE
    if is_text(media_type):
        return FileKind.TEXT
    main = media_type.partition("/")[0]
    return {"video": FileKind.VIDEO, "audio": FileKind.AUDIO}.get(main, FileKind.OTHER)


def inline_type(content_type: str) -> str | None:
    """The Content-Type under which such bytes may be shown in the browser, or None where only a download is safe.

    An allow-list. Text of every kind is shown as plain text; HTML, SVG and XML can carry scripts and are never shown.
    """
    media_type = _bare(content_type)
    if media_type in _INLINE:
        return None if content_type == SCRIPTED_PDF else media_type
    return "text/plain; charset=utf-8" if is_text(media_type) and not _is_markup(media_type) else None


def is_text(content_type: str) -> bool:
    """Whether a person reads such bytes as text, markup and source code included."""
    media_type = _bare(content_type)
    return media_type.startswith("text/") or media_type in _TEXT_TYPES or media_type.endswith(("+json", "+xml"))


def _is_markup(media_type: str) -> bool:
    """Whether a browser may build a document, and so run a script, from such bytes."""
    return media_type in {"text/html", "text/xsl", "image/svg+xml"} or media_type.endswith(("/xml", "+xml"))


def _bare(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
