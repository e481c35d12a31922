"""Settings, from the environment (`SATCHEL_*`) or a `.env` file; two URLs choose all adapters.

Each bound of the system is one named setting with a default. A bad value stops the start with one line that names
the setting: see `load`. What looks like a setting and is none would pass in silence: see `unknown`.
"""

import os
from collections.abc import Iterator
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import BeforeValidator, ByteSize, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

S = TypeVar("S", bound="Settings")

KIB, MIB, TIB = 1024, 1024**2, 1024**4


def _duration(value: object) -> object:
    """Plain numbers are seconds; `30s`, `15m`, `12h`, `7d` are read too."""
    if not isinstance(value, str):
        return value
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    number, unit = (value[:-1], value[-1]) if value[-1:] in units else (value, "s")
    if not number.replace(".", "", 1).isdecimal():
        return value
    try:
        return timedelta(**{units[unit]: float(number)})
    except OverflowError:
        raise ValueError("too long") from None


Seconds = Annotated[timedelta, BeforeValidator(_duration), Field(gt=timedelta(0))]
Count = Annotated[int, Field(gt=0)]
Bytes = Annotated[ByteSize, Field(gt=0)]


def _listed(text: str) -> list[str]:
    return [entry for entry in (entry.strip() for entry in text.split(",")) if entry]


