"""The meters that PostgreSQL must show, from the fold of the log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from domain.budget import Totals
from domain.budget_views import SCALES
from domain.units import MODALITIES, Counters
from services.audit.refold import Refold

# Credits have no month.
ALWAYS = "all"


class Row(msgspec.Struct, frozen=True):
    """One row of `billing_meters`; times in microseconds, null where there is none."""

    committed: int
    held: int
    limit: int | None
    scale: int
    starts_us: int | None
    ends_us: int | None

    @property
    def is_nothing(self) -> bool:
        """Whether a table need not have such a row."""
        return not (self.committed or self.held or self.limit or self.starts_us)


def expected(refold: Refold) -> dict[tuple[str, str], Row]:
    """Return every meter by period and unit."""
    rows: dict[tuple[str, str], Row] = {}
    for period, pieces in refold.months().items():
        for unit, (committed, held) in _amounts(pieces).items():
            limit = _limit(refold, period, unit)
            starts_us, ends_us = pieces[0].starts_us or None, pieces[0].ends_us or None
            scale = SCALES[unit]  # type: ignore[index]
            rows[period, unit] = Row(committed, held, limit, scale, starts_us, ends_us)
    money = refold.state.budget
    rows[ALWAYS, "credits"] = Row(
        money.credits_spent_nanos,
        money.credits_held_nanos,
        money.credits_added_nanos,
        SCALES["credits"],
        None,
        None,
    )
    return rows


def _limit(refold: Refold, period: str, unit: str) -> int | None:
    limits = refold.limits.get(period)
    if limits is None:
        return None
    value = {
        "money": limits.money_nanos,
        "video_minute_unit": limits.video_stream_ms_milli,
        "voice_minute_unit": limits.voice_stream_ms_milli,
        "text_token_unit": limits.text_tokens_milli,
        "data_request": limits.data_requests_milli,
    }.get(unit, -1)
    return None if value < 0 else value


def _amounts(pieces: Sequence[Totals]) -> dict[str, tuple[int, int]]:
    """Return what is committed and held of each unit of a month."""
    of = {m: [totals.units[m] for totals in pieces] for m in MODALITIES}
    every = [counters for pieces_of in of.values() for counters in pieces_of]
    return {
        "money": (
            sum(totals.committed_nanos for totals in pieces),
            sum(totals.held_nanos for totals in pieces),
        ),
        "token_unit": _sum(every, "tokens_milli"),
        "minute_unit": _sum(every, "stream_ms_milli"),
        "interaction_unit": _sum(every, "turns_milli"),
        "video_minute_unit": _sum(of["video"], "stream_ms_milli"),
        "voice_minute_unit": _sum(of["voice"], "stream_ms_milli"),
        "text_token_unit": _sum(of["text"], "tokens_milli"),
        "data_request": _sum(of["data"], "requests_milli"),
    }


def _sum(counters: Iterable[Counters], grain: str) -> tuple[int, int]:
    pairs = [(getattr(c, f"committed_{grain}"), getattr(c, f"held_{grain}")) for c in counters]
    committed, held = (sum(values) for values in zip(*pairs, strict=True))
    return committed, held
