"""Satchel, a self-hosted file service.

One contract, three doors: a GraphQL API (`graphql/`), plain streaming HTTP (`http/`), and a file manager in the
browser that uses both. Every door makes the same three moves: parse, call `files.FileService`, convert.

    http/  graphql/  cli.py          the edges: they know protocols, never storage
            |
         files.py                    the domain: the order of effects lives here alone
            |
    blobs/  metadata/  events/       the ports: bytes, rows, and what changed

Imports point down only. `app.py` wires the parts together; `errors.py` is the one table of failures.

The write protocol in four lines:

* bytes go first, under a random name that nobody knows;
* one short transaction publishes them (row, event, and the end of the upload's lease together);
* deletes run the other way round: the row first, the bytes after a grace time, by the sweeper;
* so a crash at any instant leaves either a whole file or something the sweeper removes.
"""

__version__ = "0.1.0"