class Settings(BaseSettings):
    """Everything that can be set. Sizes take units (`64KiB`, `5GB`), durations too (`30s`, `7d`)."""

    model_config = SettingsConfigDict(env_prefix="SATCHEL_", env_file=".env", extra="ignore", frozen=True)

    host: str = Field(
        "127.0.0.1", description="The address to listen on; one beyond this machine needs `SATCHEL_OPEN=true` as well."
    )
    port: int = Field(8000, ge=0, le=65535, description="The port to listen on; 0 takes a free one.")
    open: bool = Field(
        default=False,
        description="Whether to listen beyond this machine, where anyone who reaches the port may read, add and "
        "delete files.",
    )
    read_only: bool = Field(
        default=False, description="Whether files can only be read: uploads, renames and deletions are refused."
    )
    allowed_hosts: str = Field(
        "",
        description="Names by which the server may be reached, separated by commas, such as `files.example.org`; "
        "`localhost`, IP addresses and the name in `SATCHEL_HOST` always work.",
    )
    allowed_origins: str = Field(
        "",
        description="Other sites whose pages may use the server (CORS), separated by commas, such as "
        "`https://app.example.org`.",
    )
    playground: bool = Field(default=True, description="Whether `/graphql` shows the GraphQL playground to browsers.")
    introspection: bool = Field(default=True, description="Whether GraphQL clients may ask for the schema.")
    workers: Count = Field(1, description="How many processes serve; more than one needs PostgreSQL and S3.")
    data_dir: Path = Field(
        Path("data"), description="The directory of the SQLite database and of the local file store."
    )
    database_url: str = Field(
        "",
        description="The database: `sqlite:///path` or `postgresql://user:password@host/database`; empty: SQLite in "
        "the data directory.",
    )
    database_connections: Count = Field(
        10,
        description="The most connections that each process opens to PostgreSQL, not counting one that listens for "
        "changes.",
    )
    storage_url: str = Field(
        "",
        description="The store of the bytes: `file:///path`, `s3+http://host:9000/bucket` or "
        "`s3+https://host/bucket`; empty: `objects` in the data directory.",
    )
    s3_access_key: str = Field("", description="The access key for the S3 store.")
    s3_secret_key: SecretStr = Field(SecretStr(""), description="The secret key for the S3 store.")
    s3_region: str = Field("us-east-1", description="The region of the S3 store.")
    s3_connections: Count = Field(
        64,
        description="The most connections that each process opens to the S3 store for uploads, and as many again for "
        "downloads and for the rest.",
    )
    s3_part_size: Literal["auto"] | Bytes = Field(
        "auto",
        description="The size of the parts of a multipart upload to S3. `auto`: they grow with the file. A size: all "
        "but the last one have it, for stores that take no others (Cloudflare R2), and 10,000 of them "
        "must hold the largest file.",
    )
    s3_public_url: str = Field(
        "",
        description="Where clients reach the S3 store, such as `https://s3.example.org`; empty: where the server "
        "reaches it.",
    )
    downloads: Literal["proxy", "redirect"] = Field(
        "proxy",
        description="`proxy`: downloads go through the server; `redirect`: they go by a signed link to the S3 store, "
        "which clients must be able to reach.",
    )
    download_link_lifetime: Seconds = Field(
        timedelta(minutes=5),
        le=timedelta(days=7),
        description="How long the signed links of `SATCHEL_DOWNLOADS=redirect` work.",
    )

    max_file_size: Bytes = Field(ByteSize(5 * TIB), description="The largest file that may be uploaded.")
    max_files_per_request: Count = Field(
        10,
        description="The most files that one multipart request may upload; a part that is used several times counts "
        "each time.",
    )
    max_operations_size: Bytes = Field(
        ByteSize(64 * KIB), description="The largest `operations` field of a GraphQL upload."
    )
    max_map_size: Bytes = Field(
        ByteSize(16 * KIB),
        description="The largest `map` field of a GraphQL upload, and the largest of any other form field.",
    )
    max_json_size: Bytes = Field(
        ByteSize(256 * KIB), description="The largest body of a GraphQL request without files."
    )
    max_page_size: Count = Field(500, description="The most files on one page of a listing.")
    max_pdf_unpacked: Bytes = Field(
        ByteSize(256 * MIB),
        description="The most that the object streams of a PDF may unpack to while it is searched for scripts, or "
        "other work that takes as long; a PDF with more is saved instead of shown.",
    )
    max_delete_files: int = Field(
        1000,
        ge=100,
        description="How many files one operation may name to `deleteFiles`: 100 or more, for the file manager names "
        "so many.",
    )
    refusal_drain: Bytes = Field(
        ByteSize(4 * MIB),
        description="The most that is still read of a refused request's body, so that the client sees why it was "
        "refused.",
    )
    refusal_timeout: Seconds = Field(
        timedelta(seconds=5), description="How long the body of a refused request is still read."
    )

    max_query_length: Count = Field(65_536, description="The most characters in a GraphQL document.")
    max_query_tokens: Count = Field(1000, description="The most words and signs (tokens) in a GraphQL document.")
    max_query_depth: Count = Field(
        8, description="How deeply the fields of a GraphQL operation may nest, those of introspection apart."
    )
    max_query_aliases: Count = Field(
        15, description="The most aliases in a GraphQL operation; those of a fragment count wherever it is used."
    )
    max_query_directives: Count = Field(
        50, description="The most directives in a GraphQL operation; those of a fragment count wherever it is used."
    )
    max_query_cost: Count = Field(
        10_000,
        description="The most values that the answer to a GraphQL operation may hold, by its fields and the pages "
        "that it asks for.",
    )
    max_query_repeats: Count = Field(
        20, description="The most fields of a GraphQL operation that ask for a value once more, as in `{ id id }`."
    )
    max_connections: Count = Field(
        4096,
        description="The most connections that each process accepts at once, WebSockets included; at most a quarter "
        "of the files that the system lets it open.",
    )
    max_url_size: Bytes = Field(ByteSize(8 * KIB), description="The longest address (path and query) of a request.")
    max_header_size: Bytes = Field(
        ByteSize(64 * KIB), description="The most bytes that the headers of a request may have together."
    )
    max_headers: Count = Field(100, description="The most headers in a request.")
    header_timeout: Seconds = Field(
        timedelta(seconds=10), description="How long the headers of a request may take to arrive."
    )
    keep_alive_timeout: Seconds = Field(timedelta(seconds=5), description="How long an unused connection is kept open.")
    body_timeout: Seconds = Field(
        timedelta(seconds=30),
        description="The time over which `SATCHEL_MIN_BODY_RATE` is measured, while the server waits for a request's "
        "body.",
    )
    min_body_rate: Bytes = Field(
        ByteSize(KIB),
        description="The lowest rate a second at which a request's body may arrive, measured over "
        "`SATCHEL_BODY_TIMEOUT`.",
    )
    send_timeout: Seconds = Field(
        timedelta(seconds=60), description="How long a client may take nothing of an answer before it is cut off."
    )

    upload_memory: Bytes = Field(
        ByteSize(128 * MIB),
        description="The most memory of each process for bytes on their way to the store, of all uploads together.",
    )
    upload_lease: Seconds = Field(
        timedelta(seconds=60),
        description="How long the bytes of an unfinished upload are kept after its server was lost.",
    )
    delete_grace: Seconds = Field(
        timedelta(minutes=5), description="How long the bytes of deleted files are kept, for downloads under way."
    )
    sweep_interval: Seconds = Field(
        timedelta(seconds=30), description="How often bytes that nobody needs any more are looked for and removed."
    )
    idempotency_lifetime: Seconds = Field(timedelta(days=1), description="How long an `Idempotency-Key` is remembered.")
    event_max_age: Seconds = Field(timedelta(days=7), description="How long events are kept for clients that resume.")
    event_max_rows: Count = Field(1_000_000, description="The most events that are kept for clients that resume.")
    event_ring_size: Count = Field(4096, description="How many recent events each process keeps in memory.")

    verify_reads: bool = Field(
        default=True,
        description="Whether a file that is downloaded whole is hashed while it is sent, and its end withheld if the "
        "bytes are damaged; at most once in ten minutes, unless the store tells of a change.",
    )
    scrub_rate: Literal["auto"] | ByteSize = Field(
        "auto",
        description="Bytes a second of stored files that a running server reads and hashes again, 0 for none; `auto` "
        "is `4MiB` with a local directory, and none with S3, where reading may cost money.",
    )
    rehash_rate: Bytes = Field(
        ByteSize(64 * MIB), description="The most bytes a second that `satchel check --rehash` reads."
    )

    websocket_init_timeout: Seconds = Field(
        timedelta(seconds=10), description="How long a WebSocket client may take to send `connection_init`."
    )
    websocket_ping_interval: Seconds = Field(
        timedelta(seconds=20),
        description="How often a WebSocket is pinged; one that does not answer for as long again is closed.",
    )
    websocket_send_timeout: Seconds = Field(
        timedelta(seconds=30),
        description="How long a WebSocket client may read nothing before it is closed (code 1013).",
    )
    websocket_max_message: Bytes = Field(
        ByteSize(64 * KIB), description="The largest message that a WebSocket client may send."
    )
    max_subscriptions: Count = Field(16, description="The most GraphQL operations at once on one WebSocket.")
    max_websockets: Count = Field(
        1000,
        description="The most WebSockets that each process accepts at once from one address; a proxy is one address.",
    )
    shutdown_timeout: Seconds = Field(
        timedelta(seconds=30), description="How long uploads under way may take to finish after SIGTERM."
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The lowest level that is logged: `debug`, `info`, `warning` or `error`."
    )
    log_format: Literal["auto", "console", "json"] = Field(
        "auto",
        description="`console` for people, `json` for machines; `auto`: `console` on a terminal, `json` elsewhere.",
    )

    @field_validator("allowed_origins")
    @classmethod
    def _written_as_browsers_do(cls, origins: str) -> str:
        for origin in _listed(origins):
            parts = urlsplit(origin)
            if (
                parts.scheme not in {"http", "https"}
                or not parts.netloc
                or origin != f"{parts.scheme}://{parts.netloc}"
            ):
                raise ValueError("an origin is written without a path: https://app.example.org")
        return origins

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        if url and not url.startswith(("sqlite:///", "postgresql://")):
            raise ValueError("only sqlite:///path and postgresql://user:pass@host/db are supported")
        return url

    @field_validator("storage_url")
    @classmethod
    def _known_storage(cls, url: str) -> str:
        if url and not url.startswith(("file:///", "s3+http://", "s3+https://")):
            raise ValueError("only file:///path, s3+http://host/bucket and s3+https://host/bucket are supported")
        return url

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        # A model's errors carry no setting's name, so each line begins with it.
        for name in ("s3_access_key", "s3_secret_key") if self.uses_s3 else ():
            if not getattr(self, name):
                raise ValueError(f"SATCHEL_{name.upper()}: the S3 store needs a key")
        if self.downloads == "redirect" and not self.uses_s3:
            raise ValueError("SATCHEL_DOWNLOADS: only an S3 store (SATCHEL_STORAGE_URL) can be redirected to")
        if self.workers > 1 and not self.is_shared:
            raise ValueError(
                "SATCHEL_WORKERS: several need PostgreSQL and S3 (SATCHEL_DATABASE_URL, SATCHEL_STORAGE_URL)"
            )
        return self

    @property
    def hosts(self) -> frozenset[str]:
        """The names, in lower case, that the server answers to besides loopback names and IP addresses."""
        return frozenset(name.lower() for name in (*_listed(self.allowed_hosts), self.host))

    @property
    def origins(self) -> frozenset[str]:
        """The other sites whose pages may use the server."""
        return frozenset(_listed(self.allowed_origins))

    @property
    def database(self) -> str:
        """The database's URL with the default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'satchel.db'}"

    @property
    def storage(self) -> str:
        """The blob store's URL with the default filled in."""
        return self.storage_url or f"file://{self.data_dir.resolve() / 'objects'}"

    @property
    def uses_postgres(self) -> bool:
        """Whether the database is PostgreSQL."""
        return self.database.startswith("postgresql://")

    @property
    def uses_s3(self) -> bool:
        """Whether the blobs are in an S3 store."""
        return self.storage.startswith("s3+")

    @property
    def effective_scrub_rate(self) -> int:
        """Bytes a second that a running server reads again."""
        if self.scrub_rate == "auto":
            return 0 if self.uses_s3 else 4 * MIB
        return int(self.scrub_rate)

    @property
    def is_shared(self) -> bool:
        """Whether any number of servers may run on the same data; else the data directory is for one alone."""
        return self.uses_postgres and self.uses_s3

    @property
    def places(self) -> str:
        """Where the data is kept, for people, without a password."""
        if not (self.uses_postgres or self.uses_s3):
            return str(self.data_dir.resolve())
        url = urlsplit(self.database)
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path} and {self.storage}"


