"""
Revocation: a conversation does not outlive the key that began it.

Of everybody who is in, only keys can be taken back here: a visitor's admission ends by its time,
and the gate refuses each call of a deployment that was disabled. Who was let in is looked up once
more when their conversation is on the list: from then on every change is heard for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol

from domain import rights
from services import logs
from services.failure import Failure
from services.gateway.streams import Streams
from services.http_door.caller import Caller
from services.identity.directory import Change, DirectoryDown, KeyRecord
from services.query_api.problems import KEY_REFUSED, HttpProblem

AGAIN_S: Final = 0.5


class Directory(Protocol):
    """See services.identity.directory."""

    async def find_key(self, key_id: str) -> KeyRecord | None: ...
    def changes(self) -> AsyncIterator[Change]: ...


class Revocation:
    """Ends the conversations of keys that are no more. *clock_us*: microseconds since 1970."""

    def __init__(self, directory: Directory, streams: Streams, clock_us: Callable[[], int]) -> None:
        self._directory = directory
        self._streams = streams
        self._clock_us = clock_us

    async def follow(self) -> None:
        """Follow what changes, for ever."""
        while True:
            try:
                async for change in self._directory.changes():
                    await self.heard(change)
            except Failure as problem:
                logs.get().warning("changes_not_heard", reason=problem.message)
            await asyncio.sleep(AGAIN_S)

    async def confirm(self, caller: Caller) -> None:
        """Look up again who has just begun a conversation."""
        if caller.kind == "key":
            await self.heard(Change("key", caller.id))

    async def heard(self, change: Change) -> None:
        """Look up again whom a change may concern."""
        if change.kind not in ("key", "unknown"):
            return
        keys = {caller.id for caller in self._streams.callers() if caller.kind == "key"}
        for key_id in keys if change.kind == "unknown" else keys & {change.id}:
            if not await self._stands(key_id):
                self._end(key_id)

    async def _stands(self, key_id: str) -> bool:
        try:
            record = await self._directory.find_key(key_id)
        except DirectoryDown:
            # Each call is refused by the gate anyway; `unknown` comes again when this is over.
            return True
        if record is None or not record.is_usable(self._clock_us()):
            return False
        return rights.scopes_may(record.scopes, "budget", "authorize")

    def _end(self, key_id: str) -> None:
        def is_meant(caller: Caller) -> bool:
            return caller.kind == "key" and caller.id == key_id

        self._streams.end_where(is_meant, HttpProblem(KEY_REFUSED, "The key was revoked."))
