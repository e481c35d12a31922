"""A careless file server, and what pages of it do with its files: to show that the hostile ones do harm somewhere.

It is also the stranger's server that must never be asked: it remembers who asked for what below `/pwned/`.
"""

import asyncio
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

from hostile.corpus import PWNED, Hostile

PAGE = b"<!doctype html><meta charset=utf-8><title>Host</title><body>"


class Careless:
    """Serves files under the types of their names, in place, and without a word on safety.

    `async with Careless() as server` listens; `server.pwned` holds what was asked for below `/pwned/`.
    """

    def __init__(self) -> None:
        self.files: list[Hostile] = []
        self.pwned: set[str] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1")
        self.url = "http://127.0.0.1:{1}".format(*self._server.sockets[0].getsockname())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            content_type, body = self._answer(urlsplit(head.split()[1].decode()).path)
            writer.write(
                b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nConnection: close\r\n"
                b"Content-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (content_type.encode(), len(body), body)
            )
            await writer.drain()
            writer.close()

    def _answer(self, path: str) -> tuple[str, bytes]:
        if path.startswith(PWNED):
            self.pwned.add(path.removeprefix(PWNED))
        if path.startswith("/files/"):
            file = self.files[int(path.removeprefix("/files/"))]
            return file.careless_type, file.content
        return "text/html", PAGE


# Opens addresses in every way that a page has, and gives those whose document it can look into.
EMBED = """async (addresses) => {
  const settled = [];
  const add = (name, attributes, parent = document.body) => {
    const element = Object.assign(document.createElement(name), attributes);
    settled.push(new Promise((done) => {
      for (const event of ["load", "loadeddata", "error"]) element.addEventListener(event, done, { once: true });
    }));
    parent.append(element);
    return element;
  };
  const frames = [];
  const registered = [];
  for (const src of addresses) {
    frames.push(add("iframe", { src }), add("embed", { src }), add("object", { data: src }));
    for (const name of ["img", "video", "audio"]) add(name, { src, muted: true, autoplay: true });
    add("script", { src });
    add("script", { src, type: "module" });
    for (const rel of ["stylesheet", "manifest", "icon"]) add("link", { rel, href: src });
    const film = add("video", {});
    add("track", { src, default: true, kind: "captions" }, film);
    film.textTracks[0].mode = "showing";
    const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    drawing.innerHTML = `<use href="${src}#x"/><image href="${src}"/>`;
    document.body.append(drawing);
    for (const kind of [Worker, SharedWorker]) for (const type of ["classic", "module"]) {
      try { new kind(src, { type }) } catch {}
    }
    registered.push(navigator.serviceWorker.register(src).then((found) => found.unregister(), () => null));
    registered.push(import(src).catch(() => null), document.fonts.add(new FontFace("x", `url(${src})`)) && null);
  }
  const late = new Promise((done) => setTimeout(done, 1000));
  await Promise.race([Promise.all([...settled, ...registered]), late]);
  await new Promise((done) => setTimeout(done, 300));
  return frames.map((frame, nth) => {
    let address = null;
    try { address = frame.contentDocument?.URL ?? null } catch {}
    return address !== null && address !== "about:blank" ? addresses[Math.floor(nth / 3)] : null;
  }).filter((address) => address !== null);
}"""
