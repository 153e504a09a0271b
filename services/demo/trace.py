"""The trace: when conversation turns arrived, and how many tokens went in and came out."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path

import msgspec

PATH = Path(__file__).with_name("azure_llm_conv_2023.csv")
_SECONDS_CHARS = len("2023-11-16 18:15:46")
_TENTHS_PER_S = 10_000_000


class Row(msgspec.Struct, frozen=True, gc=False):
    """One request, *at_us* after the first."""

    at_us: int
    context_tokens: int
    generated_tokens: int


def read_trace(path: Path = PATH) -> list[Row]:
    """Read the whole trace, in order of arrival."""
    with path.open(newline="") as file:
        rows = [
            (_tenth_us(at), int(into), int(out)) for at, into, out in list(csv.reader(file))[1:]
        ]
    first = rows[0][0]
    return [Row((at - first) // 10, into, out) for at, into, out in rows]


def _tenth_us(text: str) -> int:
    # Seven digits of a second are one more than datetime has.
    seconds = datetime.fromisoformat(text[:_SECONDS_CHARS] + "+00:00").timestamp()
    return int(seconds) * _TENTHS_PER_S + int(text[_SECONDS_CHARS + 1 :])