class TargetSettings(Settings):
    """The settings of the stack that `satchel copy` fills: the same, each as `SATCHEL_COPY_TO_…`."""

    model_config = SettingsConfigDict(env_prefix="SATCHEL_COPY_TO_")


class BadSetting(Exception):
    """A setting that cannot be used; the message is one line that names it."""


def load(kind: type[S] = Settings, /, **overrides: object) -> S:  # type: ignore[assignment]
    """Read the settings, `overrides` (from the command line) first.

    Raises:
        BadSetting: the first bad value, named as the environment variable that sets it.
    """
    prefix = kind.model_config["env_prefix"]
    try:
        return kind(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            raise BadSetting(first["msg"].removeprefix("Value error, ").replace("SATCHEL_", prefix)) from error
        name = f"{prefix}{first['loc'][0]}".upper()
        # A setting of two kinds (`auto`, or a size) has a reason of each.
        reasons = (reason["msg"] for reason in error.errors() if reason["loc"][:1] == first["loc"][:1])
        raise BadSetting(f"{name}: {'; or: '.join(reasons)} (got {first['input']!r})") from error


def unknown() -> Iterator[tuple[str, str | None]]:
    """Names in the environment and in `.env` that begin as settings do and are none, each with the one it resembles."""
    names = [name.upper() for name in Settings.model_fields]
    known = {f"{start}{name}" for start in ("", "COPY_TO_") for name in names} | {"FAILPOINT"}
    given = {name.upper() for name in (*os.environ, *dotenv_values(".env"))}
    for name in sorted(name.removeprefix("SATCHEL_") for name in given if name.startswith("SATCHEL_")):
        if name not in known:
            like = get_close_matches(name, known, n=1)
            yield f"SATCHEL_{name}", f"SATCHEL_{like[0]}" if like else None
