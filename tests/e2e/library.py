"""Files to look at: small, real, made here; and how they get to a server without the browser."""

import asyncio
import io
import random
import struct
import wave
import zipfile
import zlib
from base64 import b64decode

import httpx

from server import Server

# A second of a flickering square, 16 by 16 pixels in VP8, as Chromium's MediaRecorder writes it.
WEBM = b64decode(
    "GkXfo59ChoEBQveBAULygQRC84EIQoKEd2VibUKHgQRChYECGFOAZwEAAAAAAALjEU2bdLlNu4tTq4QVSalmU6yBbk27i1OrhBZUrmtTrIGTTbuL"
    "U6uEH0O2dVOsgdRNu4xTq4QcU7trU6yCAtHsrgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAVSalmoCrXsYMP"
    "QkBEiYREE5zuTYCGQ2hyb21lV0GGQ2hyb21lFlSua7yuuteBAXPFh8XYYw4Re2yDgQFV7oEBhoVWX1ZQOOCdsIEQuoEQU8CBAVWwkFWxgQFVuYEC"
    "VbqBDVW7gQEfQ7Z1AQAAAAAAAfHngQCg6KG9gQAAALACAJ0BKhAAEAAABwiFhYiZhIgBJBATrVAfwBBn7iD+/4Bxn/xzb45t8c2/45t/7Sz9Sz9S"
    "z/FQAHWhpqak7oEBpZ8QAgCdASoQABAAAYcIhYWImYSICAIADA1gAP7+TeAAoMqhqoEAawDxAQAAEBQAGAcwCDU/8s1A3AD+8U2v/bs0xj9/eJ/+"
    "yr4TI/9kgHWhmKaW7oEBpZGxAQAGEFwAGAAYWC/0AAgAAPuBAKDMoayBAOMAsQEAABAJIADAAYH/oGAGEP7/gHGf/HNvjm3xzb/jm3/tLIQrr/nO"
    "AHWhmKaW7oEBpZGxAQAGEFQAGAAYWC/0AAgAAPuBa6DMoayBAVwA8QEAABAJIADAOcBBqf+Wagbg/vOk//8v9bnBa/5gB/+JAfVjr/4fwHWhmKaW"
    "7oEBpZGxAQAGEEwAGAAYWC/0AAgAAPuB46DNoayBAdQAsQEAABAJIADAAYH/oGAGEP7/gHGf/HMm5hif8c2/9pXSpXSpZ/ioAHWhmKaW7oEBpZGx"
    "AQAGEDQAGAAYWC/0AAgAAPuCAVygy6GqgQJOALEBAAAQCSAAwAGB/6BgBhD+86T//y/1ucFr/mAH/4kB9WOv/h/AdaGYppbugQGlkbEBAAYQLAAY"
    "ABhYL/QACAAA+4IB1BxTu2uNu4uzgQC3hveBAfGB1A=="
)


def png(width: int = 64, height: int = 48, colour: tuple[int, int, int] = (160, 90, 40)) -> bytes:
    """A picture of one colour."""
    rows = (b"\0" + bytes(colour) * width) * height

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def wav(seconds: float = 1) -> bytes:
    """Silence."""
    output = io.BytesIO()
    with wave.open(output, "wb") as sound:
        sound.setparams((1, 1, 8000, 0, "NONE", ""))
        sound.writeframes(b"\x80" * int(8000 * seconds))
    return output.getvalue()


def pdf(text: str = "A page from Satchel's tests") -> bytes:
    """A document of one page."""
    drawing = f"BT /F1 18 Tf 40 100 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 360 200] /Contents 4 0 R"
        b" /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        b"<< /Length %d >> stream\n%s\nendstream" % (len(drawing), drawing),
    ]
    body, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj %s endobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(objects) + 1
    return (
        body
        + b"xref\n0 %d\n0000000000 65535 f \n%s" % (count, table)
        + b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (count, len(body))
    )


def packed_pdf(
    action: str = "<< /S /GoTo /D [3 0 R /Fit] >>", described: bytes = b"/Type /ObjStm /Filter /FlateDecode"
) -> bytes:
    """A document of one page that does something when it is opened, with its objects packed as most writers do it.

    `described` begins the dictionary of the stream that they are packed in.
    """
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R /OpenAction {action} >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 360 200] /Contents 4 0 R >>",
    ]
    places = [sum(len(each) + 1 for each in objects[:number]) for number in range(len(objects))]
    index = " ".join(f"{number} {place}" for number, place in enumerate(places, 1)) + " "
    packed = zlib.compress(f"{index}{' '.join(objects)}".encode())
    head = b"<< %s /N 3 /First %d /Length %d >>" % (described, len(index), len(packed))
    body, entries = b"%PDF-1.5\n", [(0, 0, 255), *((2, 5, place) for place in range(len(objects)))]
    for number, stream in (4, b"<< /Length 0 >>\nstream\n\nendstream"), (5, head + b"\nstream\n%s\nendstream" % packed):
        entries.append((1, len(body), 0))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, stream)
    entries.append((1, len(body), 0))
    table = b"".join(bytes([kind]) + place.to_bytes(2, "big") + bytes([last]) for kind, place, last in entries)
    cross = b"<< /Type /XRef /Size 7 /W [1 2 1] /Root 1 0 R /Length %d >>\nstream\n%s\nendstream" % (len(table), table)
    return body + b"6 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n" % (cross, len(body))


def archive(**texts: str) -> bytes:
    """A ZIP archive."""
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as packed:
        for name, text in texts.items():
            packed.writestr(zipfile.ZipInfo(f"{name}.txt"), text)  # without the time, so with the same bytes again
    return output.getvalue()


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that nothing compresses and no program recognises."""
    return b"\0\1" + random.Random(seed).randbytes(size - 2)


async def store(server: Server, filename: str, content: bytes) -> dict:
    """Upload a file by HTTP, as a script would, and give its metadata."""
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        return await _store(client, filename, content)


async def store_all(server: Server, files: dict[str, bytes]) -> dict[str, dict]:
    """Upload many files in no certain order, and give their metadata by name."""
    limit = asyncio.Semaphore(8)

    async def one(client: httpx.AsyncClient, name: str, content: bytes) -> dict:
        async with limit:
            return await _store(client, name, content)

    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        stored = await asyncio.gather(*(one(client, name, content) for name, content in files.items()))
    return dict(zip(files, stored, strict=True))


async def _store(client: httpx.AsyncClient, filename: str, content: bytes) -> dict:
    answer = await client.post("/files/upload", files={"file": (filename, content)})
    return answer.raise_for_status().json()


async def stored(server: Server) -> list[dict]:
    """The metadata of all files, newest first."""
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        return (await client.get("/files", params={"limit": 500})).raise_for_status().json()


async def rename(server: Server, file_id: str, filename: str) -> None:
    """Rename a file as another person would."""
    query = "mutation($id: ID!, $name: String!) { renameFile(id: $id, filename: $name) { id } }"
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        variables = {"id": file_id, "name": filename}
        answer = await client.post("/graphql", json={"query": query, "variables": variables})
        assert "errors" not in answer.json()


async def remove(server: Server, file_id: str) -> None:
    """Delete a file by HTTP, as another person would."""
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        (await client.delete(f"/files/{file_id}")).raise_for_status()
