"""API keys: what opens the twin to programs. A key is made here and shown once."""

from __future__ import annotations

import base64
from typing import Final

from aiohttp import web

from contracts.access import DAY_US
from services.console import once
from services.console.api import Json
from services.console.asking import Ask
from services.console.forms import WrongField
from services.console.pages import Page
from services.console.rendering import as_moment
from services.identity.api_key import NewKey, generate_key

PATH: Final = "people/keys"
SHOWN: Final = 50
# Days until a key ends; 0: when it is revoked.
LASTS_DAYS: Final = (30, 90, 365, 0)
# How long the old key works beside the new one.
OVERLAP_HOURS: Final = (0, 1, 24, 168)
_HOUR_MS: Final = 3_600_000
SCOPES: Final = {
    "calls": "make vendor calls through the gate",
    "agent": "run an agent: calls, and what it is told to be",
    "read": "read what the twin is and has done",
    "mint": "let visitors in to a deployment",
    "ingest": "bring knowledge in",
}


async def show(ask: Ask) -> web.StreamResponse:
    """Show the page, with a problem if a form could not be done."""
    found = await ask.get("api-keys", limit=SHOWN, cursor=ask.request.query.get("cursor"))
    return ask.page(
        "keys.html",
        keys=found["items"],
        next_cursor=found["next_cursor"],
        ended=_ended(ask, found["items"]),
        scopes=SCOPES,
        lasts=LASTS_DAYS,
        overlaps=OVERLAP_HOURS,
        was_sent=once.was_sent(ask),
    )


async def issue(ask: Ask) -> web.StreamResponse:
    """Issue a key and show it, once."""
    scopes = ask.form.texts("scopes")
    if not scopes:
        raise WrongField("scopes", "must have at least one ticked")
    key, until_us = _made(ask), _until_us(ask)
    label = ask.form.text("label")
    receipt = await ask.do(
        "access",
        "issue_key",
        key_id=key.key_id,
        label=label,
        scopes=scopes,
        secret_hash=_spelled(key),
        expires_at_us=until_us,
    )
    return once.show(ask, "key", key.text, PATH, receipt, label=label, until_us=until_us)


async def rotate(ask: Ask) -> web.StreamResponse:
    """Put a new key in the place of one, and show it, once."""
    hours = ask.form.number("hours")
    if hours not in OVERLAP_HOURS:
        raise WrongField("hours", f"must be one of {', '.join(map(str, OVERLAP_HOURS))}")
    key, until_us = _made(ask), _until_us(ask)
    receipt = await ask.do(
        "access",
        "rotate_key",
        key_id=ask.form.text("key_id"),
        new_key_id=key.key_id,
        secret_hash=_spelled(key),
        overlap_ms=hours * _HOUR_MS,
        expires_at_us=until_us,
    )
    ends_us = int(receipt["facts"]["old_expires_at_us"])
    return once.show(ask, "rotated", key.text, PATH, receipt, ends_us=ends_us, until_us=until_us)


async def revoke(ask: Ask) -> web.StreamResponse:
    """End a key at once."""
    receipt = await ask.do(
        "access", "revoke_key", key_id=ask.form.text("key_id"), reason=ask.form.text("reason")
    )
    return ask.done(PATH, "revoked", receipt)


def _ended(ask: Ask, keys: list[Json]) -> set[str]:
    """Name the keys whose time is over."""
    now = as_moment(ask.here.clock())
    ends = ((one["key_id"], one["expires_at"]) for one in keys)
    return {key_id for key_id, at in ends if at is not None and as_moment(at) <= now}


def _made(ask: Ask) -> NewKey:
    return generate_key(ask.here.environment)


def _spelled(key: NewKey) -> str:
    return base64.b64encode(key.secret_hash).decode()


def _until_us(ask: Ask) -> int | None:
    days = ask.form.number("days")
    if days not in LASTS_DAYS:
        raise WrongField("days", f"must be one of {', '.join(map(str, LASTS_DAYS))}")
    return ask.here.clock() + days * DAY_US if days else None


PAGE: Final = Page("keys", "", "access", show, {"issue": issue, "rotate": rotate, "revoke": revoke})
