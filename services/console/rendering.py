"""
Templates, and how figures are written: money in nanos, moments, quantities, codes.

Whatever comes from outside is escaped by the template engine. A figure that the gate has as a whole
number is divided here and nowhere else, by decimal arithmetic, for the eye only.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from babel.dates import format_datetime, format_timedelta
from babel.numbers import format_currency, format_decimal, format_percent
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from services.console.languages import Words

NANOS: Final = 10**9
# An en dash, where there is no figure.
NOTHING: Final = "\N{EN DASH}"
_US: Final = 1_000_000
_DECIMALS_MAX: Final = 9
_FOLDER: Final = Path(__file__).with_name("templates")


def environment() -> Environment:
    """Make the engine: everything escaped, a name that is not there is a fault."""
    made = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.policies["json.dumps_kwargs"] = {"sort_keys": True}
    return made


class Figures:
    """How figures are written for one person: in their language, in the twin's time zone."""

    def __init__(self, words: Words, zone: str = "UTC") -> None:
        self._words = words
        self._zone = ZoneInfo(zone)

    def money(self, nanos: int | None, currency: str = "USD") -> str:
        """Write nanos of a currency; below a cent with as many decimals as it takes."""
        if nanos is None:
            return NOTHING
        amount = Decimal(nanos) / NANOS
        decimals = 2
        while decimals < _DECIMALS_MAX and amount and abs(amount) < Decimal(1).scaleb(1 - decimals):
            decimals += 1
        form = "¤#,##0." + "0" * decimals
        return format_currency(
            amount, currency, form, locale=self._words.language, currency_digits=False
        )

    def quantity(self, grains: int | None, scale: int = 1) -> str:
        """Write a quantity of *scale* grains a unit, with at most three decimals."""
        if grains is None:
            return NOTHING
        return format_decimal(Decimal(grains) / scale, "#,##0.###", locale=self._words.language)

    def percent(self, part: int, whole: int) -> str:
        """Write how much of the whole a part is."""
        share = Decimal(part) / whole if whole else Decimal(0)
        return format_percent(share, "#,##0.#%", locale=self._words.language)

    def moment(self, at: str | int | datetime | None, form: str = "medium") -> str:
        """Write a moment (ISO 8601, or microseconds since 1970), exact in its attribute."""
        if at is None:
            return NOTHING
        moment = as_moment(at)
        text = format_datetime(moment, form, tzinfo=self._zone, locale=self._words.language)
        return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(), text)

    def since(self, at: str | int | datetime, now: datetime) -> str:
        """Write how long ago a moment is."""
        moment = as_moment(at)
        text = format_timedelta(
            moment - now, add_direction=True, locale=self._words.language, threshold=1.2
        )
        return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(), text)


def as_moment(at: str | int | datetime) -> datetime:
    """Read a moment as the API writes it."""
    if isinstance(at, datetime):
        return at
    if isinstance(at, int):
        return datetime.fromtimestamp(at / _US, UTC)
    return datetime.fromisoformat(at)


def rendered(made: Environment, template: str, **context: Any) -> str:
    """Render a template."""
    return made.get_template(template).render(**context)


Renderer = Callable[..., str]
