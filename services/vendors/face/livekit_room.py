"""
A LiveKit room and what it costs: each connection, rounded up to whole minutes, then added.

An empty room is free. Who is there is told by listings and by webhooks, whichever comes first; who
has gone is counted until they were last known to be there, or to the moment a webhook says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from contracts.usage import Usage

MINUTE_MS: Final = 60_000
PARTICIPANTS_MAX: Final = 1_000
_US: Final = 1_000_000


class Connection(msgspec.Struct):
    """One stay of one participant; *left_us* is 0 while it goes on."""

    joined_us: int
    left_us: int = 0


class Attendance(msgspec.Struct):
    """Who has been in a room, by the name of their connection."""

    connections: dict[str, Connection] = {}

    def seen(self, sids: Mapping[str, int], now_us: int) -> None:
        """A listing: who is there and since when; whoever is not in it has gone."""
        for sid, joined_us in sids.items():
            self.joined(sid, joined_us)
        for sid, connection in self.connections.items():
            if sid not in sids and not connection.left_us:
                connection.left_us = now_us

    def joined(self, sid: str, at_us: int) -> None:
        """Somebody came."""
        if len(self.connections) < PARTICIPANTS_MAX:
            self.connections.setdefault(sid, Connection(at_us))

    def left(self, sid: str, at_us: int) -> None:
        """Somebody went."""
        connection = self.connections.get(sid)
        if connection is not None and not connection.left_us:
            connection.left_us = max(at_us, connection.joined_us)

    def usage(self, now_us: int) -> Usage:
        """What LiveKit bills up to now."""
        stays = (
            max(0, (one.left_us or now_us) - one.joined_us) for one in self.connections.values()
        )
        return Usage(stream_ms=sum(-(-stay // (60 * _US)) * MINUTE_MS for stay in stays))


class RoomShown(msgspec.Struct, frozen=True):
    """What is read of a room. 64 bit numbers are texts in this JSON."""

    name: str
    sid: str = ""
    created_us: int = 0
    metadata: str = ""


def room(found: object) -> RoomShown | None:
    """Read one room; None for what is none."""
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        return None
    created_ms = whole(found, "creation_time_ms", "creationTimeMs")
    created_s = whole(found, "creation_time", "creationTime")
    return RoomShown(
        found["name"],
        str(found.get("sid", "")),
        created_ms * 1_000 or created_s * _US,
        str(found.get("metadata", "")),
    )


def present(found: Iterable[object]) -> dict[str, int]:
    """Read a list of participants: their connections, and when each came, Unix microseconds."""
    sids: dict[str, int] = {}
    for one in found:
        if isinstance(one, dict) and isinstance(one.get("sid"), str):
            joined_ms = whole(one, "joined_at_ms", "joinedAtMs")
            sids[one["sid"]] = joined_ms * 1_000 or whole(one, "joined_at", "joinedAt") * _US
    return sids


def whole(found: Mapping[str, Any], *names: str) -> int:
    """A number under the first of *names* that has one; 0 without."""
    for name in names:
        text = str(found.get(name, ""))
        if text.isascii() and text.isdigit():
            return int(text[:18])
    return 0
