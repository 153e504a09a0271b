"""
The sockets to Cartesia that are open and not in use.

A new socket costs the listener a TLS handshake, so one is kept for a minute after its utterance.
Each is used by one utterance at a time, and only for the twin and the key that it was opened with:
when the key is changed or revoked in the vault, a call does not come to use the old one's socket.
Keys themselves are not kept here, only what tells them apart.

Reconnecting: a kept socket is looked at before it is used, and replaced when the vendor has closed
it (after five idle minutes, as documented; we do not wait that long). Once something was sent
nothing is reconnected: an utterance that breaks off is over, and a second attempt is a new call
with a new grant.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from typing import TypeAlias

from services.secret import Secret
from services.vendors.outbound_pieces import Socket

IDLE_MAX = 128
IDLE_S = 60.0

Owner: TypeAlias = tuple[str, bytes]


def owner_of(tenant: str, key: Secret) -> Owner:
    """Whose socket it is: a twin's, with one version of its key."""
    return tenant, hashlib.sha256(key.reveal().encode()).digest()


class Lines:
    """Open sockets by owner. What is not used for *idle_s* is closed."""

    def __init__(self, idle_s: float = IDLE_S) -> None:
        self._idle_s = idle_s
        # In the order in which they were kept: the first is the oldest.
        self._kept: OrderedDict[Socket, tuple[Owner, asyncio.TimerHandle]] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._kept)

    async def take(self, owner: Owner) -> Socket | None:
        """Return a socket that can be used now, or None."""
        # The one that was used last is the one most likely to be alive.
        mine = [socket for socket, (whose, _) in reversed(self._kept.items()) if whose == owner]
        for socket in mine:
            if not self._remove(socket):
                continue  # Somebody else took it while we looked at another.
            if await socket.is_alive():
                return socket
            self._close(socket)
        return None

    def keep(self, owner: Owner, socket: Socket) -> None:
        """Keep a socket for the next utterance; closes the oldest when there are too many."""
        while len(self._kept) >= IDLE_MAX:
            self._expire(next(iter(self._kept)))
        timer = asyncio.get_running_loop().call_later(self._idle_s, self._expire, socket)
        self._kept[socket] = owner, timer

    def _expire(self, socket: Socket) -> None:
        if self._remove(socket):
            self._close(socket)

    def _remove(self, socket: Socket) -> bool:
        found = self._kept.pop(socket, None)
        if found is None:
            return False
        found[1].cancel()
        return True

    def _close(self, socket: Socket) -> None:
        # Nobody waits for it, and it is bounded; asyncio keeps no strong reference itself.
        task = asyncio.create_task(socket.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
