"""
Where a version is in force: which open sessions have said that they go by it, and since when.

Whoever holds a session (a gateway, an agent) tells the gate by which bundle its next answer goes,
so this is what was said and not what ought to be. Only the gate's own clock is in it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from services.console.api import Json
from services.console.asking import Ask

_NAMED_MAX: Final = 5


class Spread(msgspec.Struct, frozen=True):
    """
    *going* of *listed* sessions go by it, of *total* that are open; *behind* names some others.

    *since_us* is when the last of those that were open before began to, and *after_us* how long
    that was after the decision; None where one goes by something newer already, which hides when.
    """

    total: int
    listed: int
    going: int
    behind: list[str]
    since_us: int | None
    after_us: int | None


async def ask_spread(ask: Ask, live: Json) -> Spread | None:
    """Look how far what a view says is live has come; None: nothing is, or it is not for them."""
    if not live["active_decision"] or not ask.may("session"):
        return None
    return spread(await ask.get("live/session"), live["active_decision"], live["active_since_us"])


def spread(sessions: Json, decision: int, put_in_force_us: int) -> Spread:
    """Compare what sessions say that they go by with the decision that put a version in force."""
    found = sessions["sessions"]
    behind = [one["session_id"] for one in found if one["bundle_revision"] < decision]
    older = [one for one in found if one["began_at_us"] < put_in_force_us]
    since_us: int | None = None
    if not behind and all(one["bundle_revision"] == decision for one in older):
        since_us = max((one["bundle_since_us"] for one in older), default=put_in_force_us)
    return Spread(
        sessions["total"],
        len(found),
        len(found) - len(behind),
        behind[:_NAMED_MAX],
        since_us,
        None if since_us is None else since_us - put_in_force_us,
    )
