"""How an operator is told of amounts, times and reasons."""

from __future__ import annotations

from datetime import tzinfo

import msgspec

from contracts.budget import Standing
from services.audit.amounts import money
from services.audit.moments import local


class Where(msgspec.Struct, frozen=True):
    """On whose clock times are told (None: this machine's) and in whose currency money is."""

    zone: tzinfo | None = None
    currency: str = ""


class Teller:
    """Spells money and times as the tenant would."""

    def __init__(self, where: Where) -> None:
        self._where = where

    def money(self, nanos: int) -> str:
        return money(nanos, self._where.currency)

    def clock(self, at_us: int) -> str:
        return f"{local(at_us, self._where.zone):%H:%M:%S}"

    def day(self, at_us: int) -> str:
        return f"{local(at_us, self._where.zone):%Y-%m-%d %H:%M}"

    def left(self, standing: Standing, word: str = "remaining") -> str:
        return f"{word} {self.money(standing.remaining_nanos)}"


def because(reason: str) -> str:
    return f" ({reason})" if reason else ""
