"""What the forms of a deployment send: its terms and its disclosure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from services.console.api import Json
from services.console.asking import Ask
from services.console.forms import WrongField
from services.console.rendering import as_moment

SURFACES: Final = ("web_widget", "kiosk", "app")
CEILINGS: Final = ("video", "voice", "text")
_US: Final = 1_000_000


def read_terms(ask: Ask) -> Json:
    """Read the terms of a deployment; raises WrongField."""
    form = ask.form
    lines = (line.strip() for line in form.text("terms.origins").split("\n"))
    return {
        "surface": form.text("terms.surface"),
        "ceiling": form.text("terms.ceiling"),
        "origins": [line for line in lines if line],
        "mints_per_minute": form.number("terms.mints_per_minute"),
        "expires_at_us": _expiry_us(ask),
    }


def read_disclosure(ask: Ask) -> Json:
    """Read what is disclosed, and in which language."""
    return {
        "text": ask.form.text("disclosure.text"),
        "language": ask.form.text("disclosure.language"),
    }


def _expiry_us(ask: Ask) -> int | None:
    said = ask.form.text("terms.expires_at_us")
    if not said:
        return None
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        raise WrongField("terms.expires_at_us", "must be a date and a time") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=_zone(ask))
    return int(moment.astimezone(UTC).timestamp()) * _US


def shown_expiry(ask: Ask, expires_at_us: int | None) -> str:
    """Write an expiry as the form's field wants it, in the twin's time zone."""
    if expires_at_us is None:
        return ""
    return as_moment(expires_at_us).astimezone(_zone(ask)).strftime("%Y-%m-%dT%H:%M")


def _zone(ask: Ask) -> ZoneInfo:
    return ZoneInfo(str(ask.about.get("time_zone") or "UTC"))
