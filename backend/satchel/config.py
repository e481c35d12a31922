"""Settings, from the environment (`SATCHEL_*`) or a `.env` file; two URLs choose all adapters.

Each bound of the system is one named setting with a default. A bad value stops the start with one line that names
the setting: see `load`.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, ByteSize, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

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


class Settings(BaseSettings):
    """Everything that can be set. Sizes take units (`64KiB`, `5GB`), durations too (`30s`, `7d`)."""

    model_config = SettingsConfigDict(env_prefix="SATCHEL_", env_file=".env", extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="The port to listen on; 0 takes a free one.")
    data_dir: Path = Field(Path("data"), description="Where the embedded database and store keep everything.")
    database_url: str = Field("", description="Empty: SQLite in the data directory; or `sqlite:///path`.")
    storage_url: str = Field("", description="Empty: `objects` in the data directory; or `file:///path`.")

    max_file_size: Bytes = Field(ByteSize(5 * TIB), description="The largest file that is taken.")
    max_files_per_request: Count = Field(10, description="How many files one multipart request may carry.")
    max_operations_size: Bytes = Field(ByteSize(64 * KIB), description="The `operations` part of an upload.")
    max_map_size: Bytes = Field(ByteSize(16 * KIB), description="The `map` part, and any other form field.")
    max_json_size: Bytes = Field(ByteSize(256 * KIB), description="A GraphQL request without files.")
    max_page_size: Count = Field(500, description="The most files that one page of a listing holds.")
    refusal_drain: Bytes = Field(
        ByteSize(4 * MIB), description="What is still read of a body after it was refused, so that the client sees why."
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

    websocket_init_timeout: Seconds = Field(
        timedelta(seconds=10), description="How long a WebSocket may wait with `connection_init`."
    )
    websocket_send_timeout: Seconds = Field(
        timedelta(seconds=30), description="How long a subscriber may not read before it is closed (1013)."
    )
    websocket_max_message: Bytes = Field(ByteSize(64 * KIB), description="The largest WebSocket message taken.")
    max_subscriptions: Count = Field(16, description="Operations at once on one WebSocket.")
    shutdown_timeout: Seconds = Field(
        timedelta(seconds=30), description="How long running uploads may take to finish after SIGTERM."
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least level logged.")
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="`console` for people, `json` for machines; `auto` asks whether a terminal looks on."
    )

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        if url and not url.startswith("sqlite:///"):
            raise ValueError("only sqlite:///path is supported")
        return url

    @field_validator("storage_url")
    @classmethod
    def _known_storage(cls, url: str) -> str:
        if url and not url.startswith("file:///"):
            raise ValueError("only file:///path is supported")
        return url

    @property
    def database(self) -> str:
        """The database's URL with the default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'satchel.db'}"

    @property
    def objects(self) -> Path:
        """The directory of the local blob store."""
        if self.storage_url:
            return Path(self.storage_url.removeprefix("file://"))
        return self.data_dir.resolve() / "objects"


class BadSetting(Exception):
    """A setting that cannot be used; the message is one line that names it."""


def load(**overrides: object) -> Settings:
    """Read the settings, `overrides` (from the command line) first.

    Raises:
        BadSetting: the first bad value, named as the environment variable that sets it.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = f"SATCHEL_{first['loc'][0]}".upper() if first["loc"] else "settings"
        raise BadSetting(f"{name}: {first['msg']} (got {first['input']!r})") from error
