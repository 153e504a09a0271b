"""
How values of events are written into Postgres columns.

Times are spelled here and not handed over as `datetime`: the driver takes 5 us to spell one of
those, ten times as long as this, and a row has up to three.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

_US_PER_S = 1_000_000
_NUL_SHOWN = "\N{REPLACEMENT CHARACTER}"


# Several projections spell the same times, one commit at a time.
@lru_cache(maxsize=8_192)
def moment(at_us: int) -> str:
    """Microseconds since the epoch as `timestamptz` reads it, exactly."""
    seconds, us = divmod(at_us, _US_PER_S)
    return f"{_second(seconds)}.{us:06d}+00"


@lru_cache(maxsize=4_096)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def moment_or_null(at_us: int) -> str | None:
    """Like moment(); 0 means that there is none."""
    return moment(at_us) if at_us else None


def text(value: str) -> str:
    """
    Free text of a caller.

    Postgres has no U+0000: one such character would stop a whole shard, so it is replaced.
    """
    return value.replace("\0", _NUL_SHOWN) if "\0" in value else value


def text_or_null(value: str) -> str | None:
    """Like text(); the empty string means that there is none."""
    return text(value) if value else None


def json_text(value: object) -> str:
    """A document as `jsonb` takes it."""
    encoded = msgspec.json.encode(value)
    if b"\\u0000" in encoded:
        encoded = msgspec.json.encode(_without_nul(msgspec.to_builtins(value)))
    return encoded.decode()


def _without_nul(value: Any) -> Any:
    match value:
        case str():
            return text(value)
        case dict():
            return {text(key): _without_nul(inner) for key, inner in value.items()}
        case list():
            return [_without_nul(inner) for inner in value]
        case _:
            return value
