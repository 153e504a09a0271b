"""
Numbered SQL files, applied once each.

A file that was applied is never changed again: its checksum is kept, and a different one is
refused, because two databases that both "have 0003" would not be the same. A database that has
more than this program knows is refused too: a newer program has been here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from services.projector.locks import Lock, hold_in_transaction

DIRECTORY = Path(__file__).parent / "sql"
# MERGE came with 15; tests run on 18.
SERVER_VERSION_MIN = 15_00_00
_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_LEDGER = """
CREATE TABLE IF NOT EXISTS public.vito_migrations (
    number     integer     PRIMARY KEY,
    name       text        NOT NULL,
    sha256     text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class MigrationRefused(Exception):
    """The database cannot be brought to what this program needs. Says why and what to do."""


class Migration(msgspec.Struct, frozen=True):
    """One file. *sha256* is over its bytes."""

    number: int
    name: str
    sql: str
    sha256: str


def load(directory: Path = DIRECTORY) -> list[Migration]:
    """Read the numbered files of a directory; their numbers must follow each other from 1."""
    found: list[Migration] = []
    for path in sorted(directory.glob("[0-9]*.sql")):
        match = _FILE.fullmatch(path.name)
        if match is None or int(match[1]) != len(found) + 1:
            raise MigrationRefused(f"{path.name}: name the files 0001_<name>.sql without a gap")
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        found.append(Migration(len(found) + 1, match[2], content.decode(), digest))
    return found


async def migrate(
    connection: AsyncConnection[TupleRow], migrations: Sequence[Migration] | None = None
) -> list[str]:
    """
    Apply what is missing, all or nothing; the names of what was applied.

    Two callers at once take turns. Raises MigrationRefused and changes nothing.
    """
    known = load() if migrations is None else list(migrations)
    if connection.info.server_version < SERVER_VERSION_MIN:
        raise MigrationRefused(
            f"PostgreSQL {connection.info.server_version // 10_000} is too old: use 18"
        )
    async with connection.transaction():
        await hold_in_transaction(connection, Lock.MIGRATE)
        await connection.execute((DIRECTORY / "roles.sql").read_bytes())
        await connection.execute(_LEDGER)
        cursor = await connection.execute(
            "SELECT number, name, sha256 FROM public.vito_migrations ORDER BY number"
        )
        applied = await cursor.fetchall()
        _compare(known, applied)
        missing = known[len(applied) :]
        for migration in missing:
            await _apply(connection, migration)
    return [f"{m.number:04}_{m.name}" for m in missing]


def _compare(known: Sequence[Migration], applied: Sequence[TupleRow]) -> None:
    if len(applied) > len(known):
        raise MigrationRefused(
            f"the database has migration {applied[-1][0]:04}_{applied[-1][1]}, which this program "
            "does not know: start the newer program, or restore a backup from before it"
        )
    for migration, (number, name, sha256) in zip(known, applied, strict=False):
        if (migration.number, migration.sha256) != (number, sha256):
            raise MigrationRefused(
                f"migration {number:04}_{name} was changed after it was applied here: put its "
                "file back as it was, and write the change as a new migration"
            )


async def _apply(connection: AsyncConnection[TupleRow], migration: Migration) -> None:
    await connection.execute(migration.sql.encode())
    await connection.execute(
        "INSERT INTO public.vito_migrations (number, name, sha256) VALUES (%s, %s, %s)",
        (migration.number, migration.name, migration.sha256),
    )
