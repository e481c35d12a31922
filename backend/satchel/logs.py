"""Structured logs: lines for people on a terminal, JSON for machines.

What strangers sent can stand in them, so control characters never get through raw, and no entry looks like two. A
traceback tells the lines of code but no values: among these are bytes of files, and keys.
"""

import json
import logging
import sys

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

from satchel.config import Settings


def configure(settings: Settings) -> None:
    """Send all logs, the server's and the libraries' too, to standard error in the format that the settings ask for."""
    level = getattr(logging, settings.log_level.upper())
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[Processor] = (
        [
            structlog.processors.format_exc_info,
            _printable,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ]
        if console
        else [
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            # Python's own, which writes all that is not plain ASCII as an escape: C1 and bidi controls too, and halves
            # of characters, at which others fail.
            structlog.processors.JSONRenderer(separators=(",", ":")),
        ]
    )
    structlog.configure(
        processors=[*shared, structlog.processors.StackInfoRenderer(), *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer]
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)


def _printable(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Escape what could move a terminal's cursor, and set tracebacks off from what begins a line."""
    exception = event.pop("exception", None)
    event = {name: _escaped(value) if isinstance(value, str) else value for name, value in event.items()}
    if exception is not None:
        event["exception"] = "\n".join(f"  {_escaped(line)}" for line in exception.splitlines())
    return event


def _escaped(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)
