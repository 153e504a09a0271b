"""
Advisory locks: what two processes may not do at once, with numbers that are ours in a database.

They belong to a connection and end with it, so a process that dies blocks nobody. They need a
direct connection to the server, not one through a pooler that shares sessions.
"""

from __future__ import annotations

from enum import IntEnum

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

OURS = 0x5649_544F  # "VITO"


class Lock(IntEnum):
    """What a lock protects. SHARD and INDEX are the first of a range, one for each shard."""

    MIGRATE = 1
    # Shared by every batch that is applied, exclusive for the moment in which versions switch.
    SWITCH = 2
    REBUILD = 3
    # Who takes uploads: their pieces belong together.
    UPLOADS = 4
    # Who forgets what nobody needs any more.
    RETENTION = 5
    SHARD = 1_000
    # What follows a shard for the knowledge index.
    INDEX = 2_000


async def hold_in_transaction(connection: AsyncConnection[TupleRow], lock: Lock) -> None:
    """Wait for the lock and keep it until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (OURS, int(lock)))


async def share_in_transaction(connection: AsyncConnection[TupleRow], lock: Lock) -> None:
    """Like hold_in_transaction, beside others who share it."""
    await connection.execute("SELECT pg_advisory_xact_lock_shared(%s, %s)", (OURS, int(lock)))


async def try_hold(connection: AsyncConnection[TupleRow], lock: Lock, which: int = 0) -> bool:
    """Take the lock for as long as the connection lasts; False when somebody else has it."""
    cursor = await connection.execute(
        "SELECT pg_try_advisory_lock(%s, %s)", (OURS, int(lock) + which)
    )
    row = await cursor.fetchone()
    return row is not None and bool(row[0])
