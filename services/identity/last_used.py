"""
When a key was used last, for the people who decide whether it is still needed; and a session.

A session's key id is its hash in hex, and its log that of the platform, which has no keys.

Uses are gathered in memory and written at most once a minute; what was not written when a process
dies is lost, and a minute is as exact as the column promises to be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
import psycopg
from psycopg import AsyncConnection

from services import logs

EVERY_S: Final = 60.0
# More keys than this in one minute are written with a later one.
KEYS_MAX: Final = 10_000

_WRITE: Final = """
INSERT INTO key_last_used AS k (tenant, key_id, used_at)
SELECT tenant, key_id, to_timestamp(used_at_us / 1000000)
FROM json_to_recordset(%s::json) AS c(tenant text, key_id text, used_at_us bigint)
ON CONFLICT (tenant, key_id) DO UPDATE SET used_at = greatest(k.used_at, excluded.used_at)
"""


class Use(msgspec.Struct, frozen=True):
    """The latest use of a key that is not written yet."""

    tenant: str
    key_id: str
    used_at_us: int


class LastUsed:
    """Notes uses of keys; `run` writes them. One for each process that lets keys in."""

    def __init__(self, dsn: str, now_us: Callable[[], int]) -> None:
        self._dsn = dsn
        self._now_us = now_us
        self._uses: dict[tuple[str, str], Use] = {}

    def note(self, tenant: str, key_id: str) -> None:
        """Say that a key was let in now. Costs no more than a dictionary."""
        if len(self._uses) < KEYS_MAX or (tenant, key_id) in self._uses:
            self._uses[tenant, key_id] = Use(tenant, key_id, self._now_us())

    async def run(self, *, every_s: float = EVERY_S) -> None:
        """Write what was noted, each *every_s*, until cancelled; then once more."""
        try:
            while True:
                await asyncio.sleep(every_s)
                await self.write()
        finally:
            await self.write()

    async def write(self) -> None:
        """Write what was noted. What a database that is away does not take is kept."""
        uses, self._uses = self._uses, {}
        if not uses:
            return
        body = msgspec.json.encode(list(uses.values())).decode()
        try:
            async with await AsyncConnection.connect(
                self._dsn, autocommit=True, connect_timeout=2, application_name="vito-last-used"
            ) as connection:
                await connection.execute(_WRITE, (body,))
        except psycopg.Error as error:
            logs.get().warning("last_used_not_written", keys=len(uses), error=str(error))
            self._uses = {**uses, **self._uses}
