"""
How values of events are spelled for Postgres: in a COPY line, or in JSON.

Lines are made here and not by the driver: it takes 5 us to spell one `datetime`, ten times as long
as this, and spells rows only while Postgres waits for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

_US_PER_S = 1_000_000
_MOMENTS_MAX = 8_192
_NUL_SHOWN = "\N{REPLACEMENT CHARACTER}"


class _Moments(dict[int, str]):
    """Times that were spelled lately: several projections spell the same ones, a commit at a time.

    Half as dear as an `lru_cache`, which keeps an order that nobody needs here.
    """

    def __missing__(self, at_us: int) -> str:
        if len(self) >= _MOMENTS_MAX:
            self.clear()
        seconds, us = divmod(at_us, _US_PER_S)
        spelled = self[at_us] = f"{_second(seconds)}.{us:06d}+00"
        return spelled


_moments = _Moments()


def moment(at_us: int) -> str:
    """Microseconds since the epoch as `timestamptz` reads it, exactly."""
    return _moments[at_us]


@lru_cache(maxsize=4_096)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def text(value: str) -> str:
    """
    Free text of a caller, for JSON.

    Postgres has no U+0000: one such character would stop a whole shard, so it is replaced.
    """
    return value.replace("\0", _NUL_SHOWN) if "\0" in value else value


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


# -- COPY lines ----------------------------------------------------------------

# How a column is spelled. A number that may be null is spelled like a text.
NUMBER = "%d"
TEXT = "%s"
NULL = r"\N"
_NEEDS_ESCAPE = re.compile(r"[\\\t\n\r\0]").search
_ESCAPED = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r", "\0": _NUL_SHOWN})


def line_of(columns: Mapping[str, str]) -> str:
    """Return the format of a table's lines: `line_of(...) % values`."""
    return "\t".join(columns.values()) + "\n"


def copied(value: str) -> str:
    """Text as it stands in a line."""
    return value if _NEEDS_ESCAPE(value) is None else value.translate(_ESCAPED)


# Names come again and again: providers, products, sessions.
copied_name = lru_cache(maxsize=8_192)(copied)


def name_or_null(value: str) -> str:
    """A name as it stands in a line; the empty string means that there is none."""
    return copied_name(value) if value else NULL


def copied_or_null(value: str) -> str:
    """Text as it stands in a line; the empty string means that there is none."""
    return copied(value) if value else NULL


def moment_or_null(at_us: int) -> str:
    """A time as it stands in a line; 0 means that there is none."""
    return moment(at_us) if at_us else NULL


def copied_json(value: object) -> str:
    """A document as it stands in a line."""
    return copied(json_text(value))
