"""
Who may read what of the public views.

The query API reads all of them. Who indexes what twins know reads what was approved, to prove that
nothing else is live. The callout, which every login to the bus depends on, looks up
keys, roles and sessions and hears what changes: the columns that `services.identity.directory`
asks for, and nothing of what a twin says, knows or costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

API: Final = "vito_api"
CALLOUT: Final = "vito_callout"
KNOWLEDGE: Final = "vito_knowledge"
CALLOUT_READS: Final[Mapping[str, tuple[str, ...]]] = {
    "api_keys": (
        *("key_id", "tenant", "secret_hash", "scopes"),
        *("expires_at_us", "revoked_at_us", "issued_at"),
    ),
    "members": ("tenant", "person", "role"),
    "sessions": ("session_hash", "person", "expires_at_us", "closed"),
    "access_changes": ("shard", "stream_seq", "part", "kind", "id", "tenant"),
    "account_changes": ("shard", "stream_seq", "part", "kind", "id"),
    "projection_positions": ("projection", "shard", "stream_seq"),
}


KNOWLEDGE_READS: Final[Mapping[str, tuple[str, ...]]] = {
    "twin_knowledge_reviews": ("tenant", "source", "content_hash", "outcome", "decision"),
}
_READERS: Final = {CALLOUT: CALLOUT_READS, KNOWLEDGE: KNOWLEDGE_READS}


async def grant_view(connection: AsyncConnection[TupleRow], view: str) -> None:
    """Let the readers read a view that was just made."""
    name = sql.Identifier("public", view)
    await connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(name, sql.Identifier(API)))
    for role, reads in _READERS.items():
        if view in reads:
            await _grant_columns(connection, role, view)


async def grant_readers(connection: AsyncConnection[TupleRow]) -> None:
    """Let roles read what they may of the views there are; a database may be older than a role."""
    for role, reads in _READERS.items():
        cursor = await connection.execute(
            "SELECT viewname FROM pg_views WHERE schemaname = 'public' AND viewname = ANY(%s)",
            (list(reads),),
        )
        for (view,) in await cursor.fetchall():
            await _grant_columns(connection, role, view)


async def _grant_columns(connection: AsyncConnection[TupleRow], role: str, view: str) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, _READERS[role][view]))
    await connection.execute(
        sql.SQL("GRANT SELECT ({}) ON {} TO {}").format(
            columns, sql.Identifier("public", view), sql.Identifier(role)
        )
    )
