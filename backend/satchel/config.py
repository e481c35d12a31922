"""Settings, from the environment (`SATCHEL_*`) or a `.env` file; two URLs choose all adapters.

Each bound of the system is one named setting with a default. A bad value stops the start with one line that names
the setting: see `load`.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar
from urllib.parse import urlsplit

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

    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="The port to listen on; 0 takes a free one.")
    open: bool = Field(
        default=False,
        description="Whether to listen beyond this machine: whoever reaches the port may read, add and delete.",
    )
    read_only: bool = Field(
        default=False, description="Whether files can only be read: uploads, renames and deletions are refused."
    )
    allowed_hosts: str = Field(
        "",
        description="Names that the server answers to besides `localhost`, IP addresses and its own, with commas: "
        "`files.example.org`.",
    )
    allowed_origins: str = Field(
        "",
        description="Other sites whose pages may use the server (CORS), with commas: `https://app.example.org`.",
    )
    playground: bool = Field(default=True, description="Whether `/graphql` shows browsers the playground.")
    introspection: bool = Field(default=True, description="Whether GraphQL tells its schema.")
    workers: Count = Field(1, description="Processes that serve; more than one needs PostgreSQL and S3.")
    data_dir: Path = Field(Path("data"), description="Where the embedded database and store keep everything.")
    database_url: str = Field(
        "", description="Empty: SQLite in the data directory; or `sqlite:///path`, `postgresql://user:pass@host/db`."
    )
    database_connections: Count = Field(10, description="Connections to PostgreSQL, of each process.")
    storage_url: str = Field(
        "",
        description="Empty: `objects` in the data directory; or `file:///path`, `s3+http://host:9000/bucket`, "
        "`s3+https://host/bucket`.",
    )
    s3_access_key: str = Field("", description="The name of the key to the S3 store.")
    s3_secret_key: SecretStr = Field(SecretStr(""), description="The key itself.")
    s3_region: str = Field("us-east-1", description="The store's region.")
    s3_connections: Count = Field(
        64, description="Connections to the store, of each process: for uploads, for downloads, and for the rest."
    )
    s3_part_size: Literal["auto"] | Bytes = Field(
        "auto",
        description="How large the parts of a multipart upload are: `auto` grow with the file; a size makes all but "
        "the last one alike, for stores that take no others (Cloudflare R2), and 10,000 of them must hold the largest "
        "file.",
    )
    s3_public_url: str = Field(
        "", description="Where clients reach the store, such as `https://s3.example.org`; empty: as the server does."
    )
    downloads: Literal["proxy", "redirect"] = Field(
        "proxy", description="Whether a download goes through the server, or by a signed link to the S3 store."
    )
    download_link_lifetime: Seconds = Field(
        timedelta(minutes=5), le=timedelta(days=7), description="How long such a link works."
    )

    max_file_size: Bytes = Field(ByteSize(5 * TIB), description="The largest file that is taken.")
    max_files_per_request: Count = Field(
        10, description="How many files one multipart request may upload; one part counts as often as it is used."
    )
    max_operations_size: Bytes = Field(ByteSize(64 * KIB), description="The `operations` part of an upload.")
    max_map_size: Bytes = Field(ByteSize(16 * KIB), description="The `map` part, and any other form field.")
    max_json_size: Bytes = Field(ByteSize(256 * KIB), description="A GraphQL request without files.")
    max_page_size: Count = Field(500, description="The most files that one page of a listing holds.")
    max_pdf_unpacked: Bytes = Field(
        ByteSize(256 * MIB),
        description="What the object streams of a PDF may unpack to, or what takes as long to look through; one that "
        "has more is saved instead of shown.",
    )
    max_delete_files: int = Field(
        1000,
        ge=100,
        description="How many files one operation may name to `deleteFiles`: 100 or more, for the file manager names "
        "so many.",
    )
    refusal_drain: Bytes = Field(
        ByteSize(4 * MIB), description="What is still read of a body after it was refused, so that the client sees why."
    )
    refusal_timeout: Seconds = Field(timedelta(seconds=5), description="How long that may take.")

    max_query_length: Count = Field(65_536, description="The characters of a GraphQL document.")
    max_query_tokens: Count = Field(1000, description="The words and signs of a GraphQL document.")
    max_query_depth: Count = Field(8, description="How deep its fields nest, those of introspection apart.")
    max_query_aliases: Count = Field(15, description="Its aliases, those of fragments wherever they are used.")
    max_query_directives: Count = Field(50, description="Its directives, counted alike.")
    max_query_cost: Count = Field(
        10_000,
        description="The values that its answer may hold, by its fields and the pages that it asks for.",
    )
    max_query_repeats: Count = Field(20, description="Its fields that ask for a value once more, as in `{ id id }`.")
    max_connections: Count = Field(
        4096,
        description="Connections at once, WebSockets among them, of each process; at most a fourth of the files that "
        "the system lets it open.",
    )
    max_url_size: Bytes = Field(ByteSize(8 * KIB), description="The path and query of a request.")
    max_header_size: Bytes = Field(ByteSize(64 * KIB), description="All headers of a request together.")
    max_headers: Count = Field(100, description="How many headers a request may have.")
    header_timeout: Seconds = Field(timedelta(seconds=10), description="How long they may take to arrive.")
    keep_alive_timeout: Seconds = Field(timedelta(seconds=5), description="How long a connection may wait unused.")
    body_timeout: Seconds = Field(
        timedelta(seconds=30), description="Over how long the rate of a body is measured, while it is waited for."
    )
    min_body_rate: Bytes = Field(ByteSize(KIB), description="The least of a body that arrives in each second of that.")
    send_timeout: Seconds = Field(
        timedelta(seconds=60), description="How long a client may take nothing of an answer before it is cut off."
    )

    upload_memory: Bytes = Field(
        ByteSize(128 * MIB), description="The memory for bytes on their way to the store, of all uploads together."
    )
    upload_lease: Seconds = Field(
        timedelta(seconds=60), description="How long the bytes of an upload outlive the server that was taking them."
    )
    delete_grace: Seconds = Field(
        timedelta(minutes=5), description="How long deleted bytes stay, for the downloads that run."
    )
    sweep_interval: Seconds = Field(timedelta(seconds=30), description="How often unused bytes are looked for.")
    idempotency_lifetime: Seconds = Field(timedelta(days=1), description="How long an idempotency key is remembered.")
    event_max_age: Seconds = Field(timedelta(days=7), description="How long events are kept for resuming clients.")
    event_max_rows: Count = Field(1_000_000, description="How many events are kept for resuming clients.")
    event_ring_size: Count = Field(4096, description="How many recent events are kept in memory.")

    verify_reads: bool = Field(
        default=True,
        description="Whether a whole file is hashed while it is sent, and its end withheld if the bytes are damaged; "
        "once in ten minutes, while the store does not tell of a change.",
    )
    scrub_rate: Literal["auto"] | ByteSize = Field(
        "auto",
        description="Bytes a second of what is stored that a running server reads and hashes again, 0 for none; "
        "`auto` is `4MiB` with a local directory, and none with S3, where reading may cost money.",
    )
    rehash_rate: Bytes = Field(
        ByteSize(64 * MIB), description="Bytes a second that `satchel check --rehash` reads at most."
    )

    websocket_init_timeout: Seconds = Field(
        timedelta(seconds=10), description="How long a WebSocket may wait with `connection_init`."
    )
    websocket_ping_interval: Seconds = Field(
        timedelta(seconds=20),
        description="How often a WebSocket is pinged; one that answers none for as long again is given up.",
    )
    websocket_send_timeout: Seconds = Field(
        timedelta(seconds=30), description="How long a subscriber may not read before it is closed (1013)."
    )
    websocket_max_message: Bytes = Field(ByteSize(64 * KIB), description="The largest WebSocket message taken.")
    max_subscriptions: Count = Field(16, description="Operations at once on one WebSocket.")
    max_websockets: Count = Field(
        1000, description="WebSockets at once from one address, of each process; a proxy is one address."
    )
    shutdown_timeout: Seconds = Field(
        timedelta(seconds=30), description="How long running uploads may take to finish after SIGTERM."
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least level logged.")
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="`console` for people, `json` for machines; `auto` asks whether a terminal looks on."
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
    def scrubbed(self) -> int:
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
