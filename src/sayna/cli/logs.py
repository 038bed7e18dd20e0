"""One log for everything: text on a terminal, JSON otherwise, always on stderr, never a secret.

Our own events (structlog) and those of the libraries (stdlib logging) pass the same processors,
so that what may not be logged is held back in one place.
"""

import logging
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

HIDDEN = "[hidden]"
DEEPEST = 6
"""Nested values below this depth are not looked into; they are hidden whole."""

_SECRET = re.compile(
    r"(?:^|_)(?:(?:api|access|signing|private|subscription)_?keys?|tokens?|jwt|authorization"
    r"|secrets?|passwords?|credentials?|cookies?)(?:$|_)"
)
_SPOKEN = re.compile(r"(?:^|_)(?:text|transcript|audio|utterance|prompt)s?$")
_HARMLESS = re.compile(r"_(?:ids?|path|count|name|format|status|kind|mode|chars|bytes|m?s)$")
_QUERY = re.compile(r"((?:\b[a-z][a-z0-9+.-]*:/)?/[^\s\"'?#]*)\?[^\s\"']+", re.IGNORECASE)


def configure(level: str = "info", log_format: str = "auto", stream: TextIO | None = None) -> None:
    """Send every log of the process through one chain of processors.

    Args:
        level: debug, info, warning, error or critical.
        log_format: `text`, `json`, or `auto`: text when the stream is a terminal.
        stream: where lines go; stderr unless told otherwise.
    """
    target = sys.stderr if stream is None else stream
    terminal = target.isatty()
    as_text = log_format == "text" or (log_format == "auto" and terminal)
    shared = _shared_processors()
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=_last_processors(as_text, colours=terminal)
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    _take_over_libraries()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Hide values whose key is named like a secret or like speech, and every query string."""
    for key, value in event.items():
        event[key] = value if key.startswith("_") else _clean(key, value, depth=0)
    return event


def without_query(text: str) -> str:
    """Cut the query off every path and URL in the text: `/ws?token=x` becomes `/ws?…`."""
    return _QUERY.sub(r"\1?…", text)


def _clean(key: str, value: object, *, depth: int) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth > DEEPEST or _is_private(key):
        return HIDDEN
    if isinstance(value, str):
        return without_query(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return HIDDEN
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return {str(k): _clean(str(k), v, depth=depth + 1) for k, v in pairs}
    if isinstance(value, Sequence):
        items = cast("Sequence[object]", value)
        return [_clean(key, item, depth=depth + 1) for item in items]
    return value


def _is_private(key: str) -> bool:
    name = key.lower().replace("-", "_")
    if _HARMLESS.search(name):
        return False
    return bool(_SECRET.search(name) or _SPOKEN.search(name))


def _shared_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _last_processors(as_text: bool, *, colours: bool) -> list[Processor]:
    """What runs last, for our events and foreign ones alike: redaction sees the whole event."""
    head: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if as_text:
        # The plain traceback: prettier ones print local variables, and those hold secrets.
        plain = structlog.dev.plain_traceback
        console = structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=plain)
        return [*head, redact, console]
    render = structlog.processors.JSONRenderer(ensure_ascii=False)
    return [*head, structlog.processors.format_exc_info, redact, render]


def _take_over_libraries() -> None:
    """Let libraries that bring handlers of their own log through ours."""
    logging.captureWarnings(capture=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio", "picows", "aiohttp"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    # One line for each request is ours to write, with its request id.
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
