"""Money exactly, and counts of units to three places, as people read them."""

from __future__ import annotations

from decimal import Decimal

NANOS_PER_UNIT = 1_000_000_000
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}
_PLACES_MIN = 2


def money(nanos: int, currency: str = "USD") -> str:
    """Spell nanos in units of the currency, with at least two places and all that count."""
    sign = "-" if nanos < 0 else ""
    whole, part = divmod(abs(nanos), NANOS_PER_UNIT)
    places = f"{part:09d}".rstrip("0").ljust(_PLACES_MIN, "0")
    # Before a twin has a policy nobody knows its currency.
    prefix = _SYMBOLS.get(currency, f"{currency} " if currency else "")
    return f"{sign}{prefix}{whole:,}.{places}"


def units(grains: int, scale: int) -> str:
    """Spell grains as units, *scale* of them to one, to three places: a count, not money."""
    return f"{Decimal(grains) / scale:,.3f}".rstrip("0").rstrip(".")
