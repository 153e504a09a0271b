"""
Logs: one JSON object a line on stderr, from our code and from the libraries.

Fields that mean the same have the same name everywhere: `tenant`, `decision_id`, `position`,
`shard`, `request_id`, `duration_ms`. Values under a name that sounds secret are never written, and
neither are bearer tokens and passwords inside URLs, wherever in a line they stand. Tracebacks come
without local variables, which would show keys.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, TypeAlias, cast

import msgspec
import structlog
from structlog.typing import FilteringBoundLogger, Processor

Line: TypeAlias = MutableMapping[str, Any]

VALUE_CHARS_MAX = 8_000
HIDDEN = "[hidden]"
# `input_tokens` and `token_unit` are quantities; `token` and `access_token` are not.
_SECRET_NAME = re.compile(
    r"authorization|passw|secret|(^|[_-])token$|(api|private|access)[_-]?key|dsn|cookie|credential",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(r"(?i)(\bbearer\s+)[^\s\"',}\]\\]+|(://[^/@\s\"\\:]*:)[^/@\s\"\\]+(?=@)")


def configure(service: str, *, level: str = "info", stream: TextIO | None = None) -> None:
    """Send all logs of this process to *stream* (stderr); *service* is on every line."""
    out = sys.stderr if stream is None else stream
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _named(service),
        structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=20)
        ),
        hide_secrets,
    ]
    render = structlog.processors.JSONRenderer(serializer=_to_json)
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        # A cached logger would go on writing to the stream of an earlier configuration.
        cache_logger_on_first_use=False,
    )
    _adopt_libraries(out, shared, render)


def get(**fields: object) -> FilteringBoundLogger:
    """A logger whose lines all carry *fields*."""
    return cast("FilteringBoundLogger", structlog.get_logger(**fields))


def hide_secrets(_logger: object, _method: str, line: Line) -> Line:
    """Blank what must not be written, and cut what is too long to be read."""
    return {name: _shown(name, value) for name, value in line.items()}


def _shown(name: str, value: object) -> object:
    if _SECRET_NAME.search(name):
        return HIDDEN
    if isinstance(value, str):
        return _SECRET_TEXT.sub(_blank, value[:VALUE_CHARS_MAX])
    if isinstance(value, dict):
        return {str(key): _shown(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_shown("", inner) for inner in value]
    return value


def _blank(match: re.Match[str]) -> str:
    return f"{match[1] or match[2]}{HIDDEN}"


def _named(service: str) -> Processor:
    def add(_logger: object, _method: str, line: Line) -> Line:
        line["service"] = service
        return line

    return add


def _to_json(line: Line, **_options: object) -> str:
    return msgspec.json.encode(line, enc_hook=repr).decode()


def _adopt_libraries(out: TextIO, shared: list[Processor], render: Processor) -> None:
    # aiohttp, nats-py and psycopg write to the standard library's loggers; without this their
    # lines would be the only ones on stderr that are not JSON.
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
